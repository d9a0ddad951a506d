"""Times ConvNet beside its peers, taking turns in one session on the same cores, and prints Markdown tables.

Every contender runs the same network with the same weights, in a process of its own; outputs are compared before
anything is timed. Ratios are the best peer's median divided by ours: above 1, ConvNet is faster.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))

INFERENCE = {  # network: input of one image, goals at batch 1 and 8
    "vgg16": ((3, 224, 224), 1.3, 2.0),
    "resnet18": ((3, 224, 224), 1.4, 1.9),
    "unet": ((1, 256, 256), 1.4, 2.0),
    "resnet50": ((3, 224, 224), 1.2, 1.2),
    "googlenet": ((3, 224, 224), 1.2, 1.3),
    "densenet121": ((3, 224, 224), 1.2, 1.3),
    "convnext_tiny": ((3, 224, 224), 1.2, 1.2),
    "mobilenet_v2": ((3, 224, 224), 1.05, 1.05),
    "efficientnet_lite0": ((3, 224, 224), 1.05, 1.05),
}
TRAINING = {  # network: input of one image, batch, goal
    "resnet18": ((3, 224, 224), 16, 2.0),
    "vgg11_cifar": ((3, 32, 32), 64, 2.0),
    "unet": ((1, 128, 128), 4, 2.0),
    "resnet20": ((3, 32, 32), 128, 2.0),
    "lenet": ((1, 32, 32), 64, 3.0),
    "mobilenet_v2": ((3, 128, 128), 16, 1.5),
}
PEERS = ("onnxruntime", "openvino", "ncnn", "nchw", "nhwc")
TRAINERS = ("nchw", "nhwc")


class Contender:
    """A process that answers a count of iterations with their times."""

    def __init__(self, arguments, waits):
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=HERE)
        self.ready = not waits or bool(self.process.stdout.readline())
        self.times, self.peak = [], 0

    def run(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.peak = answer["peak_bytes"]
        return answer["milliseconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def median(values):
    return sorted(values)[len(values) // 2]


def export(name, shape, batch, folder, takes_any_batch=False):
    """Writes the network for the peers that read files."""
    import torch
    import networks

    path = os.path.join(folder, f"{name}_{batch}.onnx")
    network = networks.make(name).eval()
    x = torch.from_numpy(numpy.random.default_rng(0).random((batch, *shape), dtype=numpy.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "batch"}} if takes_any_batch else None
        torch.onnx.export(network, x, path, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes=axes)
        if batch == 1:
            import pnnx

            with silence():
                pnnx.export(network, os.path.join(folder, f"{name}.pt"), x, fp16=False)
    with torch.inference_mode():
        numpy.save(os.path.join(folder, "expected.npy"), network(x).numpy())
    numpy.save(os.path.join(folder, "input.npy"), x.numpy())
    return path


@contextlib.contextmanager
def silence():
    """Hides what this process and its children print."""
    saved = [os.dup(stream) for stream in (1, 2)]
    with open(os.devnull, "w") as nothing:
        for stream in (1, 2):
            os.dup2(nothing.fileno(), stream)
        try:
            yield
        finally:
            for stream, copy in zip((1, 2), saved):
                os.dup2(copy, stream)


def ours_agrees(command, path, folder):
    out = os.path.join(folder, "ours")
    subprocess.run(
        [command, "run", path, "--input", f"x={folder}/input.npy", "--output", out], check=True,
        stdout=subprocess.DEVNULL)
    return agrees(os.path.join(out, os.listdir(out)[0]), folder)


def agrees(path, folder):
    expected, found = numpy.load(os.path.join(folder, "expected.npy")), numpy.load(path)
    return numpy.abs(found.reshape(expected.shape) - expected).max() <= 1e-3 * numpy.abs(expected).max()


def race(contenders, rounds):
    """Lets contenders take turns; each turn lasts about a fifth of a second.

    After three rounds those that take twice the time of the fastest peer rest: they cannot be it any more.
    """
    counts = {}
    for name, contender in contenders.items():
        contender.run(2)
        counts[name] = max(1, min(50, int(200 / median(contender.run(2)))))
    racing = dict(contenders)
    for number in range(rounds):
        if number == 3:
            fastest = min(median(contender.times) for name, contender in racing.items() if name != "convnet")
            racing = {name: contender for name, contender in racing.items()
                      if name == "convnet" or median(contender.times) < 2 * fastest}
        for name, contender in racing.items():
            # The threads of the one before may still spin.
            time.sleep(0.05)
            contender.times.append(median(contender.run(counts[name])))
    for contender in contenders.values():
        contender.close()


def row(label, contenders, peers, goal):
    ours = median(contenders["convnet"].times)
    cells = [f"{ours:.2f}"]
    for peer in peers:
        cells.append(f"{median(contenders[peer].times):.2f}" if peer in contenders else "-")
    best = min(peers, key=lambda peer: median(contenders[peer].times) if peer in contenders else 1e9)
    ratio = median(contenders[best].times) / ours
    memory = [f"{contenders[key].peak / 1e6:.0f}" if key in contenders else "-" for key in ("convnet", *peers[:1])]
    print(f"| {label} | " + " | ".join(cells) + f" | **{ratio:.2f}** | {goal} | " + " / ".join(memory) + " |", flush=True)


def compare_inference(command, names, rounds, threads):
    print("| network, batch | ConvNet, ms | ONNX Runtime | OpenVINO | ncnn | PyTorch NCHW | PyTorch NHWC "
          "| ratio | goal | peak MB, ConvNet / ONNX Runtime |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in names:
        shape, *goals = INFERENCE[name]
        for batch, goal in zip((1, 8), goals):
            with tempfile.TemporaryDirectory() as folder:
                path = export(name, shape, batch, folder)
                if not ours_agrees(command, path, folder):
                    sys.exit(f"{name}: ConvNet's output differs from PyTorch's")
                contenders = {"convnet": Contender(
                    [command, "bench", path, "--batch", str(batch), "--threads", str(threads), "--interactive"], False)}
                for peer in PEERS if batch == 1 else [peer for peer in PEERS if peer != "ncnn"]:
                    contender = Contender(
                        [sys.executable, "contenders.py", peer, name, str(batch), "x".join(map(str, shape)),
                         "inference", str(threads), folder], True)
                    if contender.ready and agrees(os.path.join(folder, f"{peer}.npy"), folder):
                        contenders[peer] = contender
                    else:
                        print(f"{name}: {peer} left out: it fails or its output differs", file=sys.stderr)
                race(contenders, rounds)
                row(f"{name}, {batch}", contenders, PEERS, goal)


def compare_training(command, names, rounds, threads):
    import torch
    import networks

    print("| network, batch | ConvNet, ms | PyTorch NCHW | PyTorch NHWC | ratio | goal | peak MB, ConvNet / PyTorch |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        shape, batch, goal = TRAINING[name]
        with tempfile.TemporaryDirectory() as folder:
            model = name
            if name in ("vgg11_cifar", "unet"):
                # Networks of the benchmark's own: as files, which train like any other model.
                model = export(name, shape, batch, folder, takes_any_batch=True)
            theirs = sum(parameter.numel() for parameter in networks.make(name).parameters())
            size = "x".join(map(str, shape))
            summary = subprocess.check_output([command, "summary", model, "--input", size, "--json"])
            ours = json.loads(summary)["parameters"]
            if ours != theirs:
                sys.exit(f"{name}: {ours} and {theirs} parameters")
            contenders = {"convnet": Contender(
                [command, "bench", model, "--train", "--batch", str(batch), "--input", size, "--threads", str(threads),
                 "--interactive"], False)}
            for peer in TRAINERS:
                contenders[peer] = Contender(
                    [sys.executable, "contenders.py", peer, name, str(batch), size, "training", str(threads), folder],
                    True)
            race(contenders, rounds)
            row(f"{name}, {batch}", contenders, TRAINERS, goal)


def versions():
    from importlib.metadata import version

    peers = ("torch", "torchvision", "onnxruntime", "openvino", "ncnn", "timm")
    return ", ".join(f"{peer} {version(peer)}" for peer in peers)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", help="the convnet command")
    parser.add_argument("--only", nargs="*", help="networks (default: all)")
    parser.add_argument("--mode", choices=("inference", "training", "layers"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    command = os.path.abspath(options.command)
    chosen = lambda table: [name for name in table if not options.only or name in options.only]
    print(f"{versions()}; {options.threads} threads, medians of {options.rounds} interleaved rounds\n")
    if options.mode in (None, "inference"):
        compare_inference(command, chosen(INFERENCE), options.rounds, options.threads)
        print()
    if options.mode in (None, "training"):
        compare_training(command, chosen(TRAINING), options.rounds, options.threads)
        print()
    if options.mode in (None, "layers"):
        import layers

        layers.compare(command, options.rounds, options.threads)


main()
