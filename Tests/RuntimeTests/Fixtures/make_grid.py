"""Makes grid-*.safetensors and .json: many small cases over every combination of attributes, computed by PyTorch.

Run with a Python that has torch and safetensors:  python make_grid.py
"""

import itertools

import torch
import torch.nn.functional as F

from fixture import case, random, save

torch.manual_seed(20250301)
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d}


def spread(value, rank):
    return [value] * rank if isinstance(value, int) else list(value)


def conv(extents, kernel, stride, padding, dilation, groups, bias):
    rank = len(extents)
    kernel, stride, padding, dilation = (spread(v, rank) for v in (kernel, stride, padding, dilation))
    if any(e + 2 * p < d * (k - 1) + 1 for e, k, p, d in zip(extents, kernel, padding, dilation)):
        return
    inputs = [random(1, 2, *extents), random(2, 2 // groups, *kernel)] + ([random(2)] if bias else [])
    case("conv", dict(stride=stride, dilation=dilation, paddingBefore=padding, paddingAfter=padding, groups=groups,
                      hasBias=bias), inputs,
         lambda x, w, b=None: CONV[rank](x, w, b, stride, padding, dilation, groups))


def alternating():
    return itertools.cycle((True, False))


bias = alternating()
for kernel, stride, padding, dilation, groups in itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2), (1, 2)):
    conv((9,), kernel, stride, padding, dilation, groups, next(bias))
for kernel, stride, padding, dilation, groups in itertools.product(
        (1, 3, (2, 3), (5, 1)), (1, 2, (2, 1), 3), (0, 1, (2, 1)), (1, 2, (1, 2)), (1, 2)):
    conv((5, 4), kernel, stride, padding, dilation, groups, next(bias))
for kernel, stride, padding, dilation, groups in itertools.product((1, 2, (3, 1, 2)), (1, 2), (0, 1), (1, 2), (1, 2)):
    conv((3, 2, 3), kernel, stride, padding, dilation, groups, next(bias))
save("grid-convolution")

