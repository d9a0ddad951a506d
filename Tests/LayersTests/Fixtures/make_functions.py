"""Makes functions.safetensors: layers and functions computed by PyTorch, which FunctionTests.swift compares with.

Run with a Python that has torch, torchvision and safetensors:  python make_functions.py

A case has inputs "<name>.x0", "<name>.x1", ... (data first, then parameters), the output "<name>.y", an upstream
gradient "<name>.dy", and the gradient of each differentiable input, "<name>.dx0", .... What a name stands for is
written here and once more in the tests. Values are computed in float64 and stored as float32.
"""

import pathlib

import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file

torch.manual_seed(20250201)
torch.set_num_threads(1)
tensors = {}


def random(*shape):
    return torch.randn(shape)


def case(name, function, *inputs, constants=()):
    """constants: which inputs have no gradient."""
    arguments = [x.double() if x.is_floating_point() else x.long() for x in inputs]
    for i, x in enumerate(arguments):
        if i not in constants:
            x.requires_grad_()
    y = function(*arguments)
    dy = torch.randn(y.shape)
    wanted = [i for i in range(len(inputs)) if i not in constants]
    gradients = torch.autograd.grad(y, [arguments[i] for i in wanted], dy.double())

    def store(role, value):
        assert f"{name}.{role}" not in tensors
        value = value.detach()
        tensors[f"{name}.{role}"] = (value.float() if value.is_floating_point() else value.int()).contiguous().clone()

    for i, x in enumerate(inputs):
        store(f"x{i}", x)
    store("y", y)
    store("dy", dy)
    for i, gradient in zip(wanted, gradients):
        store(f"dx{i}", gradient)


# Convolutions. ---------------------------------------------------------------------------------------------------

for stride, dilation, kernel in ((1, 1, 3), (1, 2, 3), (1, 1, 4)):
    case(f"conv same k{kernel} d{dilation}", lambda x, w, b: F.conv2d(x, w, b, 1, "same", dilation),
         random(2, 3, 7, 6), random(4, 3, kernel, kernel), random(4))
case("conv valid", lambda x, w, b: F.conv2d(x, w, b, 2, "valid"), random(1, 2, 7, 6), random(3, 2, 3, 3), random(3))
case("conv full", lambda x, w, b: F.conv2d(x, w, b, padding=(2, 1)), random(1, 2, 4, 5), random(3, 2, 3, 2), random(3))
case("conv upper", lambda x, w, b: F.conv2d(F.pad(x, [0, 1, 1, 1]), w, b, 2),
     random(1, 2, 7, 6), random(3, 2, 3, 3), random(3))
case("conv lower", lambda x, w, b: F.conv2d(F.pad(x, [1, 0, 1, 1]), w, b, 2),
     random(1, 2, 7, 6), random(3, 2, 3, 3), random(3))
case("conv uneven", lambda x, w, b: F.conv2d(F.pad(x, [2, 1, 0, 3]), w, b),
     random(1, 2, 5, 6), random(3, 2, 3, 3), random(3))
for mode in ("reflect", "replicate", "circular"):
    case(f"conv {mode}", lambda x, w, b: F.conv2d(F.pad(x, [1, 1, 2, 2], mode=mode), w, b, 2, groups=2),
         random(2, 4, 6, 5), random(6, 2, 3, 3), random(6))
    case(f"conv3d {mode}", lambda x, w, b: F.conv3d(F.pad(x, [1] * 6, mode=mode), w, b),
         random(1, 2, 3, 4, 3), random(2, 2, 3, 3, 3), random(2))
case("conv flipped", lambda x, w, b: F.conv2d(x, w.flip([2, 3]), b, padding=1), random(1, 2, 5, 6), random(3, 2, 3, 3),
     random(3))
case("conv1d flipped", lambda x, w, b: F.conv1d(x, w.flip([2]), b), random(1, 2, 7), random(3, 2, 4), random(3))
case("conv transposed 1d", lambda x, w, b: F.conv_transpose1d(x, w, b, 3, 1, 2), random(2, 4, 5), random(4, 3, 4), random(3))
case("conv transposed 2d", lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1, 2, 2), random(2, 4, 4, 3),
     random(4, 3, 3, 3), random(6))
