"""The networks that are compared, as PyTorch has them."""

import pathlib
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

sys.path.append(str(pathlib.Path(__file__).parents[1] / "Tests/ModelsTests/Fixtures"))
from small_networks import LeNet, ResNet20


def two_convolutions(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    """The classic widths with same convolutions, one channel to two classes."""

    def __init__(self, channels=1, classes=2, width=64, depth=4):
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.down = nn.ModuleList(two_convolutions(a, b) for a, b in zip([channels] + widths, widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * a, a, 2, 2) for a in reversed(widths[:-1]))
        self.merge = nn.ModuleList(two_convolutions(2 * a, a) for a in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1])):
            x = merge(torch.cat([skip, up(x)], 1))
        return self.head(x)


def vgg11_cifar():
    """VGG-11 for 32x32 images: torchvision's features and one linear layer."""
    return nn.Sequential(torchvision.models.vgg11().features, nn.Flatten(), nn.Linear(512, 10))


def torchvision_network(name):
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(**options)


def efficientnet_lite0():
    import timm

    return timm.create_model("tf_efficientnet_lite0")


OWN = {
    "lenet": LeNet, "resnet20": ResNet20, "unet": UNet, "vgg11_cifar": vgg11_cifar,
    "efficientnet_lite0": efficientnet_lite0,
}


def make(name):
    """The network with the same weights in every process."""
    torch.manual_seed(0)
    network = OWN[name]() if name in OWN else torchvision_network(name)
    with torch.no_grad():
        for parameter in network.parameters():
            # Vectors that are equal would become one in an exported file, and behind ConvNeXt's layer scale of 1e-6 no
            # comparison of outputs would see a block.
            if parameter.numel() == max(parameter.shape):
                parameter.add_(0.01 * torch.randn_like(parameter))
    return network
