"""Makes a small image task of photographs: each photograph is a class, its patches are the images.

    python make_texture_task.py OUTPUT PHOTOGRAPH...

Ten grey patches a class are for training, from the left 55 % of the photograph, and thirty to validate on, from the
right 35 %: the same stuff, but no common pixel. Patches are turned, scaled and lit at random (seed 1), so that colour,
size and brightness tell nothing. Needs Pillow; the photographs of scikit-image and of Debian's opencv-doc do well.
"""

import pathlib
import random
import sys

from PIL import Image, ImageEnhance

SIDE = 160


def patch(photo, left, right, draw):
    """A square of a random size and turn between two columns."""
    region = photo.crop((int(left * photo.width), 0, int(right * photo.width), photo.height))
    # Turned squares must stay inside: their circle's diameter is at most the region's smaller side.
    largest = min(region.size) / 2**0.5
    side = largest * draw.uniform(0.35, 0.6)
    radius = side / 2**0.5
    x, y = draw.uniform(radius, region.width - radius), draw.uniform(radius, region.height - radius)
    around = region.crop((round(x - radius), round(y - radius), round(x + radius), round(y + radius)))
    turned = around.rotate(draw.uniform(0, 360), Image.Resampling.BICUBIC)
    inner = (turned.width - side) / 2
    square = turned.crop((round(inner), round(inner), round(inner + side), round(inner + side)))
    lit = ImageEnhance.Brightness(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).enhance(draw.uniform(0.7, 1.3))
    return ImageEnhance.Contrast(lit).enhance(draw.uniform(0.7, 1.3))


def main(output, photographs):
    draw = random.Random(1)
    for path in map(pathlib.Path, photographs):
        photo = Image.open(path).convert("L")
        for part, count, left, right in (("train", 10, 0, 0.55), ("val", 30, 0.65, 1)):
            folder = pathlib.Path(output) / part / path.stem
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                patch(photo, left, right, draw).convert("RGB").save(folder / f"{index:02}.png")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