case("conv transposed 3d", lambda x, w, b: F.conv_transpose3d(x, w, b, (2, 1, 2), (0, 1, 1), (1, 0, 0)),
     random(1, 2, 3, 2, 3), random(2, 2, 2, 3, 3), random(2))

# Pooling. --------------------------------------------------------------------------------------------------------

for ceil in (False, True):
    case(f"sum pool {str(ceil).lower()}",
         lambda x: F.conv2d(F.pad(x, [1, 2, 1, 2] if ceil else [1, 1, 1, 1]).flatten(0, 1).unsqueeze(1),
                            torch.ones(1, 1, 3, 3, dtype=x.dtype), stride=2).reshape(2, 3, *((4, 4) if ceil else (4, 3))),
         random(2, 3, 7, 6))
    case(f"min pool {str(ceil).lower()}", lambda x: -F.max_pool2d(-x, 3, 2, 1, 1, ceil), random(2, 3, 7, 6))
case("min pool dilated", lambda x: -F.max_pool2d(-x, 3, 1, 1, 2), random(1, 2, 7, 6))
case("lp pool 1", lambda x: F.lp_pool2d(x.abs(), 1, 2, 2), random(2, 3, 6, 7))
case("lp pool 2", lambda x: F.lp_pool2d(x, 2, 3, 2), random(2, 3, 7, 6))
case("lp pool 3", lambda x: F.lp_pool2d(x.abs(), 3, 2, 1), random(1, 2, 5, 4))
case("variance pool", lambda x: x.unfold(2, 3, 2).unfold(3, 3, 2).var((4, 5), unbiased=False), random(2, 3, 7, 9) + 5)
x = random(2, 3, 5, 4) + 1
for name, function in (("average", lambda x: x.mean((2, 3))), ("max", lambda x: x.amax((2, 3))),
                       ("min", lambda x: x.amin((2, 3))), ("sum", lambda x: x.sum((2, 3))),
                       ("variance", lambda x: x.var((2, 3), unbiased=False)), ("l2", lambda x: x.norm(2, (2, 3)))):
    case(f"global {name}", function, x)
for output in ((1, 1), (3, 2), (4, 5), (8, 3)):
    tag = f"{output[0]}x{output[1]}"
    case(f"adaptive average {tag}", lambda x: F.adaptive_avg_pool2d(x, output), random(2, 3, 7, 6))
    case(f"adaptive max {tag}", lambda x: F.adaptive_max_pool2d(x, output), random(2, 3, 7, 6).mul(2).round())
case("adaptive max 1d", lambda x: F.adaptive_max_pool1d(x, 3), random(2, 3, 7))
case("max unpool", lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, 2, return_indices=True), 2, 2, output_size=(7, 6)),
     random(2, 3, 7, 6))
case("maxout", lambda x: x.reshape(2, 2, 3, 4, 4).amax(2), random(2, 6, 4, 4))

# Normalisation. --------------------------------------------------------------------------------------------------

case("layer norm 1", lambda x, w, b: F.layer_norm(x, [7], w, b), random(2, 3, 7), random(7), random(7))
case("layer norm 3", lambda x, w, b: F.layer_norm(x, [3, 4, 5], w, b, 1e-3), random(2, 3, 4, 5), random(3, 4, 5),
     random(3, 4, 5))
case("layer norm channels",
     lambda x, w, b: F.layer_norm(x.permute(0, 2, 3, 1), [5], w, b, 1e-6).permute(0, 3, 1, 2),
     random(2, 5, 4, 3), random(5), random(5))
for groups in (1, 2, 6):
    case(f"group norm {groups}", lambda x, w, b: F.group_norm(x, groups, w, b), random(2, 6, 4, 5) + 3, random(6),
         random(6))
case("instance norm", lambda x: F.instance_norm(x), random(2, 3, 4, 5))
case("instance norm affine", lambda x, w, b: F.instance_norm(x, None, None, w, b), random(2, 3, 7), random(3), random(3))
for size, alpha, beta, k in ((5, 1e-4, 0.75, 2.0), (2, 0.5, 0.6, 1.0), (3, 1.0, 0.75, 1.0)):
    case(f"local response norm {size}", lambda x: F.local_response_norm(x, size, alpha, beta, k), random(2, 7, 4, 3))
