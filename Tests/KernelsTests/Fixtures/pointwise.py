"""Writes pointwise.txt: numbers by PyTorch, one tensor a line (name: values), channels last.
Inputs follow the formula of `wave`, which the tests repeat."""
import torch
import torch.nn.functional as F

lines = []
def put(name, tensor):
    lines.append(name + ": " + " ".join(f"{float(v):.9g}" for v in tensor.detach().flatten()))
def wave(count, step=37, scale=13.0):
    return ((torch.arange(count) * step % 101) - 50).float() / scale
def last(t):  # channels last
    return t.movedim(1, -1)

inf, nan = float("inf"), float("nan")
x = torch.cat([torch.linspace(-12, 12, 97), torch.tensor([0.0, -0.0, 3.0, -3.0, 6.0, 1e-4, -1e-4, 40.0, -40.0, nan])])
put("activation x", x)
dy = wave(x.numel())
for name, f in {
    "relu": F.relu, "relu6": F.relu6, "leakyReLU": lambda v: F.leaky_relu(v, 0.1), "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "geluExact": F.gelu, "geluTanh": lambda v: F.gelu(v, approximate="tanh"), "silu": F.silu,
    "hardSwish": F.hardswish, "hardSigmoid": F.hardsigmoid, "elu": lambda v: F.elu(v, 0.7), "selu": F.selu,
    "softplus": lambda v: F.softplus(v, 2, 15), "mish": F.mish,
}.items():
    v = x.clone().requires_grad_()
    y = f(v)
    y.backward(dy)
    put(f"{name} y", y)
    put(f"{name} dx", v.grad)

def pool(name, channels, size, f):
    v = wave(2 * channels * torch.Size(size).numel()).reshape(2, *size, channels).movedim(-1, 1).contiguous()
    v.requires_grad_()
    y = f(v)
    indices = None
    if isinstance(y, tuple): y, indices = y
    dy = wave(y.numel(), 29).reshape(last(y).shape).movedim(-1, 1)
    y.backward(dy)
    put(f"{name} y", last(y))
    put(f"{name} dx", last(v.grad))
    if indices is not None: put(f"{name} indices", last(indices))

pool("max 1", 3, (11,), lambda v: F.max_pool1d(v, 3, 2, 1, return_indices=True))
pool("max 2", 5, (9, 8), lambda v: F.max_pool2d(v, (3, 2), (2, 1), (1, 1), (2, 1), return_indices=True))
pool("max 3", 2, (5, 4, 6), lambda v: F.max_pool3d(v, 2, 2, 1, ceil_mode=True, return_indices=True))
pool("average 1", 3, (11,), lambda v: F.avg_pool1d(v, 4, 3, 1, ceil_mode=True))
pool("average 2", 5, (9, 8), lambda v: F.avg_pool2d(v, 3, 2, 1, ceil_mode=True, count_include_pad=False))
pool("average 2 padding", 5, (9, 8), lambda v: F.avg_pool2d(v, 3, 2, 1, ceil_mode=True, count_include_pad=True))
pool("average 3", 2, (5, 4, 6), lambda v: F.avg_pool3d(v, 2, 2, 0))

v = wave(50 * 5).reshape(50, 5).requires_grad_()
gamma, beta = wave(5, 17).requires_grad_(), wave(5, 19).requires_grad_()
mean, variance = wave(5, 23), wave(5, 31).abs()
y = F.relu(F.batch_norm(v, mean, variance, gamma, beta, True, 0.3, 1e-3))
y.backward(wave(250, 41).reshape(50, 5))
for name, t in {"y": y, "mean": mean, "variance": variance, "dx": v.grad, "dgamma": gamma.grad, "dbeta": beta.grad}.items():
    put(f"batchNorm {name}", t)

logits0, labels, weights = wave(7 * 10).reshape(7, 10), torch.tensor([3, 0, 9, 9, 1, 5, 2]), wave(10, 11).abs()
for smoothing in [0.0, 0.1]:
    for w in [None, weights]:
        logits = logits0.clone().requires_grad_()
        loss = F.cross_entropy(logits, labels, weight=w, label_smoothing=smoothing)
        (loss * 1.5).backward()
        name = f"crossEntropy {smoothing} {'weighted' if w is not None else 'plain'}"
        put(f"{name} loss", loss)
        put(f"{name} dlogits", logits.grad)

for name, make in {
    "sgd plain": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05, betas=(0.8, 0.95), eps=1e-6),
}.items():
    p = wave(33).requires_grad_()
    optimizer = make([p])
    for step in range(3):
        p.grad = wave(33, 11 + step)
        optimizer.step()
    put(name, p)

open(__file__.replace(".py", ".txt"), "w").write("\n".join(lines) + "\n")
