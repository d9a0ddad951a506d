"""Times what feeds a training on photographs, one thread against one process: `convnet bench --data` and torchvision
with Pillow, on the same JPEG files with the same augmentation, taking turns.

    python3 loading.py ../.build/release/convnet FOLDER

FOLDER has one subfolder of JPEG files for each class.
"""

import argparse
import glob
import json
import os
import subprocess
import time

import torch
import torchvision.transforms as T
from PIL import Image

PRESETS = {  # as in `convnet train --augment`
    "none": [T.Resize((224, 224))],
    "standard": [T.RandomResizedCrop(224, scale=(0.5, 1)), T.RandomHorizontalFlip(), T.ColorJitter(0.2, 0.2, 0.2, 0.02)],
    "strong": [T.RandomResizedCrop(224, scale=(0.25, 1)), T.RandomHorizontalFlip(), T.TrivialAugmentWide()],
}


def torchvision_ms(files, steps):
    rule = T.Compose(steps + [T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    start = time.perf_counter()
    for path in files:
        rule(Image.open(path).convert("RGB"))
    return (time.perf_counter() - start) / len(files) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", help="the convnet command")
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(glob.glob(os.path.join(options.folder, "*", "*.jpg")))
    print(f"{len(files)} files, {Image.open(files[0]).size}; least of {options.rounds} rounds\n")
    print("| augmentation | ConvNet, ms an image | images/s | torchvision, ms | ratio |\n|---|---|---|---|---|")
    for name, steps in PRESETS.items():
        ours, theirs = [], []
        for _ in range(options.rounds):
            report = subprocess.check_output(
                [options.command, "bench", "resnet18", "--data", options.folder, "--augment", name, "--threads", "1",
                 "--json"])
            ours.append(json.loads(report)["ms_per_image"])
            theirs.append(torchvision_ms(files, steps))
        print(f"| {name} | {min(ours):.2f} | {1000 / min(ours):.0f} | {min(theirs):.2f} | {min(theirs) / min(ours):.2f} |",
              flush=True)


main()
