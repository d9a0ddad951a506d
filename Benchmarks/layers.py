"""Single convolutions beside oneDNN, through PyTorch."""

import json
import os
import subprocess
import tempfile
import time
import warnings

import torch

LAYERS = [  # in, out, kernel, stride, groups, side, batch
    (3, 64, 7, 2, 1, 224, 8),
    (64, 64, 3, 1, 1, 56, 8),
    (128, 128, 3, 1, 1, 28, 8),
    (256, 256, 3, 1, 1, 14, 8),
    (512, 512, 3, 1, 1, 7, 8),
    (64, 128, 3, 2, 1, 56, 8),
    (256, 512, 3, 2, 1, 14, 8),
    (64, 256, 1, 1, 1, 56, 8),
    (512, 128, 1, 1, 1, 28, 8),
    (1024, 256, 1, 1, 1, 14, 8),
    (16, 96, 1, 1, 1, 112, 8),
    (256, 512, 1, 2, 1, 56, 8),
    (96, 96, 3, 2, 96, 112, 8),
    (144, 144, 3, 1, 144, 56, 8),
    (96, 96, 7, 1, 96, 56, 8),
    (128, 128, 3, 1, 32, 56, 8),
]


def compare(command, rounds, threads):
    torch.set_num_threads(threads)
    print("| convolution, batch 8 | algorithm | ConvNet, ms | oneDNN NCHW | oneDNN NHWC | ratio |")
    print("|---|---|---|---|---|---|")
    for inputs, outputs, kernel, stride, groups, side, batch in LAYERS:
        network = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups).eval()
        x = torch.rand(batch, inputs, side, side)
        ours, algorithm, theirs = [], "", {torch.contiguous_format: [], torch.channels_last: []}
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            path = os.path.join(folder, "layer.onnx")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(network, x, path, dynamo=False, opset_version=17)
            for _ in range(rounds):
                profile = json.loads(subprocess.check_output(
                    [command, "bench", path, "--batch", str(batch), "--profile", "--iterations", "15", "--threads",
                     str(threads), "--json"]))
                # The layer alone: inside a network it finds its input in the layout that it wants.
                kernels = [step for step in profile if not step["algorithm"].startswith("convert_layout")]
                ours.append(sum(step["ms"] for step in kernels))
                algorithm = kernels[-1]["algorithm"]
                for layout, times in theirs.items():
                    module, example = network.to(memory_format=layout), x.contiguous(memory_format=layout)
                    times.append(min(timed(module, example) for _ in range(15)))
        ours = sorted(ours)[len(ours) // 2]
        theirs = [sorted(times)[len(times) // 2] for times in theirs.values()]
        grouped = f", {groups} groups" if groups > 1 else ""
        print(f"| {inputs} to {outputs}, {kernel}x{kernel} / {stride}, {side}x{side}{grouped} | {algorithm} "
              f"| {ours:.3f} | {theirs[0]:.3f} | {theirs[1]:.3f} | {min(theirs) / ours:.2f} |", flush=True)


def timed(module, x):
    start = time.perf_counter()
    module(x)
    return (time.perf_counter() - start) * 1e3
