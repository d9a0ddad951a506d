"""Makes operations.safetensors and operations.json: cases computed by PyTorch, which the tests compare with.

Run with a Python that has torch and safetensors:  python make_operations.py
"""

import torch
import torch.nn.functional as F

from fixture import case, random, save

torch.manual_seed(20250101)

# Convolutions. ---------------------------------------------------------------------------------------------------

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def conv(batch, channels, outputs, extents, kernel, stride=1, before=0, after=None, dilation=1, groups=1, bias=True):
    rank = len(extents)
    spread = lambda v: [v] * rank if isinstance(v, int) else list(v)
    kernel, stride, before, dilation = map(spread, (kernel, stride, before, dilation))
    after = before if after is None else spread(after)
    inputs = [random(batch, channels, *extents), random(outputs, channels // groups, *kernel)]
    inputs += [random(outputs)] if bias else []

    def run(x, w, b=None):
        borders = [p for axis in reversed(range(rank)) for p in (before[axis], after[axis])]
        return CONV[rank](F.pad(x, borders), w, b, stride=stride, dilation=dilation, groups=groups)

    attributes = dict(stride=stride, dilation=dilation, paddingBefore=before, paddingAfter=after, groups=groups,
                      hasBias=bias)
    case("conv", attributes, inputs, run)


for kernel in (1, 2, 3, 5):
    for stride in (1, 2, 3):
        conv(2, 3, 4, (11,), kernel, stride, before=kernel // 2)
        conv(1, 3, 5, (9, 7), kernel, stride, before=kernel // 2, bias=stride != 2)
for dilation in (2, 3):
    conv(2, 2, 3, (13,), 3, 2, before=dilation, dilation=dilation)
    conv(2, 2, 3, (9, 8), 3, 1, before=dilation, dilation=dilation)
    conv(1, 2, 3, (9, 8), 3, 2, before=1, dilation=dilation)
for groups, channels, outputs in ((2, 4, 6), (3, 3, 3), (4, 4, 8), (8, 8, 8), (17, 17, 17)):
    conv(1, channels, outputs, (6, 7), 3, 1, before=1, groups=groups)
    conv(2, channels, outputs, (7, 5), 3, 2, before=1, groups=groups, bias=False)
    conv(1, channels, outputs, (8,), 3, 1, before=1, groups=groups)
conv(1, 3, 4, (6, 7), 3, 1, before=(0, 1), after=(1, 2))
conv(1, 3, 4, (6, 7), (1, 7), 1, before=(0, 3))
conv(1, 3, 4, (9, 6), (7, 1), (2, 1), before=(3, 0))
conv(1, 3, 4, (7, 6), (2, 3), (3, 2), before=(1, 0), dilation=(2, 1))
conv(2, 3, 16, (8, 8), 3, 1, before=1, bias=False)
conv(1, 16, 3, (5, 5), 3, 1, before=1)
conv(1, 17, 9, (5, 6), 1)
conv(1, 8, 33, (4, 5), 1, 2)
conv(1, 3, 8, (16, 15), 7, 2, before=3, bias=False)
conv(1, 2, 2, (12, 12), 11, 4, before=2)
conv(3, 1, 2, (5, 5), 5)
conv(1, 16, 16, (4, 4), 3, 1, before=1, bias=False)
conv(1, 2, 3, (3, 3), 3, 1, before=2)
for stride, dilation, groups in ((1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 1, 2), (1, 1, 4)):
    conv(1, 4, 4, (5, 4, 6), 3 if dilation == 1 else 2, stride, before=1, dilation=dilation, groups=groups)
conv(2, 2, 3, (4, 5, 3), (1, 2, 3), (2, 1, 1), before=(0, 1, 1), after=(1, 0, 1))

# Transposed convolution is the gradient with respect to the input, an operation of its own.
for rank, stride, padding, extra, dilation, groups in (
    (1, 2, 1, 1, 1, 1), (2, 2, 1, 1, 1, 1), (2, 2, 0, 0, 1, 1), (2, 3, 1, 0, 1, 2), (2, 1, 1, 0, 2, 1), (3, 2, 1, 1, 1, 1),
):
    transposed = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[rank]
    x, w = random(2, 4, *[3, 4, 2][:rank]), random(4, 3 if groups == 1 else 2, *[3, 2, 3][:rank])
    run = lambda x, w: transposed(x, w, None, stride, padding, extra, groups, dilation)
    attributes = dict(stride=[stride] * rank, dilation=[dilation] * rank, paddingBefore=[padding] * rank,
                      paddingAfter=[padding] * rank, groups=groups, hasBias=False, input=list(run(x, w).shape))
    case("convInputGradient", attributes, [x, w], run)

# Linear maps. ----------------------------------------------------------------------------------------------------

for shape, outputs, bias in (((5,), 3, True), ((2, 5), 3, True), ((7, 17), 33, False), ((2, 3, 4), 5, True),
                             ((1, 64), 10, True), ((2, 2, 2, 3), 2, False)):
    inputs = [random(*shape), random(outputs, shape[-1])] + ([random(outputs)] if bias else [])
    case("linear", dict(hasBias=bias), inputs, F.linear)
for a, b in (((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((17, 9), (9, 33))):
    for ta in (False, True):
        for tb in (False, True):
            x, y = random(*a), random(*b)
            x = x.transpose(-1, -2).contiguous() if ta else x
            y = y.transpose(-1, -2).contiguous() if tb else y
            case("matmul", dict(transposesA=ta, transposesB=tb), [x, y],
                 lambda x, y: (x.mT if ta else x) @ (y.mT if tb else y))

# Pooling. --------------------------------------------------------------------------------------------------------

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def pool(kind, extents, kernel, stride, padding=0, dilation=1, ceil=False, counts=True, batch=2, channels=2, ties=False):
    rank = len(extents)
    x = random(batch, channels, *extents)
    x = x.round() if ties else x
    attributes = dict(kind=kind, kernel=[kernel] * rank, stride=[stride] * rank, dilation=[dilation] * rank,
                      paddingBefore=[padding] * rank, paddingAfter=[padding] * rank, roundsUp=ceil,
                      countsPadding=counts)
    if kind == "max":
        case("pool", attributes, [x], lambda x: MAX[rank](x, kernel, stride, padding, dilation, ceil))
    else:
        case("pool", attributes, [x], lambda x: AVERAGE[rank](x, kernel, stride, padding, ceil, counts))


EXTENTS = {1: (11,), 2: (9, 8), 3: (5, 6, 4)}
for rank in (1, 2, 3):
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, 0), (3, 3, 0)):
        for ceil in (False, True):
            channels = 3 if rank < 3 else 1
            pool("max", EXTENTS[rank], kernel, stride, padding, ceil=ceil, batch=1, channels=channels)
            pool("average", EXTENTS[rank], kernel, stride, padding, ceil=ceil, counts=ceil, batch=1, channels=channels)
            if padding:
                pool("average", EXTENTS[rank], kernel, stride, padding, ceil=ceil, counts=not ceil, batch=1,
                     channels=channels)
for dilation in (2, 3):
    pool("max", (11,), 3, 1, 1, dilation)
    pool("max", (9, 10), 3, 2, 1, dilation, ceil=True)
pool("max", (8, 8), 3, 2, 1, ties=True)
pool("max", (6,), 2, 1, ties=True)
pool("max", (7, 7), 7, 7, channels=17)
pool("average", (7, 7), 7, 1, channels=17)
pool("max", (5, 5), 2, 3, 1, ceil=True)
pool("average", (5, 5), 2, 3, 1, ceil=True)

# Normalisation. --------------------------------------------------------------------------------------------------

for shape in ((4, 3), (3, 4, 5), (2, 3, 4, 5), (2, 2, 3, 2, 3), (2, 17, 3, 3), (1, 2, 4, 4)):
    for epsilon, momentum in ((1e-5, 0.1), (1e-3, 0.3)):
        c = shape[1]
        statistics = [random(c), random(c), random(c), torch.rand(c) + 0.5]
        x = random(*shape) * 2 + 1
        case("batchNorm", dict(epsilon=epsilon), [x] + statistics,
             lambda x, s, b, m, v: F.batch_norm(x, m, v, s, b, False, 0, epsilon), differentiable=[0, 1, 2])

        def train(x, scale, shift, mean, variance):
            mean, variance = mean.clone(), variance.clone()
            y = F.batch_norm(x, mean, variance, scale, shift, True, momentum, epsilon)
            axes = [0] + list(range(2, x.dim()))
            inverse = 1 / (x.var(axes, unbiased=False) + epsilon).sqrt()
            return y, x.mean(axes), inverse, mean, variance

        case("batchNormTraining", dict(epsilon=epsilon, momentum=momentum), [x] + statistics, train, outputs=5,
             differentiable=[0, 1, 2])

# Element by element. ---------------------------------------------------------------------------------------------

UNARY = {
    "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "gelu": F.gelu,
    "geluTanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "hardSwish": F.hardswish,
    "hardSigmoid": F.hardsigmoid, "selu": F.selu, "softplus": F.softplus, "mish": F.mish, "exp": torch.exp,
    "negate": torch.neg, "absolute": torch.abs, "square": torch.square, "reciprocal": torch.reciprocal,
}
edges = torch.tensor([-30, -25, -6, -3.5, -3, -2.5, -1, -0.1, 0, 0.1, 1, 2.5, 3, 3.5, 5.9, 6, 6.1, 19, 21, 30.0])
for name, function in UNARY.items():
    x = torch.cat([random(21) * 3, edges[edges != 0] if name == "reciprocal" else edges])
    case("unary", dict(function=name), [x], function)
for slope in (0.01, 0.2):
    case("unary", dict(function="leakyReLU", parameter=slope), [torch.cat([random(21), edges])],
         lambda x: F.leaky_relu(x, slope))
for alpha in (1.0, 0.5):
    case("unary", dict(function="elu", parameter=alpha), [torch.cat([random(21), edges])], lambda x: F.elu(x, alpha))
for name, function in (("log", torch.log), ("sqrt", torch.sqrt)):
    case("unary", dict(function=name), [torch.rand(33) * 5 + 0.01], function)
case("unary", dict(function="sign"), [edges], torch.sign, differentiable=[])
case("unary", dict(function="affine", parameter=-1.5, shift=0.25), [random(2, 17)], lambda x: -1.5 * x + 0.25)

BINARY = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
          "maximum": torch.maximum, "minimum": torch.minimum, "power": torch.pow}
for name, function in BINARY.items():
    for a, b in (((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (3, 1)), ((3, 1), (2, 1, 4)), ((5,), ()), ((), (2, 3)), ((2, 17), (17,))):
        x, y = random(*a), random(*b)
        if name in ("maximum", "minimum"):
            x, y = x.round(), y.round()
        if name == "power":
            x = x.abs() + 0.1
        if name == "divide":
            y = y.sign() * (y.abs() + 0.2)
        case("binary", dict(function=name), [x, y], function)
for name, function in (("greater", torch.gt), ("less", torch.lt), ("equal", torch.eq)):
    case("binary", dict(function=name), [random(3, 4).round(), random(4).round()],
         lambda x, y: function(x, y).double(), differentiable=[])

# Reductions, softmax, loss. --------------------------------------------------------------------------------------

REDUCE = {"sum": torch.sum, "mean": torch.mean, "maximum": torch.amax, "minimum": torch.amin}
for name, function in REDUCE.items():
    for axes, keeps in (([0], False), ([1], True), ([1, 2], False), ([2, 3], True), ([0, 2, 3], False), ([0, 1, 2, 3], False)):
        x = random(2, 3, 4, 5)
        x = x.round() if name in ("maximum", "minimum") and keeps else x
        case("reduce", dict(function=name, axes=axes, keepsDimensions=keeps), [x],
             lambda x: function(x, dim=axes, keepdim=keeps))
for shape, axis in (((5,), 0), ((3, 7), 1), ((3, 7), 0), ((2, 5, 3, 2), 1), ((2, 3, 17), 2)):
    case("softmax", dict(axis=axis), [random(*shape) * 5], lambda x: torch.softmax(x, axis))
    case("logSoftmax", dict(axis=axis), [random(*shape) * 5], lambda x: torch.log_softmax(x, axis))
for shape in ((4, 5), (1, 2), (3, 17), (2, 3, 4), (2, 4, 3, 2)):
    for smoothing in (0.0, 0.1):
        for weighted in (False, True):
            labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), dtype=torch.int32)
            inputs = [random(*shape) * 3, labels] + ([torch.rand(shape[1]) + 0.1] if weighted else [])
            case("crossEntropy", dict(labelSmoothing=smoothing, isWeighted=weighted), inputs,
                 lambda x, y, w=None: F.cross_entropy(x, y, w, label_smoothing=smoothing), differentiable=[0])

# Shape and movement. ---------------------------------------------------------------------------------------------

case("reshape", dict(shape=[4, 6]), [random(2, 3, 4)], lambda x: x.reshape(4, 6))
for permutation in ([1, 0, 2, 3], [0, 2, 3, 1], [3, 1, 0, 2]):
    case("transpose", dict(permutation=permutation), [random(2, 3, 4, 5)], lambda x: x.permute(permutation))
for a, b in (([3, 1], [2, 3, 4]), ([], [2, 2]), ([1, 3], [2, 3])):
    case("broadcast", dict(shape=b), [random(*a)], lambda x: x.broadcast_to(b))
for axis, extents in ((0, (1, 3)), (1, (2, 1, 3)), (2, (2, 2))):
    inputs = []
    for extent in extents:
        shape = [2, 3, 4]
        shape[axis] = extent
        inputs.append(random(*shape))
    case("concatenate", dict(axis=axis), inputs, lambda *x: torch.cat(x, axis))
case("slice", dict(starts=[0, 1], counts=[3, 2], steps=[1, 1]), [random(3, 4)], lambda x: x[:, 1:3])
case("slice", dict(starts=[1, 0, 1], counts=[1, 2, 3], steps=[1, 2, 3]), [random(2, 3, 9)], lambda x: x[1:2, ::2, 1::3])
case("pad", dict(before=[0, 0, 1, 2], after=[0, 0, 3, 0], value=1.5), [random(1, 2, 3, 2)],
     lambda x: F.pad(x, [2, 0, 1, 3], value=1.5))

# Optimizers: parameters (and state) after each of three steps. ---------------------------------------------------


def optimizer(operation, attributes, make, states, rates=(0.1, 0.05, 0.2)):
    parameter, gradients = random(3, 5), [random(3, 5) for _ in rates]

    def run(start, *gradients):
        p = torch.nn.Parameter(start.clone())
        o = make([p])
        results = []
        for rate, gradient in zip(rates, gradients):
            o.param_groups[0]["lr"] = rate
            p.grad = gradient.clone()
            o.step()
            results += [p.detach().clone()] + [o.state[p][s].clone() for s in states]
        return results

    case(operation, attributes | dict(rates=rates), [parameter] + gradients, run,
         outputs=len(rates) * (1 + len(states)), differentiable=[])


for momentum, nesterov, decay in ((0, False, 0), (0, False, 0.1), (0.9, False, 0), (0.9, False, 0.01), (0.9, True, 0),
                                  (0.8, True, 0.05)):
    optimizer("sgd", dict(momentum=momentum, isNesterov=nesterov, weightDecay=decay, isDecoupled=False),
              lambda p: torch.optim.SGD(p, lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=decay),
              ["momentum_buffer"] if momentum else [])
for beta1, beta2, epsilon, decay in ((0.9, 0.999, 1e-8, 0), (0.9, 0.999, 1e-8, 0.1), (0.5, 0.9, 1e-3, 0.01)):
    for decoupled in (False, True):
        make = torch.optim.AdamW if decoupled else torch.optim.Adam
        optimizer("adam", dict(beta1=beta1, beta2=beta2, epsilon=epsilon, weightDecay=decay, isDecoupled=decoupled),
                  lambda p: make(p, lr=0.1, betas=(beta1, beta2), eps=epsilon, weight_decay=decay),
                  ["exp_avg", "exp_avg_sq"])
for maximum, size in ((1.0, 1.0), (100.0, 1.0), (0.5, 0.01)):
    def clip(*gradients):
        parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
        for p, g in zip(parameters, gradients):
            p.grad = g.clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters, maximum)
        return parameters[0].grad / gradients[0], norm
    case("clipFactor", dict(maximumNorm=maximum), [random(3, 4) * size, random(5) * size],
         lambda *g: (clip(*g)[0].mean(), clip(*g)[1]), outputs=2, differentiable=[])

# Resampling. -----------------------------------------------------------------------------------------------------

torch.manual_seed(20250102)  # What stands above keeps its numbers whatever is added from here on.
for mode in ("reflect", "replicate", "circular"):
    for shape, before, after in (((2, 3, 5), (1,), (2,)), ((1, 2, 4, 6), (2, 1), (1, 3)), ((1, 5, 3, 3), (0, 2), (2, 0)),
                                 ((1, 2, 3, 2, 4), (1, 1, 2), (2, 0, 3))):
        borders = [p for axis in reversed(range(len(before))) for p in (before[axis], after[axis])]
        if mode == "reflect" and len(shape) == 5:
            borders, before, after = [2, 3, 0, 1, 1, 2], (1, 0, 2), (2, 1, 3)
        case("extend", dict(kind=mode, before=[0, 0, *before], after=[0, 0, *after]), [random(*shape)],
             lambda x: F.pad(x, borders, mode=mode))

PYTORCH_MODE = {"nearest": "nearest", "nearestExact": "nearest-exact",
                "linear": {3: "linear", 4: "bilinear", 5: "trilinear"}, "cubic": "bicubic"}


def resize(shape, output, kind, coordinates="halfPixel", antialiases=False, scales=None):
    mode = PYTORCH_MODE[kind] if isinstance(PYTORCH_MODE[kind], str) else PYTORCH_MODE[kind][len(shape)]
    arguments = dict(mode=mode)
    if kind in ("linear", "cubic"):
        arguments |= dict(align_corners=coordinates == "alignCorners")
    if antialiases:
        arguments |= dict(antialias=True)
    size = dict(scale_factor=scales) if scales else dict(size=output)
    case("resize", dict(kind=kind, output=output, coordinates=coordinates, antialiases=antialiases, scales=scales),
         [random(*shape)], lambda x: F.interpolate(x, **size, **arguments))


for shape, outputs in (((2, 3, 7), ([4], [14], [10], [1])), ((1, 3, 5, 6), ([10, 12], [3, 4], [7, 5], [1, 1], [13, 2])),
                       ((1, 2, 3, 4, 2), ([6, 5, 3], [2, 2, 4]))):
    for output in outputs:
        resize(shape, output, "nearest", "asymmetric")
        resize(shape, output, "nearestExact")
        resize(shape, output, "linear")
        resize(shape, output, "linear", "alignCorners")
        if len(shape) == 4:
            resize(shape, output, "cubic")
            resize(shape, output, "cubic", "alignCorners")
            for kind in ("linear", "cubic"):
                resize(shape, output, kind, antialiases=True)
resize((1, 17, 4, 4), [8, 8], "linear")
resize((1, 1, 9, 9), [4, 4], "cubic", antialiases=True)
for kind in ("linear", "cubic"):
    resize((1, 2, 5, 4), [8, 6], kind, scales=[1.7, 1.6])
resize((1, 2, 5, 4), [8, 6], "nearest", "asymmetric", scales=[1.7, 1.6])

ADAPTIVE = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}
for shape, outputs in (((2, 3, 7), ([3], [7], [1], [10])), ((1, 3, 6, 7), ([1, 1], [3, 2], [4, 5], [8, 3])),
                       ((1, 2, 3, 4, 5), ([2, 3, 2],))):
    for output in outputs:
        case("adaptiveAverage", dict(output=output), [random(*shape)], lambda x: ADAPTIVE[len(shape)](x, output))