case("local response norm 1d", lambda x: F.local_response_norm(x, 3), random(2, 5, 6))

# Functions. ------------------------------------------------------------------------------------------------------

case("pixel shuffle", lambda x: F.pixel_shuffle(x, 3), random(2, 18, 2, 3))
case("pixel unshuffle", lambda x: F.pixel_unshuffle(x, 2), random(2, 3, 4, 6))
case("resize by", lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), random(1, 2, 4, 5))
case("prelu 1", lambda x, w: F.prelu(x, w), torch.cat([random(2, 3, 4), torch.zeros(2, 3, 1)], 2), random(1))
case("prelu 3", lambda x, w: F.prelu(x, w), random(2, 3, 4, 2), random(3))
case("where", lambda c, x, y: torch.where(c != 0, x, y), random(3, 1).round(), random(2, 3, 4), random(4), constants=[0])
case("stack", lambda x, y: torch.stack([x, y], 1), random(2, 3), random(2, 3))
case("split", lambda x: torch.cat(x.split([2, 1, 3], 1)[::-1], 1), random(2, 6, 3))
case("gather", lambda x, i: x.gather(1, i), random(2, 3, 4), torch.randint(0, 3, (2, 5, 4), dtype=torch.int32), constants=[1])
case("take", lambda x, i: x[:, i], random(2, 5, 3), torch.randint(0, 5, (2, 3), dtype=torch.int32), constants=[1])
case("product", lambda x: x.prod(1), random(2, 4, 3))
case("variance", lambda x: x.var((0, 2), keepdim=True), random(2, 4, 3))
case("norm1", lambda x: x.norm(1, 1), random(2, 4, 3))
case("norm2", lambda x: x.norm(2, (1, 2)), random(2, 4, 3))
case("log sum exp", lambda x: x.logsumexp(1), random(2, 5, 3) * 30)
case("clip", lambda x: x.clamp(-0.5, 1), random(3, 7))

# Losses. ---------------------------------------------------------------------------------------------------------

for delta in (1.0, 0.3):
    case(f"huber {delta}", lambda p, t: F.huber_loss(p, t, delta=delta), random(4, 5), random(4, 5))
case("hinge", lambda p, t: (1 - p * t).clamp(min=0).mean(), random(4, 5), random(4, 5).sign(), constants=[1])
targets = torch.softmax(random(4, 5), 1)
targets[0] = torch.tensor([1.0, 0, 0, 0, 0])
case("kl", lambda p, t: F.kl_div(p, t, reduction="batchmean"), torch.log_softmax(random(4, 5), 1), targets, constants=[1])
case("dice", lambda p, t: (1 - (2 * (p * t).sum((1, 2)) + 1) / (p.sum((1, 2)) + t.sum((1, 2)) + 1)).mean(),
     torch.rand(3, 4, 5), torch.rand(3, 4, 5).round(), constants=[1])
for alpha, gamma in ((0.25, 2.0), (-1, 1.5)):
    case(f"focal {gamma}", lambda x, t: torchvision.ops.sigmoid_focal_loss(x, t, alpha, gamma, "mean"), random(4, 5) * 3,
         torch.rand(4, 5).round(), constants=[1])

# What came later: at the end, so that the numbers above stay the same. -----------------------------------------------

case("power at zero", lambda x, p: x ** p, torch.tensor([[0.0, 0, 0, 0], [1.5, 0.5, 2, 1]]),
     torch.tensor([[0.0, 1, 2, 3], [0, 1, 2, 3]]))
for output in ((3, 2), (8, 3)):
    tag = f"{output[0]}x{output[1]}"
    def windows(x, function):
        starts = lambda n, count: [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
        return torch.stack([torch.stack([function(x[:, :, a:b, c:d]) for c, d in starts(6, output[1])], -1)
                            for a, b in starts(7, output[0])], 2)
    case(f"adaptive min {tag}", lambda x: windows(x, lambda w: w.amin((2, 3))), random(2, 3, 7, 6))
    case(f"adaptive sum {tag}", lambda x: windows(x, lambda w: w.sum((2, 3))), random(2, 3, 7, 6))
    case(f"adaptive l2 {tag}", lambda x: windows(x, lambda w: w.norm(2, (2, 3))), random(2, 3, 7, 6))
output = (3, 2)
case("adaptive variance 3x2", lambda x: windows(x, lambda w: w.var((2, 3), unbiased=False)), random(2, 3, 7, 6) + 5)
for factor in (0.6, 2.3):
    case(f"resize corners by {factor}", lambda x: F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True),
         random(1, 2, 7, 6))
