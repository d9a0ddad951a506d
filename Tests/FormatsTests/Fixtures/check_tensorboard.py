"""Opens a run's event files with the real TensorBoard and compares them with the run's own record.

Run by hand, after `convnet train --log-every 1 --tensorboard LOGS --output RUN ...`:
    python check_tensorboard.py LOGS RUN
"""
import io
import json
import sys

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

logs, run = sys.argv[1:]
events = EventAccumulator(logs, size_guidance={"scalars": 0, "images": 0})
events.Reload()
lines = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
epochs = [line for line in lines if "epoch" in line]
steps = [line for line in lines if "epoch" not in line]


def close(a, b):
    return abs(a - b) <= 1e-6 * max(1, abs(b))


for tag, key in [("train_loss",) * 2, ("validation_loss",) * 2, ("validation_accuracy",) * 2]:
    found = [(s.step, s.value) for s in events.Scalars(f"epoch/{tag}")]
    assert [s for s, _ in found] == [e["step"] for e in epochs], (tag, found)
    assert all(close(v, e[key]) for (_, v), e in zip(found, epochs)), (tag, found)
losses = [(s.step, s.value) for s in events.Scalars("train/loss")]
assert [s for s, _ in losses] == list(range(1, epochs[-1]["step"] + 1)), "each step once"
assert all(close(dict(losses)[line["step"]], line["loss"]) for line in steps)
for tag in events.Tags()["images"]:
    for image in events.Images(tag):
        picture = Image.open(io.BytesIO(image.encoded_image_string))
        picture.load()
        assert picture.size == (image.width, image.height)
        print(f"image {tag!r}: {picture.size} {picture.mode}")
graph = events.Graph()
names = {node.name for node in graph.node}
assert len(names) == len(graph.node)
assert all(source.split(":")[0] in names for node in graph.node for source in node.input)
print(f"graph: {len(graph.node)} nodes:", ", ".join(f"{n.name} ({n.op})" for n in graph.node[:12]), "...")
print(f"{len(losses)} steps, {len(epochs)} epochs: equal")