for shape, axis, indices in (((5,), 0, [4, 0, 0]), ((2, 3, 4), 1, [2, 1, 0]), ((2, 3, 4, 2), 3, [1])):
    case("select", dict(axis=axis, indices=indices), [random(*shape)],
         lambda x: x.index_select(axis, torch.tensor(indices)))
for shape, axis, count in (((4, 5), 1, 7), ((4, 5), 0, 2), ((2, 3, 4, 5), 2, 6), ((6,), 0, 3)):
    extents = list(shape)
    extents[axis] = count
    indices = torch.randint(0, shape[axis], extents, dtype=torch.int32)
    case("gatherElements", dict(axis=axis), [random(*shape), indices], lambda x, i: x.gather(axis, i), differentiable=[0])
    case("scatterElements", dict(axis=axis, extent=shape[axis] + 1), [random(*extents), indices],
         lambda x, i: torch.zeros([n + (a == axis) for a, n in enumerate(shape)], dtype=x.dtype)
         .scatter_add(axis, i, x), differentiable=[0])
for shape, axis in (((5,), 0), ((3, 7), 1), ((2, 3, 4, 5), 1), ((2, 3, 4, 5), 3)):
    case("argmax", dict(axis=axis), [random(*shape).round()], lambda x: x.argmax(axis).int(), differentiable=[])
