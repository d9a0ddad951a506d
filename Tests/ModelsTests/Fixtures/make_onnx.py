"""Writes the ONNX models of ONNXTests with what ONNX Runtime computes from them.

Needs onnx, onnxruntime and numpy: python make_onnx.py
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
