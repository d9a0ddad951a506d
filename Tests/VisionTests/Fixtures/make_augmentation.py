"""Makes augmentation.json/.bin: what torchvision (on Pillow pictures) makes of one picture with given parameters.

The picture is that of resize.json. Rows have a name, the numbers that the Swift function takes, and a mode: bilinear,
nearest, or a mask.

Run: python make_augmentation.py (Pillow 13, torchvision 0.29, numpy), after make_fixtures.py
"""
import json
import os

import numpy as np
import torch
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode

HERE = os.path.dirname(os.path.abspath(__file__))
W, H = 37, 29
BLACK_TO = (10, 200, 90)

rows, data = [], b""


def add(picture, name, **parameters):
    global data
    array = np.asarray(picture).reshape(H, W, -1)
    rows.append({"name": name, **parameters, "shape": list(array.shape), "offset": len(data)})
    data += np.ascontiguousarray(array).tobytes()


def source(mode):
    table = json.load(open(f"{HERE}/resize.json"))
    row = next(r for r in table if r["mode"] == mode and r["filter"] == "source")
    count = int(np.prod(row["shape"]))
    array = np.frombuffer(open(f"{HERE}/resize.bin", "rb").read()[row["offset"]:row["offset"] + count], np.uint8)
    return Image.fromarray(array.reshape(row["shape"]).squeeze(), mode)


rgb, grey = source("RGB"), source("L")
modes = {"bilinear": InterpolationMode.BILINEAR, "nearest": InterpolationMode.NEAREST}
for name, mode in modes.items():
    fill = BLACK_TO
    for degrees in (20.0, -75.0):
        # torchvision's rotate turns counter-clockwise, its affine clockwise.
        add(F.rotate(rgb, -degrees, mode, fill=fill), "affine", mode=name, numbers=[degrees, 1, 0, 0, 0, 0])
    for degrees, scale, shear, move in [
        (0.0, 1.3, (0.0, 0.0), (0, 0)), (0.0, 1.0, (17.0, 0.0), (0, 0)), (0.0, 1.0, (0.0, -11.0), (3, -2)),
        (33.0, 0.8, (12.0, -9.0), (-4, 5)),
    ]:
        result = F.affine(rgb, degrees, list(move), scale, list(shear), mode, fill=fill)
        add(result, "affine", mode=name, numbers=[degrees, scale, *shear, *move])
    start = [[0, 0], [W, 0], [W, H], [0, H]]
    for end in [[[4, 3], [34, 1], [30, 27], [6, 22]], [[9, 0], [28, 7], [37, 29], [2, 20]]]:
        result = F.perspective(rgb, start, end, mode, fill=fill)
        add(result, "perspective", mode=name, numbers=[float(v) for corner in end for v in corner])
labels = Image.fromarray((np.add.outer(np.arange(H) // 5, np.arange(W) // 6) % 4).astype(np.uint8), "L")
add(labels, "labels")
add(F.affine(labels, 33.0, [-4, 5], 0.8, [12.0, -9.0], InterpolationMode.NEAREST, fill=9), "mask",
    numbers=[33, 0.8, 12, -9, -4, 5])
add(F.hflip(rgb), "horizontal flip")
add(F.vflip(rgb), "vertical flip")

for mode, picture in [("RGB", rgb), ("L", grey)]:
    for bits in (1, 4, 7):
        add(F.posterize(picture, bits), "posterize", mode=mode, numbers=[bits])
    for threshold in (0, 100.5, 255):
        add(F.solarize(picture, threshold), "solarize", mode=mode, numbers=[threshold])
    add(F.invert(picture), "invert", mode=mode)
    add(F.equalize(picture), "equalize", mode=mode)
    add(F.autocontrast(picture.point(lambda v: 40 + v // 2)), "autocontrast", mode=mode)
    for factor in (0.0, 0.4, 1.9):
        add(F.adjust_sharpness(picture, factor), "sharpness", mode=mode, numbers=[factor])
    for kernel, sigma in [(5, 1.1), (13, 2.0)]:
        add(F.gaussian_blur(picture, kernel, sigma), "blur", mode=mode, numbers=[kernel, sigma])
add(F.to_grayscale(rgb, 3), "grey")

with open(f"{HERE}/augmentation.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
with open(f"{HERE}/augmentation.bin", "wb") as f:
    f.write(data)