case("elu", lambda x: F.elu(x, 0.7), random(3, 5))
case("selu", F.selu, random(3, 5))
case("mish", F.mish, random(3, 5))
case("hard sigmoid", F.hardsigmoid, random(3, 5) * 3)
case("matmul row", torch.matmul, random(4), random(3, 4, 5))
case("matmul column", torch.matmul, random(2, 3, 4), random(4))
case("matmul dot", torch.matmul, random(4), random(4))
# Windows of zeros, where a root has no derivative.
case("lp pool 2 after relu", lambda x: F.lp_pool2d(x.relu(), 2, 2), random(1, 2, 6, 6) - 1)
case("lp pool 3 after relu", lambda x: F.lp_pool2d(x.relu(), 3, 2), random(1, 2, 6, 6) - 1)
case("global l2 after relu", lambda x: x.relu().norm(2, (2, 3)), torch.cat([random(2, 2, 3, 2), -torch.ones(2, 1, 3, 2)], 1))
# Pooling of other norms and ranks.
case("global lp 3", lambda x: x.relu().norm(3, (2, 3)), torch.cat([random(2, 2, 3, 2), -torch.ones(2, 1, 3, 2)], 1))
output = (3, 2)
case("adaptive lp 3", lambda x: windows(x.relu(), lambda w: w.norm(3, (2, 3))), random(1, 2, 7, 6) - 1)
case("lp pool 1d", lambda x: F.lp_pool1d(x, 2, 3, 2), random(2, 3, 7))
case("lp pool 3d", lambda x: F.lp_pool3d(x, 4, 2), random(1, 2, 4, 2, 5))
case("lp pool dilated", lambda x: F.unfold(x, 2, 2).reshape(1, 2, 4, 4, 3).norm(2, 2), random(1, 2, 6, 5))
case("sum pool 1d", lambda x: F.avg_pool1d(x, 3, 2) * 3, random(2, 3, 8))
case("sum pool 3d", lambda x: F.avg_pool3d(x, 2, 1) * 8, random(1, 2, 3, 4, 3))
case("min pool 1d", lambda x: -F.max_pool1d(-x, 3, 2, 1), random(2, 3, 8))
case("min pool 3d", lambda x: -F.max_pool3d(-x, 2, 1), random(1, 2, 3, 4, 3))
case("variance pool 1d", lambda x: x.unfold(2, 3, 2).var(3, unbiased=False), random(2, 3, 8) + 5)
case("variance pool 3d", lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2).var((5, 6, 7), unbiased=False),
     random(1, 2, 4, 2, 4))
case("adaptive average 3d", lambda x: F.adaptive_avg_pool3d(x, (2, 1, 3)), random(1, 2, 3, 4, 5))
case("adaptive max 3d", lambda x: F.adaptive_max_pool3d(x, (2, 1, 3)), random(1, 2, 3, 4, 5))
case("max unpool 1d", lambda x: F.max_unpool1d(*F.max_pool1d(x, 2, 2, return_indices=True), 2, 2, output_size=(7,)),
     random(2, 3, 7))
case("max unpool 3d", lambda x: F.max_unpool3d(*F.max_pool3d(x, 2, 2, return_indices=True), 2, 2, output_size=(4, 2, 5)),
     random(1, 2, 4, 2, 5))
case("maxout 3d", lambda x: x.reshape(2, 2, 2, 3, 2, 2).amax(2), random(2, 4, 3, 2, 2))
case("instance norm 3d", lambda x: F.instance_norm(x), random(2, 3, 2, 3, 2))

here = pathlib.Path(__file__).parent
save_file(tensors, here / "functions.safetensors")
print(len({key.rsplit(".", 1)[0] for key in tensors}), "cases,", (here / "functions.safetensors").stat().st_size, "bytes")