for extents, kernel, stride, padding, dilation, ceil in (((11,), 3, 2, 1, 1, False), ((9, 8), 2, 2, 0, 1, False),
                                                         ((9, 8), 3, 2, 1, 2, True), ((4, 5, 6), 2, 2, 0, 1, False)):
    rank = len(extents)
    spread = lambda v: [v] * rank
    case("maxPoolIndices", dict(kernel=spread(kernel), stride=spread(stride), dilation=spread(dilation),
                                paddingBefore=spread(padding), paddingAfter=spread(padding), roundsUp=ceil),
         [random(2, 3, *extents)],
         lambda x: MAX[rank](x, kernel, stride, padding, dilation, ceil, return_indices=True)[1], differentiable=[])

# More functions, choices and reductions. -------------------------------------------------------------------------


def standardize(x, axis, epsilon):
    inverse = (x.var(axis, keepdim=True, unbiased=False) + epsilon).rsqrt()
    return (x - x.mean(axis, keepdim=True)) * inverse, inverse


for shape, axis in (((7,), 0), ((3, 100), 1), ((4, 5), 0), ((2, 17, 3, 3), 1), ((2, 3, 4, 5), 3), ((2, 3, 4), 1)):
    for epsilon in (1e-5, 1e-1):
        case("standardize", dict(axis=axis, epsilon=epsilon), [random(*shape) * 3 + 2],
             lambda x: standardize(x, axis, epsilon), outputs=2)
