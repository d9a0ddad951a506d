"""Writes architectures.json and imported.onnx: PyTorch's losses while it fine-tunes networks of published
architectures, step by step, that TrainingTests compare with.

    python make_architectures.py

Weights and images are not stored: both languages draw them from the Philox generator of `RandomStream`, weights as if
the networks had been trained, one stream for each tensor in the order of their names. Batch norms are frozen, in
`eval()`, as `convnet finetune` has them; nothing is dropped at random. How far float32 strays is as in make_training.py.
"""

import json
import pathlib

import numpy as np
import onnx
import torch
import torch.nn.functional as F
import torchvision.models as tv
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from make_training import rounded, uniform

IMAGES, BATCH, CLASSES, SIDE = 40, 8, 5, 32
FALLING = [2.6**-3, 2.6**-2, 2.6**-1, 1]
folder = pathlib.Path(__file__).parent


class Imported(nn.Module):
    """What imported.onnx computes: names of parameters are those of the file."""

    def __init__(self, classes):
        super().__init__()
        self.stem, self.bn1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.wide, self.bn2 = nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.inner = nn.Conv2d(16, 16, 3, 1, 1)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.stem(x)))
        x = F.relu(self.bn2(self.wide(self.depthwise(x))))
        x = F.max_pool2d(x + F.relu(self.inner(x)), 2)
        return self.fc(x.mean((2, 3)))


def write_onnx(model):
    """The same network, with the weights in the file's own order."""
    node = helper.make_node
    norm = lambda name: [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    nodes = [
        node("Conv", ["x", "stem.weight"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["a", *norm("bn1")], ["b"]),
        node("Relu", ["b"], ["c"]),
        node("Conv", ["c", "depthwise.weight", "depthwise.bias"], ["d"], group=8, pads=[1, 1, 1, 1]),
        node("Conv", ["d", "wide.weight"], ["e"]),
        node("BatchNormalization", ["e", *norm("bn2")], ["f"]),
        node("Relu", ["f"], ["g"]),
        node("Conv", ["g", "inner.weight", "inner.bias"], ["h"], pads=[1, 1, 1, 1]),
        node("Relu", ["h"], ["i"]),
        node("Add", ["g", "i"], ["j"]),
        node("MaxPool", ["j"], ["k"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["k"], ["l"]),
        node("Flatten", ["l"], ["m"]),
        node("Gemm", ["m", "fc.weight", "fc.bias"], ["logits"], transB=1),
    ]
    tensors = [
        numpy_helper.from_array(t.detach().numpy(), n)
        for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")
    ]
    graph = helper.make_graph(
        nodes, "imported", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])], tensors)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    onnx.save(proto, folder / "imported.onnx")


class Depthwise(nn.Conv2d):
    """A depthwise convolution as a sum over its taps: PyTorch's own takes minutes in float64. The float32 runs have
    PyTorch's own, so that `float32_errors` compares the two."""

    def forward(self, x):
        (h, w), (sh, sw), (ph, pw) = self.kernel_size, self.stride, self.padding
        x = F.pad(x, (pw, pw, ph, ph))
        rows, columns = (x.shape[2] - h) // sh + 1, (x.shape[3] - w) // sw + 1
        taps = (
            self.weight[:, :, i, j].T[:, :, None, None]
            * x[:, :, i : i + sh * (rows - 1) + 1 : sh, j : j + sw * (columns - 1) + 1 : sw]
            for i in range(h) for j in range(w)
        )
        y = sum(taps)
        return y if self.bias is None else y + self.bias[:, None, None]


# Of each network: the beginnings of the names of its head, and of the second and third group of its body, about
# equally many layers in each, as `LayerGroups` divides it; and rates at which it learns and rounding does not grow: of
# the head and of all layers by SGD, and of both by AdamW. Last, how large weights are, so that what is seen reaches the
# head: 6 over the fan in is He's bound, squared.
#
# Where all layers learn by AdamW, rates are low for a reason. Among the millions of inputs of ReLUs in a run, some lie
# so close to 0 (4e-7 of their root mean square) that rounding decides whether a gradient passes, and AdamW's first steps
# are as long for a gradient of nothing else as for any. ResNet-18 at 1e-4: with the sign of one such input turned over
# in step 12, PyTorch's own float64 losses change by 1.5e-4. At 2e-5, initial weights off by 1e-6 change them by 2e-6.
NETWORKS = {
    "imported": (lambda: Imported(CLASSES), "fc.", ["depthwise.", "bn2."], (0.02, 5e-3, 0.01, 1e-3), 6),
    "mobilenet_v2": (
        lambda: tv.mobilenet_v2(num_classes=CLASSES, dropout=0), "classifier.", ["features.7.", "features.13."],
        (2e-3, 3e-4, 1e-3, 2e-5), 4),
    "resnet18": (
        lambda: tv.resnet18(num_classes=CLASSES), "fc.", ["layer2.1.", "layer4.0."], (0.02, 1e-3, 3e-3, 2e-5), 3),
    "convnext_tiny": (
        lambda: tv.convnext_tiny(num_classes=CLASSES, stochastic_depth_prob=0), "classifier.2.",
        ["features.4.", "features.6."], (5e-4, 1e-4, 3e-4, 1e-5), 3),
}


