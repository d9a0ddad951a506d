"""Makes resnet18_keys.txt and logits.txt with PyTorch and torchvision.

Weights and inputs are drawn as the tests draw them, by the library's counter-based generator, so none are stored.
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from drawing import INPUT_STREAM, uniform
from small_networks import LeNet, ResNet20

torch.set_num_threads(2)
HERE = Path(__file__).parent


def fill(model):
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    for index, path in enumerate(sorted(state)):
        shape = tuple(state[path].shape)
        if path.endswith("running_var") or (path.endswith("weight") and len(shape) == 1):
            low, high = 0.5, 1.5
        elif path.endswith("weight"):
            low, high = -0.05, 0.05
        else:
            low, high = -0.1, 0.1
        state[path] = uniform(shape, index, low, high)
    model.load_state_dict(state, strict=False)
    return model


def numbers(tensor):
    return " ".join(f"{number:.8g}" for number in tensor.flatten().tolist())


with open(HERE / "resnet18_keys.txt", "w") as file:
    for key, value in resnet18().state_dict().items():
        if not key.endswith("num_batches_tracked"):
            file.write(f"{key} {'x'.join(map(str, value.shape))}\n")

models = {
    "lenet": (LeNet(), (2, 1, 32, 32)),
    "resnet20": (ResNet20(), (2, 3, 32, 32)),
    "resnet18": (resnet18(num_classes=10), (2, 3, 64, 64)),
}
labels = torch.tensor([3, 7])
with open(HERE / "logits.txt", "w") as file:
    for name, (model, shape) in models.items():
        fill(model)
        x = uniform(shape, INPUT_STREAM, -1, 1)
        with torch.no_grad():
            logits = model.eval()(x)
        file.write(f"{name} logits {numbers(logits)}\n")
        # One step of plain gradient descent in training mode: the loss, then the sum of absolute changes of each tensor.
        before = {key: value.clone() for key, value in model.state_dict().items() if value.is_floating_point()}
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = F.cross_entropy(model.train()(x), labels)
        loss.backward()
        optimizer.step()
        changes = [(model.state_dict()[key] - before[key]).double().abs().sum() for key in sorted(before)]
        file.write(f"{name} loss {numbers(loss.detach())}\n")
        file.write(f"{name} changes {numbers(torch.stack(changes))}\n")
