"""Writes the ONNX models of the tests with what ONNX Runtime computes from them, and PyTorch's gradients.

Needs onnx, onnxruntime, numpy and torch: python make_onnx.py
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(7)


def weight(name, *shape):
    return numpy_helper.from_array((random.standard_normal(shape) * 0.3).astype(np.float32), name)


def constant(name, values, dtype=np.int64):
    return numpy_helper.from_array(np.array(values, dtype), name)


def network():
    """Convolutions, a residual, a shape computed from the input, upsampling and a classifier."""
    nodes = [
        helper.make_node("Conv", ["x", "stem.weight", "stem.bias"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node(
            "BatchNormalization", ["a", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "depthwise.weight"], ["d"], group=4, auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("Resize", ["d", "", "scales"], ["e"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        helper.make_node("Add", ["e", "c"], ["f"]),
        helper.make_node("ConvTranspose", ["f", "up.weight", "up.bias"], ["g"], strides=[2, 2], pads=[1, 1, 0, 0], output_padding=[1, 1]),
        helper.make_node("Clip", ["g", "low", "high"], ["h"]),
        helper.make_node("MaxPool", ["h"], ["i"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        helper.make_node("GlobalAveragePool", ["i"], ["j"]),
        helper.make_node("Shape", ["j"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["batches"]),
        helper.make_node("Concat", ["batches", "minus"], ["flat"], axis=0),
        helper.make_node("Reshape", ["j", "flat"], ["k"]),
        helper.make_node("Gemm", ["k", "fc.weight", "fc.bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["y"], axis=-1),
    ]
    variance = numpy_helper.from_array(random.uniform(0.5, 2, 4).astype(np.float32), "bn.running_var")
    tensors = [
        weight("stem.weight", 4, 3, 3, 3), weight("stem.bias", 4), weight("bn.weight", 4), weight("bn.bias", 4),
        weight("bn.running_mean", 4), variance, weight("depthwise.weight", 4, 1, 3, 3), weight("up.weight", 4, 5, 3, 3),
        weight("up.bias", 5), weight("fc.weight", 3, 5), weight("fc.bias", 3),
        constant("scales", [1, 1, 2, 2], np.float32), constant("low", -1, np.float32), constant("high", 1, np.float32),
        constant("zero", 0), constant("axes", [0]), constant("minus", [-1]),
    ]
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


model = network()
onnx.checker.check_model(model)
onnx.save(model, "network.onnx")
session = onnxruntime.InferenceSession("network.onnx")
image = random.standard_normal((2, 3, 8, 6)).astype(np.float32)
np.save("network_x.npy", image)
np.save("network_y.npy", session.run(None, {"x": image})[0])


def save(name, nodes, tensors, output, opset=18, inputs=None):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs or ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 21 else 10)
    onnx.checker.check_model(model)
    onnx.save(model, name + ".onnx")


# Classifiers in the forms that exporters write: a product and a sum behind it, its weight turned in the graph; a
# convolution whose maps are averaged and reshaped to rows of classes.
random = np.random.default_rng(8)
node = helper.make_node
save("head_matmul", [
    node("Conv", ["x", "conv.weight"], ["a"]), node("Relu", ["a"], ["b"]), node("GlobalAveragePool", ["b"], ["c"]),
    node("Flatten", ["c"], ["d"]), node("Transpose", ["fc.weight"], ["w"], perm=[1, 0]), node("MatMul", ["d", "w"], ["e"]),
    node("Add", ["e", "fc.bias"], ["y"]),
], [weight("conv.weight", 4, 3, 3, 3), weight("fc.weight", 6, 4), weight("fc.bias", 6)], ["batch", 6])
save("head_conv", [
    node("Conv", ["x", "conv.weight", "conv.bias"], ["a"]), node("Relu", ["a"], ["b"]),
    node("Conv", ["b", "head.weight", "head.bias"], ["c"]), node("Relu", ["c"], ["d"]),
    node("GlobalAveragePool", ["d"], ["e"]), node("Reshape", ["e", "rows"], ["f"]), node("Softmax", ["f"], ["y"]),
], [weight("conv.weight", 4, 3, 3, 3), weight("conv.bias", 4), weight("head.weight", 6, 4, 1, 1), weight("head.bias", 6),
    constant("rows", [-1, 6])], ["batch", 6])

# Operators behind a convolution, each with its share in the output, so that its weight's gradient passes all of them.
import torch
import torch.nn.functional as F

scalars = {"half": 0.5, "low": -0.3}
tensors = [constant(name, value, np.float32) for name, value in scalars.items()] + [
    weight("weight", 4, 2, 3, 3), weight("scale", 4), weight("shift", 4), constant("last", -1), constant("k", [3]),
    constant("pick", [2, -1, 0, 2]),
    weight("updates", 2, 3, 6, 6), constant("slices", [[[0, 1], [0, 2], [1, 3]], [[1, 0], [1, 1], [0, 3]]]),
    constant("pads", [0, 0, 2, 1, 0, 0, 1, 3]), constant("pads2", [0, 0, -1, 1, 0, 0, 2, -2]),
    constant("scales", [1, 1, 1.5, 2.5], np.float32), constant("sizes", [2, 4, 4, 9]), constant("axis3", [3]),
    constant("starts", [5]), constant("ends", [-9]), constant("axis2", [2]), constant("minus", [-2]), constant("axes", [2, 3]),
]
nodes = [
    node("Conv", ["x", "weight"], ["c"], pads=[1, 1, 1, 1]),
    node("Greater", ["c", "low"], ["g"]), node("Not", ["g"], ["n"]), node("LessOrEqual", ["c", "half"], ["l"]),
    node("Or", ["n", "l"], ["o"]), node("Erf", ["c"], ["e"]), node("Where", ["o", "e", "c"], ["y0"]),
    node("Mod", ["c", "half"], ["y1"], fmod=1), node("CumSum", ["c", "last"], ["y2"], reverse=1, exclusive=1),
    node("TopK", ["c", "k"], ["top", "at"], axis=2), node("Cast", ["at"], ["atf"], to=1), node("Add", ["top", "atf"], ["y3"]),
    node("Gather", ["c", "pick"], ["y4"], axis=1), node("GatherND", ["c", "slices"], ["y5"]),
    node("ScatterND", ["c", "slices", "updates"], ["y6"]),
    node("Pad", ["c", "pads"], ["y7"], mode="reflect"), node("Pad", ["c", "pads2", "half"], ["y8"]),
    node("Resize", ["c", "", "scales"], ["y9"], mode="cubic"), node("Resize", ["c", "", "", "sizes"], ["y10"], mode="linear"),
    node("Slice", ["c", "starts", "ends", "axis2", "minus"], ["y11"]),
    node("ReduceProd", ["c", "axis3"], ["y12"]), node("ReduceL2", ["c", "axes"], ["y13"]),
    node("MaxPool", ["c"], ["m", "mi"], kernel_shape=[2, 2], strides=[2, 2]),
    node("MaxUnpool", ["m", "mi"], ["y14"], kernel_shape=[2, 2], strides=[2, 2]),
    node("GroupNormalization", ["c", "scale", "shift"], ["y15"], num_groups=2),
    node("LpPool", ["c"], ["y16"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    node("ArgMax", ["c"], ["a"], axis=1, keepdims=1), node("Gather", ["shift2", "a"], ["b"]), node("Mul", ["c", "b"], ["y17"]),
    node("GatherElements", ["c", "picks"], ["y18"], axis=3), node("Tan", ["y1"], ["y19"]),
]
tensors += [weight("shift2", 4), constant("picks", random.integers(-6, 6, (2, 4, 6, 2)))]
count = 20
sums = [node("ReduceSum", [f"y{i}"], [f"s{i}"], keepdims=0) for i in range(count)]
shares = [numpy_helper.from_array(np.array(0.1 + 0.07 * i, np.float32), f"share{i}") for i in range(count)]
parts = [node("Mul", [f"s{i}", f"share{i}"], [f"p{i}"]) for i in range(count)]
save("operators", nodes + sums + parts + [node("Sum", [f"p{i}" for i in range(count)], ["y"])], tensors + shares, [],
     opset=21, inputs=[2, 2, 6, 6])

values = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in tensors}
w = values["weight"].requires_grad_()
x = torch.from_numpy(random.standard_normal((2, 2, 6, 6)).astype(np.float32))
c = F.conv2d(x, w, padding=1)
at = values["slices"]
pooled, indices = F.max_pool2d(c, 2, 2, return_indices=True)
top = torch.topk(c, 3, dim=2)
scattered = c.clone()
scattered = scattered.index_put((at[..., 0], at[..., 1]), values["updates"])
pads2 = F.pad(c[:, :, 1:, :-2], (1, 0, 0, 2), value=0.5)
total = lambda t: t.sum()
ys = [
    torch.where((~(c > -0.3)) | (c <= 0.5), torch.erf(c), c), torch.fmod(c, 0.5),
    torch.flip(torch.cumsum(torch.flip(c, [3]), 3), [3]) - c, top.values + top.indices, c[:, [2, -1, 0, 2]],
    c[at[..., 0], at[..., 1]], scattered, F.pad(c, (1, 3, 2, 1), mode="reflect"), pads2,
    F.interpolate(c, scale_factor=(1.5, 2.5), mode="bicubic"), F.interpolate(c, size=(4, 9), mode="bilinear"),
    torch.flip(c[:, :, [1, 3, 5]], [2]), c.prod(3), c.flatten(2).norm(dim=2), F.max_unpool2d(pooled, indices, 2, 2),
    F.group_norm(c, 2, values["scale"], values["shift"]),
    (F.avg_pool2d(c * c, 3, 2, padding=1) * 9).sqrt(), c * values["shift2"][c.argmax(1, keepdim=True)],
    torch.gather(c, 3, values["picks"] % 6), torch.tan(torch.fmod(c, 0.5)),
]
assert len(ys) == count
y = sum(total(part) * (0.1 + 0.07 * i) for i, part in enumerate(ys))
y.backward()
runtime = onnxruntime.InferenceSession("operators.onnx").run(None, {"x": x.numpy()})[0]
assert abs(y.item() - runtime) < 1e-4 * abs(y.item())
np.save("operators_x.npy", x.numpy())
np.save("operators_y.npy", y.detach().numpy())
np.save("operators_dweight.npy", w.grad.numpy())

# Networks of signals and of volumes, which declare their size or leave it open.
random = np.random.default_rng(9)
save("signal", [node("Conv", ["x", "weight"], ["a"]), node("Relu", ["a"], ["y"])], [weight("weight", 3, 2, 5)],
     ["batch", 3, 16], inputs=["batch", 2, 20])
save("volume", [node("Conv", ["x", "weight"], ["a"]), node("Relu", ["a"], ["y"])], [weight("weight", 3, 1, 3, 3, 3)],
     ["batch", 3, None, None, None], inputs=["batch", 1, None, None, None])