for rank, kernel, stride, padding, extra, dilation, groups in itertools.product(
        (1, 2), (1, 2, 3), (1, 2, 3), (0, 1), (0, 1), (1, 2), (1, 2)):
    extents = (4, 3)[:rank]
    outputs = [(e - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1 for e in extents]
    if extra >= stride or min(outputs) < 1:
        continue
    run = lambda x, w: TRANSPOSED[rank](x, w, None, stride, padding, extra, groups, dilation)
    x, w = random(1, 2, *extents), random(2, 2 // groups, *[kernel] * rank)
    case("convInputGradient", dict(stride=[stride] * rank, dilation=[dilation] * rank, paddingBefore=[padding] * rank,
                                   paddingAfter=[padding] * rank, groups=groups, hasBias=False,
                                   input=list(run(x, w).shape)), [x, w], run)
for rank, kernel, stride, padding, ceil, kind in itertools.product(
        (1, 2), (2, 3, 4), (1, 2, 3), (0, 1), (False, True), ("max", "max dilated", "average", "average counting")):
    dilation, counts = 2 if kind == "max dilated" else 1, kind == "average counting"
    extents = (8, 7)[:rank]
    name = kind.split()[0]
    if name == "max":
        run = lambda x: MAX[rank](x, kernel, stride, padding, dilation, ceil)
    else:
        run = lambda x: AVERAGE[rank](x, kernel, stride, padding, ceil, counts)
    case("pool", dict(kind=name, kernel=[kernel] * rank, stride=[stride] * rank, dilation=[dilation] * rank,
                      paddingBefore=[padding] * rank, paddingAfter=[padding] * rank, roundsUp=ceil,
                      countsPadding=counts), [random(1, 1, *extents)], run)

RESIZE = {"nearest": ("nearest", "asymmetric"), "nearestExact": ("nearest-exact", "halfPixel"),
          "linear": (None, "halfPixel"), "linear corners": (None, "alignCorners"),
          "cubic": ("bicubic", "halfPixel"), "cubic corners": ("bicubic", "alignCorners"),
          "linear smooth": ("bilinear", "halfPixel"), "cubic smooth": ("bicubic", "halfPixel")}
for extents, kind in itertools.product(([3], [4], [7], [3, 4], [5, 2], [6, 7]), RESIZE):
    mode, coordinates = RESIZE[kind]
    rank = len(extents)
    if rank == 1 and ("cubic" in kind or "smooth" in kind):
        continue
    arguments = dict(mode=mode or ("linear", "bilinear")[rank - 1])
    if "nearest" not in kind:
        arguments["align_corners"] = coordinates == "alignCorners"
    if "smooth" in kind:
        arguments["antialias"] = True
    for output in ([1], [2], [5], [6], [9], [13]) if rank == 1 else ([1, 3], [2, 2], [5, 8], [7, 3], [9, 9]):
        case("resize", dict(kind=kind.split()[0], output=output, coordinates=coordinates,
                            antialiases="smooth" in kind), [random(1, 1, *extents)],
             lambda x: F.interpolate(x, size=output, **arguments))
for mode, (before, after) in itertools.product(
        ("reflect", "replicate", "circular"),
        (([1], [0]), ([0], [2]), ([2], [2]), ([1, 0], [0, 2]), ([2, 1], [1, 2]), ([0, 2], [2, 0]))):
    borders = [p for axis in reversed(range(len(before))) for p in (before[axis], after[axis])]
    case("extend", dict(kind=mode, before=[0, 0, *before], after=[0, 0, *after]),
         [random(1, 2, *(4, 3)[:len(before)])], lambda x: F.pad(x, borders, mode=mode))
for extents, output in itertools.product(([5], [8], [4, 6], [7, 3]), (1, 2, 3, 4, 6)):
    function = F.adaptive_avg_pool1d if len(extents) == 1 else F.adaptive_avg_pool2d
    case("adaptiveAverage", dict(output=[output] * len(extents)), [random(1, 2, *extents)],
         lambda x: function(x, output))
save("grid-windows")

REDUCE = {"sum": torch.sum, "mean": torch.mean, "maximum": torch.amax, "minimum": torch.amin}
for shape in ((3,), (2, 3), (2, 3, 2), (2, 2, 3, 2), (1, 2, 2, 1, 3)):
    for count in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            for name, keeps in itertools.product(REDUCE, (False, True)):
                case("reduce", dict(function=name, axes=list(axes), keepsDimensions=keeps), [random(*shape)],
                     lambda x: REDUCE[name](x, dim=axes, keepdim=keeps))
BINARY = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
          "maximum": torch.maximum, "minimum": torch.minimum}
for name, (a, b) in itertools.product(BINARY, (((3,), (3,)), ((1,), (3,)), ((2, 3), ()), ((2, 1), (1, 3)), ((2, 3), (3,)),
                                               ((1, 2, 1, 3), (2, 2, 1)), ((2, 3, 2, 2), (3, 1, 1)), ((2, 1, 2), (3, 1)))):
    y = random(*b)
    case("binary", dict(function=name), [random(*a), y.sign() * (y.abs() + 0.3)], BINARY[name])
for shape in ((4,), (3, 5), (2, 3, 4), (2, 3, 2, 3)):
    for axis in range(len(shape)):
        x = random(*shape) * 3
        case("softmax", dict(axis=axis), [x], lambda x: torch.softmax(x, axis))
        case("logSoftmax", dict(axis=axis), [x], lambda x: torch.log_softmax(x, axis))
        case("argmax", dict(axis=axis), [x], lambda x: x.argmax(axis).int(), differentiable=[])
        if shape[axis] > 2:  # Of two elements the gradient is all cancellation.
            case("standardize", dict(axis=axis, epsilon=1e-2), [x],
                 lambda x: ((x - x.mean(axis, keepdim=True)) / (x.var(axis, keepdim=True, unbiased=False) + 1e-2).sqrt(),
                            1 / (x.var(axis, keepdim=True, unbiased=False) + 1e-2).sqrt()), outputs=2)
        case("concatenate", dict(axis=axis), [x, random(*shape)], lambda x, y: torch.cat([x, y], axis))
for a, b in itertools.product(((2, 3), (1, 2, 3), (3, 1, 2, 3)), ((3, 4), (1, 3, 4), (2, 3, 1))):
    for ta, tb in itertools.product((False, True), repeat=2):
        x, y = random(*a), random(*b)
        x, y = x.mT.contiguous() if ta else x, y.mT.contiguous() if tb else y
        case("matmul", dict(transposesA=ta, transposesB=tb), [x, y],
             lambda x, y: (x.mT if ta else x) @ (y.mT if tb else y))
save("grid-elements")
