"""Writes a model as exporters of 2018 wrote them (operator sets 7 and 8, IR version 3) with what ONNX Runtime computes.

Limits, axes, paddings and scales are attributes there, and weights are listed among the inputs. Needs onnx,
onnxruntime and numpy: python make_opset7.py
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(11)
node = helper.make_node


def weight(name, *shape):
    return numpy_helper.from_array((random.standard_normal(shape) * 0.4).astype(np.float32), name)


for version in [7, 8]:
    nodes = [
        node("Conv", ["x", "w1"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["a", "scale", "shift", "mean", "variance"], ["b"], epsilon=1e-3),
        node("Clip", ["b"], ["c"], min=-0.5, max=1.5),
        node("Dropout", ["c"], ["d"], ratio=0.4),
        node("Pad", ["d"], ["e"], mode="constant", pads=[0, 0, 1, 0, 0, 0, 0, 2], value=0.25),
        node("Slice", ["e"], ["f"], axes=[2, 3], starts=[1, -6], ends=[100, -1]),
        node("Upsample", ["f"], ["g"], mode="nearest", scales=[1.0, 1.0, 2.0, 3.0])
        if version == 7 else node("Upsample", ["f"], ["g"], mode="linear", scales=[1.0, 1.0, 2.0, 2.0]),
        node("MaxPool", ["g"], ["h"], kernel_shape=[2, 2], strides=[2, 1], auto_pad="SAME_UPPER"),
        node("AveragePool", ["h"], ["i"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
        node("PRelu", ["i", "slope"], ["j"]),
        node("ReduceMean", ["j"], ["k"], axes=[-1 + 4], keepdims=0),
        node("ReduceSum", ["k"], ["l"], axes=[2], keepdims=1),
        node("Squeeze", ["l"], ["m"], axes=[2]),
        node("Unsqueeze", ["m"], ["n"], axes=[0]),
        node("Split", ["n"], ["o", "p"], axis=2, split=[1, 3]),
        node("Concat", ["p", "o"], ["q"], axis=2),
        node("Squeeze", ["q"], ["r"], axes=[0]),
        node("Gemm", ["r", "w2", "bias"], ["s"], alpha=0.5, beta=2.0),
        node("Reshape", ["s", "shape"], ["t"]),
        # Before operator set 13 all axes from this one on are one.
        node("Softmax", ["t"], ["y"], axis=1),
    ]
    tensors = [
        weight("w1", 4, 2, 3, 3), weight("scale", 4), weight("shift", 4), weight("mean", 4),
        numpy_helper.from_array(random.uniform(0.5, 2, 4).astype(np.float32), "variance"), weight("slope", 4, 1, 1),
        weight("w2", 4, 6), weight("bias", 6), numpy_helper.from_array(np.array([0, 3, 2], np.int64), "shape"),
    ]
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, [2, 2, 7, 8])] + [value(t.name, t.data_type, t.dims) for t in tensors]
    graph = helper.make_graph(nodes, "opset", inputs, [value("y", TensorProto.FLOAT, [2, 3, 2])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=3)
    onnx.checker.check_model(model)
    onnx.save(model, f"opset{version}.onnx")
    x = np.random.default_rng(version).standard_normal((2, 2, 7, 8)).astype(np.float32)
    np.save(f"opset{version}_x.npy", x)
    np.save(f"opset{version}_y.npy", onnxruntime.InferenceSession(f"opset{version}.onnx").run(None, {"x": x})[0])
