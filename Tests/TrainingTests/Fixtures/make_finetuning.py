"""Writes finetuning.json: the losses of PyTorch while it fine-tunes, step by step, that TrainingTests compare with.

    python make_finetuning.py

The network, its pictures and how far float32 strays are those of make_training.py; weights and running statistics are
drawn as if the network had been trained. Frozen modules are in `eval()`, so that their batch norms use and keep their
running statistics.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from make_training import IMAGES, ResNet20, images, rounded, uniform

GROUPS = [("conv1", "bn1", "layer1"), ("layer2",), ("layer3",), ("linear",)]
FALLING = [2.6**-3, 2.6**-2, 2.6**-1, 1]


def fill(model):
    """As in make_training, but with scales, shifts and statistics that differ from their initial values."""
    ranges = {"running_mean": (-0.2, 0.2), "running_var": (0.5, 1.5), "bias": (-0.1, 0.1), "weight": (0.8, 1.2)}
    tensors = [(n, t) for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")]
    for index, (name, tensor) in enumerate(tensors):
        low, high = ranges[name.split(".")[-1]]
        if tensor.dim() > 1:
            high = np.float32(1) / np.sqrt(np.float32(tensor[0].numel()))
            low = -high
        tensor.copy_(torch.from_numpy(uniform(7, index, tensor.numel(), low, high).reshape(tensor.shape)))


sgd = lambda groups, rate: torch.optim.SGD(groups, lr=rate, momentum=0.9, weight_decay=5e-4)
adamw = lambda groups, rate: torch.optim.AdamW(groups, lr=rate, weight_decay=0.01)

# Of each stage: steps, the groups' factors of the learning rate (0 is frozen), optimizer, rate.
CASES = {
    "head": [(20, [0, 0, 0, 1], sgd, 0.05)],
    "full": [(20, FALLING, sgd, 1e-3)],
    "staged": [(10, [0, 0, 0, 1], adamw, 1e-3), (10, FALLING, adamw, 1e-4)],
    "partial": [(20, [0, 0.25, 0.5, 1], adamw, 1e-4)],
}


def run(stages, dtype):
    model = ResNet20().to(dtype)
    with torch.no_grad():
        fill(model)
    x, labels = images(3).to(dtype), torch.arange(IMAGES) % 10
    losses, frozen = [], []
    for steps, factors, optimizer, rate in stages:
        model.train()
        groups = []
        for names, factor in zip(GROUPS, factors):
            modules = [getattr(model, name) for name in names]
            parameters = [p for module in modules for p in module.parameters()]
            for module in modules:
                module.train(factor > 0)
            for parameter in parameters:
                parameter.requires_grad_(factor > 0)
            if factor > 0:
                groups.append({"params": parameters, "lr": rate * factor})
        step = optimizer(groups, rate)
        for index in range(steps):
            rows = torch.arange(32 * index, 32 * index + 32) % IMAGES
            step.zero_grad()
            loss = F.cross_entropy(model(x[rows]), labels[rows])
            loss.backward()
            step.step()
            losses.append(loss.item())
    return losses, model.state_dict()


def accumulated(_, dtype):
    """Steps along three batches of twelve; an epoch's last one is along two, of twelve and of four."""
    model = ResNet20().to(dtype)
    with torch.no_grad():
        fill(model)
    x, labels = images(3).to(dtype), torch.arange(IMAGES) % 10
    step = sgd(model.parameters(), 2e-4)
    losses = []
    for _ in range(4):
        for group in torch.arange(IMAGES).split(36):
            step.zero_grad()
            total = 0
            for rows in group.split(12):
                loss = F.cross_entropy(model(x[rows]), labels[rows]) * (len(rows) / len(group))
                loss.backward()
                total += loss.item()
            step.step()
            losses.append(total)
    return losses, model.state_dict()


result = {}
for name, stages in [*CASES.items(), ("accumulated", None)]:
    run_case = run if stages else accumulated
    losses, state = run_case(stages, torch.float64)
    errors = np.zeros(len(losses))
    for threads in (1, 2):
        torch.set_num_threads(threads)
        single, _ = run_case(stages, torch.float32)
        errors = np.maximum(errors, [abs(a - b) / b for a, b in zip(single, losses)])
    result[name] = {
        "losses": rounded(losses),
        "float32_errors": [float(f"{error:.2g}") for error in np.maximum.accumulate(errors)],
        "statistics": {n: rounded(state[n].tolist()) for n in ("bn1.running_mean", "layer3.2.bn2.running_var")},
    }
    print(f"{name}: {losses[0]:.3f} to {losses[-1]:.3f}, float32 error {max(errors):.0e}")

path = pathlib.Path(__file__).parent / "finetuning.json"
path.write_text(json.dumps(result, separators=(",", ":")).replace('},"', '},\n"') + "\n")
