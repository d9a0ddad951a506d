"""Writes small networks that PyTorch works on with channels last in part, with what it computes from them: in the style
of ConvNeXt (Liu et al., 2022; Woo et al., 2023) and of vision transformers, exported for operator sets that have layer
norm and for one that has not.

Needs onnx, numpy and torch: python make_channels_last.py
"""

import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class ChannelNorm(nn.Module):
    """Layer norm over axis 1, spelled out."""

    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class Block(nn.Module):
    def __init__(self, width, approximate, response):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.act = nn.GELU(approximate=approximate)
        self.gamma = None if response else nn.Parameter(torch.ones(width))
        self.response = nn.Parameter(torch.zeros(2, 2 * width)) if response else None

    def forward(self, x):
        y = self.act(self.up(self.norm(self.conv(x).permute(0, 2, 3, 1))))
        if self.response is not None:
            length = y.norm(dim=(1, 2), keepdim=True)
            y = y + self.response[0] + self.response[1] * (y * (length / (length.mean(-1, keepdim=True) + 1e-6)))
        y = self.down(y)
        if self.gamma is not None:
            y = y * self.gamma
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.block1, self.middle, self.reduce = Block(8, "none", False), ChannelNorm(8), nn.Conv2d(8, 12, 2, 2)
        self.block2, self.last, self.head = Block(12, "tanh", True), nn.LayerNorm(12), nn.Linear(12, 5)

    def forward(self, x):
        x = self.norm(self.stem(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = F.silu(self.reduce(self.middle(self.block1(x))))
        x = self.block2(x).mean((2, 3))
        return self.head(self.last(x))


class Transformer(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 13, width))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        q, k, v = self.qkv(self.norm1(x)).reshape(x.shape[0], 13, 3, 2, 4).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) * 0.5).softmax(-1)
        x = x + self.out((attention @ v).transpose(1, 2).reshape(x.shape[0], 13, 8))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x)[:, 0])


def save(name, network, opset):
    torch.manual_seed(opset)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    x = torch.randn(2, 3, 16, 12)
    y = network(x)
    y.square().sum().backward()
    first = next(network.children())
    np.save(f"{name}_x.npy", x.numpy())
    np.save(f"{name}_y.npy", y.detach().numpy())
    np.save(f"{name}_dweight.npy", first.weight.grad.numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), x, f"{name}.onnx", dynamo=False, opset_version=opset, input_names=["x"],
            output_names=["y"], dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})


save("convnext17", ConvNeXt(), 17)
save("convnext13", ConvNeXt(), 13)
save("transformer", Transformer(), 17)
