"""Writes training.json and draws.json: the losses of PyTorch, step by step, that TrainingTests compare with.

    python make_training.py

Initial weights and images are not stored: both languages draw them from the Philox generator of `RandomStream`.
All is computed in float64; `float32_errors` says how far PyTorch's own float32 runs (on one thread and on two, which
differ) have strayed from that, relatively and at worst, up to each step: training amplifies rounding, a ResNet at a
high rate tenfold a step. draws.json holds the first steps of a ResNet from several draws of its weights, so that rounding
can be judged by its spread.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(pathlib.Path(__file__).parents[2] / "ModelsTests/Fixtures"))
from small_networks import LeNet, ResNet20


# -- The numbers that both languages draw --


def uniform(seed, stream, count, low, high):
    """`count` draws of RandomStream(seed:stream:).uniform(low ..< high): Philox 4x32-10, Salmon et al., 2011."""
    blocks = np.arange((count + 1) // 2, dtype=np.uint64)
    mask, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    c = [blocks & mask, blocks >> bits, np.full_like(blocks, stream & 0xFFFFFFFF), np.full_like(blocks, stream >> 32)]
    k = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)]
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> bits) ^ c[1] ^ k[0], p1 & mask, (p0 >> bits) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + np.uint64(0x9E3779B9)) & mask, (k[1] + np.uint64(0xBB67AE85)) & mask]
    words = np.stack([c[1], c[3]], axis=1).reshape(-1)[:count]
    share = (words >> np.uint64(8)).astype(np.float32) * np.float32(2**-24)
    low, high = np.float32(low), np.float32(high)
    return low + (high - low) * share


def fill(model, seed):
    """Weights uniform in ±1/sqrt(fan in) from a seed, one stream for each tensor; scales 1, biases 0."""
    tensors = [(n, t) for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")]
    for index, (name, tensor) in enumerate(tensors):
        if tensor.dim() > 1:
            bound = np.float32(1) / np.sqrt(np.float32(tensor[0].numel()))
            numbers = uniform(seed, index, tensor.numel(), -bound, bound).reshape(tensor.shape)
            tensor.copy_(torch.from_numpy(numbers))
        else:
            tensor.fill_(1 if name.endswith(("weight", "running_var")) else 0)


IMAGES = 160


def images(channels):
    """Image i is the 8x8 block pattern of class i % 10 with noise, `[160, channels, 32, 32]`."""
    result = []
    for i in range(IMAGES):
        pattern = uniform(11, i % 10, channels * 64, -0.5, 0.5).reshape(channels, 8, 8)
        noise = uniform(12, i, channels * 1024, -1, 1).reshape(channels, 32, 32)
        result.append(pattern.repeat(4, axis=1).repeat(4, axis=2) + noise)
    return torch.from_numpy(np.stack(result))


# -- The runs --

sgd = lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4)
CLASS_WEIGHTS = [0.5 + 0.25 * c for c in range(10)]


def vectors_exempt(model):
    groups = [[p for p in model.parameters() if p.dim() > 1], [p for p in model.parameters() if p.dim() == 1]]
    return torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": 0.5}, {"params": groups[1], "weight_decay": 0}], lr=1e-3
    )


CASES = {
    "lenet_sgd": dict(model=LeNet, steps=50, optimizer=lambda m: sgd(m.parameters())),
    "lenet_adamw": dict(
        model=LeNet, steps=50, optimizer=lambda m: torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.01)
    ),
    "resnet20_sgd": dict(model=ResNet20, steps=50, optimizer=lambda m: sgd(m.parameters())),
    "resnet20_adamw": dict(
        model=ResNet20, steps=50, optimizer=lambda m: torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.01)
    ),
    "resnet20_sgd_slow": dict(
        model=ResNet20, steps=50,
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4),
    ),
    "resnet20_adamw_slow": dict(
        model=ResNet20, steps=50, optimizer=lambda m: torch.optim.AdamW(m.parameters(), lr=3e-5, weight_decay=0.01)
    ),
    "lenet_clipped": dict(model=LeNet, steps=20, optimizer=lambda m: sgd(m.parameters()), clip=0.1),
    "resnet20_clipped": dict(model=ResNet20, steps=6, optimizer=lambda m: sgd(m.parameters()), clip=1.0),
    "lenet_nesterov": dict(
        model=LeNet, steps=20,
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
    ),
    "lenet_plain_sgd": dict(
        model=LeNet, steps=20, optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.1, weight_decay=0.05)
    ),
    "lenet_adam": dict(
        model=LeNet, steps=20, optimizer=lambda m: torch.optim.Adam(m.parameters(), lr=1e-3, weight_decay=0.1)
    ),
    "lenet_vectors_exempt": dict(model=LeNet, steps=20, optimizer=vectors_exempt),
    "lenet_weighted_smoothed": dict(model=LeNet, steps=20, optimizer=lambda m: sgd(m.parameters()), weighted=True),
}


def run(case, dtype, seed=7):
    model = case["model"]().to(dtype)
    with torch.no_grad():
        fill(model, seed)
    optimizer = case["optimizer"](model)
    x = images(1 if case["model"] is LeNet else 3).to(dtype)
    labels = torch.arange(IMAGES) % 10
    weight = torch.tensor(CLASS_WEIGHTS, dtype=dtype) if case.get("weighted") else None
    smoothing = 0.1 if case.get("weighted") else 0
    losses, norms = [], []
    for step in range(case["steps"]):
        rows = torch.arange(32 * step, 32 * step + 32) % IMAGES
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows]), labels[rows], weight=weight, label_smoothing=smoothing)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), case.get("clip", float("inf"))).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms, model.state_dict()


def rounded(numbers, digits=7):
    return [float(f"{number:.{digits}g}") for number in numbers]


DRAWS, DRAW_STEPS = 16, 2


def draws():
    result = {}
    for name in ("resnet20_sgd", "resnet20_adamw"):
        case = CASES[name] | dict(steps=DRAW_STEPS)
        runs, errors = [], []
        for seed in range(100, 100 + DRAWS):
            losses, norms, _ = run(case, torch.float64, seed)
            single, single_norms, _ = run(case, torch.float32, seed)
            runs.append({"losses": rounded(losses, 10), "gradient_norms": rounded(norms, 10)})
            errors.append(np.array(single + single_norms) / np.array(losses + norms) - 1)
        result[name] = runs
        print(f"{name}: float32 errors of losses and norms {np.sqrt(np.mean(np.square(errors), axis=0))}")
    return result


def main():
    result = {}
    for name, case in CASES.items():
        losses, norms, state = run(case, torch.float64)
        errors = np.zeros(case["steps"])
        for threads in (1, 2):
            torch.set_num_threads(threads)
            single, _, _ = run(case, torch.float32)
            errors = np.maximum(errors, [abs(a - b) / b for a, b in zip(single, losses)])
        errors = np.maximum.accumulate(errors)
        result[name] = {
            "losses": rounded(losses),
            "float32_errors": [float(f"{error:.2g}") for error in errors],
            "gradient_norms": rounded(norms),
        }
        if name == "resnet20_sgd_slow":
            result[name]["statistics"] = {n: rounded(t.tolist()) for n, t in state.items() if "running" in n}
        print(f"{name}: {losses[0]:.3f} to {losses[-1]:.3f}, float32 error {errors[-1]:.0e}")

    for file, content in (("training.json", result), ("draws.json", draws())):
        path = pathlib.Path(__file__).parent / file
        path.write_text(json.dumps(content, separators=(",", ":")).replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