for name, function in (("sine", torch.sin), ("cosine", torch.cos), ("errorFunction", torch.erf)):
    case("unary", dict(function=name), [torch.cat([random(33) * 3, torch.tensor([0.0, 20, -20])])], function)
for low, high in ((-1.0, 1.5), (0.0, 6.0)):
    case("unary", dict(function="clip", parameter=low, shift=high), [torch.cat([random(21), edges])],
         lambda x: x.clamp(low, high))
halves = torch.tensor([-2.5, -2, -1.5, -0.5, -0.25, 0, 0.5, 0.75, 1.5, 2.5, 3.5, 1e6])
for name, function in (("floor", torch.floor), ("ceil", torch.ceil), ("round", torch.round),
                       ("not", lambda x: (x == 0).double())):
    case("unary", dict(function=name), [torch.cat([halves, random(17)])], function, differentiable=[])
for name, function in (("greaterOrEqual", torch.ge), ("lessOrEqual", torch.le), ("and", torch.logical_and),
                       ("or", torch.logical_or), ("exclusiveOr", torch.logical_xor)):
    case("binary", dict(function=name), [random(3, 7).round(), random(7).round()],
         lambda x, y: function(x, y).double(), differentiable=[])
case("choose", dict(), [random(2, 3, 5).round(), random(2, 3, 5), random(2, 3, 5)],
     lambda c, x, y: torch.where(c != 0, x, y), differentiable=[1, 2])
for shape, axes, keeps in (((2, 3, 4), [1], True), ((2, 3, 4), [2], False), ((5, 3), [0], False)):
    for zeros in (0, 1, 2):
        x = random(*shape)
        for zero in range(zeros):
            x.movedim(axes[0], 0)[zero].mul_((random(*x.movedim(axes[0], 0)[zero].shape) > 0))
        case("reduce", dict(function="product", axes=axes, keepsDimensions=keeps), [x],
             lambda x: x.prod(axes[0], keepdim=keeps))

save("operations")