def fill(model, gain):
    ranges = {"running_mean": (-0.2, 0.2), "running_var": (0.5, 1.5), "bias": (-0.1, 0.1), "weight": (0.8, 1.2)}
    tensors = sorted((n, t) for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked"))
    for index, (name, tensor) in enumerate(tensors):
        if name.endswith("layer_scale"):
            low, high = 0.1, 0.3
        elif tensor.dim() > 1:
            high = np.sqrt(np.float32(gain) / np.float32(tensor[0].numel()))
            low = -high
        else:
            low, high = ranges[name.split(".")[-1]]
        tensor.copy_(torch.from_numpy(uniform(7, index, tensor.numel(), low, high).reshape(tensor.shape)))


def images():
    """Image i is the 4x4 block pattern of class i % 5, of its own brightness, with noise, `[40, 3, 32, 32]`."""
    result = []
    for i in range(IMAGES):
        pattern = uniform(11, i % CLASSES, 3 * 16, -1, 1).reshape(3, 4, 4) + np.float32(0.5) * np.float32(i % CLASSES - 2)
        noise = uniform(12, i, 3 * SIDE * SIDE, -1, 1).reshape(3, SIDE, SIDE)
        result.append(pattern.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2) + noise)
    return torch.from_numpy(np.stack(result))


def factors(model, head, bounds):
    """The factor of each parameter's rate under falling rates."""
    result, group = {}, 0
    for name, _ in model.named_parameters():
        if group < len(bounds) and name.startswith(bounds[group]):
            group += 1
        result[name] = 1 if name.startswith(head) else FALLING[group]
    return result


sgd = lambda groups, rate: torch.optim.SGD(groups, lr=rate, momentum=0.9, weight_decay=5e-4)
adamw = lambda groups, rate: torch.optim.AdamW(groups, lr=rate, weight_decay=0.01)

def strategies(rates):
    """Of each stage: steps, whether all layers learn, optimizer, rate."""
    return {
        "head": [(20, False, sgd, rates[0])],
        "full": [(20, True, sgd, rates[1])],
        "staged": [(10, False, adamw, rates[2]), (10, True, adamw, rates[3])],
    }


def run(make, gain, head, bounds, stages, dtype):
    model = make().to(dtype).eval()
    with torch.no_grad():
        fill(model, gain)
    for module in model.modules():
        if dtype == torch.float64 and isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
            module.__class__ = Depthwise
    norms = {
        f"{name}.{part}" for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)
        for part in ("weight", "bias")
    }
    rates = factors(model, head, bounds)
    x, labels = images().to(dtype), torch.arange(IMAGES) % CLASSES
    losses = []
    for steps, learns, optimizer, rate in stages:
        groups = []
        for name, parameter in model.named_parameters():
            factor = rates[name] if learns else float(name.startswith(head))
            parameter.requires_grad_(factor > 0 and name not in norms)
            if parameter.requires_grad:
                groups.append({"params": [parameter], "lr": rate * factor})
        step = optimizer(groups, rate)
        for index in range(steps):
            rows = torch.arange(BATCH * index, BATCH * index + BATCH) % IMAGES
            step.zero_grad()
            loss = F.cross_entropy(model(x[rows]), labels[rows])
            loss.backward()
            step.step()
            losses.append(loss.item())
    return losses


def main():
    model = Imported(CLASSES)
    with torch.no_grad():
        fill(model, NETWORKS["imported"][-1])
    write_onnx(model)
    result = {}
    for name, (make, head, bounds, rates, gain) in NETWORKS.items():
        for strategy, stages in strategies(rates).items():
            torch.set_num_threads(1)
            losses = run(make, gain, head, bounds, stages, torch.float64)
            errors = np.zeros(len(losses))
            for threads in (1, 2):
                torch.set_num_threads(threads)
                single = run(make, gain, head, bounds, stages, torch.float32)
                errors = np.maximum(errors, [abs(a - b) / b for a, b in zip(single, losses)])
            result[f"{name} {strategy}"] = {
                "losses": rounded(losses),
                "float32_errors": [float(f"{error:.2g}") for error in np.maximum.accumulate(errors)],
            }
            print(f"{name} {strategy}: {losses[0]:.3f} to {losses[-1]:.3f}, float32 error {max(errors):.0e}", flush=True)
    text = json.dumps(result, separators=(",", ":")).replace('},"', '},\n"')
    (folder / "architectures.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
