"""Single layers beside oneDNN and PyTorch's own kernels, through PyTorch."""

import json
import os
import subprocess
import tempfile
import time
import warnings

import torch

CONVOLUTIONS = [  # in, out, kernel, stride, groups, side
    (3, 64, 7, 2, 1, 224),
    (64, 64, 3, 1, 1, 56),
    (128, 128, 3, 1, 1, 28),
    (256, 256, 3, 1, 1, 14),
    (512, 512, 3, 1, 1, 7),
    (64, 128, 3, 2, 1, 56),
    (256, 512, 3, 2, 1, 14),
    (64, 256, 1, 1, 1, 56),
    (512, 128, 1, 1, 1, 28),
    (1024, 256, 1, 1, 1, 14),
    (16, 96, 1, 1, 1, 112),
    (256, 512, 1, 2, 1, 56),
    (96, 96, 3, 2, 96, 112),
    (144, 144, 3, 1, 144, 56),
    (96, 96, 7, 1, 96, 56),
    (128, 128, 3, 1, 32, 56),
]
BATCH = 8


def layers():
    """Of each layer its name, module and input."""
    for inputs, outputs, kernel, stride, groups, side in CONVOLUTIONS:
        grouped = f", {groups} groups" if groups > 1 else ""
        yield (f"{inputs} to {outputs}, {kernel}x{kernel} / {stride}, {side}x{side}{grouped}",
               torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups),
               (BATCH, inputs, side, side))
    yield ("64 to 128, 9 taps, 4000 samples", torch.nn.Conv1d(64, 128, 9, padding=4), (BATCH, 64, 4000))
    yield ("32 to 64, 3x3x3, 8x28x28", torch.nn.Conv3d(32, 64, 3, padding=1), (BATCH, 32, 8, 28, 28))
    yield ("512 to 256, transposed 2x2 / 2, 28x28", torch.nn.ConvTranspose2d(512, 256, 2, 2), (BATCH, 512, 28, 28))
    yield ("64 channels, max pooling 3x3 / 2, 112x112", torch.nn.MaxPool2d(3, 2, 1), (BATCH, 64, 112, 112))
    yield ("64 channels, average pooling 2x2 / 2, 112x112", torch.nn.AvgPool2d(2), (BATCH, 64, 112, 112))
    yield ("64 channels, bilinear to twice the size, 56x56",
           torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), (BATCH, 64, 56, 56))
    for batch in (1, BATCH):
        linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4096, 4096))
        yield (f"4096 to 4096, linear, batch {batch}", linear, (batch, 4096, 1, 1))


def compare(command, rounds, threads):
    torch.set_num_threads(threads)
    print(f"| layer, batch {BATCH} | algorithm | ConvNet, ms | PyTorch NCHW | PyTorch NHWC | ratio |")
    print("|---|---|---|---|---|---|")
    for name, network, shape in layers():
        network.eval()
        x = torch.rand(*shape)
        formats = [torch.contiguous_format]
        formats += {4: [torch.channels_last], 5: [torch.channels_last_3d]}.get(len(shape), [])
        ours, algorithm, theirs = [], "", {layout: [] for layout in formats}
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            path = os.path.join(folder, "layer.onnx")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(network, x, path, dynamo=False, opset_version=17)
            for _ in range(rounds):
                profile = json.loads(subprocess.check_output(
                    [command, "bench", path, "--batch", str(shape[0]), "--profile", "--iterations", "15", "--threads",
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
        columns = " | ".join([f"{milliseconds:.3f}" for milliseconds in theirs] + ["-"] * (2 - len(theirs)))
        print(f"| {name} | {algorithm} | {ours:.3f} | {columns} | {min(theirs) / ours:.2f} |", flush=True)


def timed(module, x):
    start = time.perf_counter()
    module(x)
    return (time.perf_counter() - start) * 1e3
