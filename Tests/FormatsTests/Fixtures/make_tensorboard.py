"""Makes tensorboard.tfevents with the Python package tensorboard: what EventFileTests writes, byte for byte.

Run: python make_tensorboard.py (tensorboard 2.x)
"""
import os

from tensorboard.compat.proto import event_pb2, graph_pb2, node_def_pb2, summary_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

HERE = os.path.dirname(os.path.abspath(__file__))
PNG = bytes(range(64))


def tensor(name, operation, inputs, shape, dtype=types_pb2.DT_FLOAT):
    node = node_def_pb2.NodeDef(name=name, op=operation, input=inputs)
    output = node.attr["_output_shapes"].list.shape.add()
    for extent in shape:
        output.dim.add(size=extent)
    node.attr["dtype"].type = dtype
    return node


graph = graph_pb2.GraphDef(node=[
    tensor("input", "Placeholder", [], [2, 3, 8, 8]),
    tensor("block/conv/weight", "Variable", [], [4, 3, 3, 3]),
    tensor("block/conv/conv2d", "conv2d", ["input", "block/conv/weight"], [2, 4, 6, 6]),
    tensor("block/relu", "relu", ["block/conv/conv2d"], [2, 4, 6, 6]),
    tensor("output", "Identity", ["block/relu"], [2, 4, 6, 6]),
])
graph.versions.producer = 22


def summary(**values):
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(**values)])


image = summary_pb2.Summary.Image(height=5, width=300, colorspace=3, encoded_image_string=PNG)
two = summary_pb2.Summary(value=[
    summary_pb2.Summary.Value(tag="train/loss", simple_value=2.25),
    summary_pb2.Summary.Value(tag="train/learning_rate", simple_value=1e-3),
])
events = [
    event_pb2.Event(wall_time=1700000000.5, file_version="brain.Event:2"),
    event_pb2.Event(wall_time=1700000001, graph_def=graph.SerializeToString(deterministic=True)),
    event_pb2.Event(wall_time=1700000002.25, step=1, summary=two),
    event_pb2.Event(wall_time=1700000003, step=300, summary=summary(tag="first batch", image=image)),
    event_pb2.Event(
        wall_time=1700000004, step=12345678901, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
    event_pb2.Event(wall_time=1700000005, step=12345678901, summary=summary(tag="é", simple_value=-0.5)),
]
with open(f"{HERE}/tensorboard.tfevents", "wb") as f:
    writer = RecordWriter(f)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    writer.flush()
