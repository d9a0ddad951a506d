"""Makes every fixture of this folder with Pillow and torchvision, none of which the tests need.

images/*          one small file for each way of storing an image
decode.json/.bin  what Pillow decodes each of them to: 8-bit RGB, orientation applied, alpha over white
resize.json/.bin  Pillow's Image.resize over a grid of filters, sizes and boxes
prepare.json/.bin torchvision's and Pillow's preparation of an image for a network, float32 CHW
colour.json/.bin  Pillow's grey, and its brightness, contrast and saturation; torchvision's hue

Run: python make_fixtures.py (Pillow 13, torchvision 0.29, numpy)
"""
import json
import os
import struct
import zlib

import numpy as np
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image, ImageEnhance, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
os.makedirs(f"{HERE}/images", exist_ok=True)


class Table:
    """Arrays one after another in a .bin, and where each one starts in a .json."""

    def __init__(self):
        self.rows, self.data = [], b""

    def add(self, array, **row):
        row["shape"], row["offset"] = list(array.shape), len(self.data)
        self.rows.append(row)
        self.data += np.ascontiguousarray(array).tobytes()

    def save(self, name):
        with open(f"{HERE}/{name}.json", "w") as f:
            f.write("[\n" + ",\n".join(json.dumps(row) for row in self.rows) + "\n]\n")
        with open(f"{HERE}/{name}.bin", "wb") as f:
            f.write(self.data)


def scene(width, height, channels, seed=0):
    """A smooth picture with an edge and a little noise; every channel differs."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(channels):
        wave = np.sin(x * (0.15 + 0.05 * c) + c) * np.cos(y * (0.2 - 0.03 * c))
        plane = 128 + 80 * wave + 60 * ((x + 2 * y + 7 * c) % 31 > 19) + random.normal(0, 6, x.shape)
        planes.append(plane)
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def image(mode, width=23, height=17, seed=0):
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    array = scene(width, height, channels, seed)
    return Image.fromarray(array[..., 0] if channels == 1 else array, mode)


def png(path, samples, depth, color, interlaced=False, extra=b""):
    """A PNG of any bit depth and colour type, with or without Adam7, all rows unfiltered."""
    height, width = samples.shape[:2]
    samples = samples.reshape(height, width, -1)

    def rows(part):
        out = b""
        for row in part:
            flat = row.reshape(-1)
            if depth == 16:
                data = flat.astype(">u2").tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in flat)
                bits += "0" * (-len(bits) % 8)
                data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
            out += b"\0" + data
        return out

    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in passes]
        raw = b"".join(rows(part) for part in parts if part.size)
    else:
        raw = rows(samples)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    before = b"".join(chunk(kind, data) for kind, data in extra or [])
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(raw))
                + chunk(b"IEND", b""))


def truth(path):
    """Pillow's reading: orientation, then alpha over white, then RGB."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGB", picture.size, (255, 255, 255))
        ground.paste(picture, mask=picture.getchannel("A"))
        return np.asarray(ground)
    return np.asarray(picture.convert("RGB"))


def over_white(rgba):
    return np.round((rgba[..., :3] * rgba[..., 3:] + 255.0 * (255 - rgba[..., 3:])) / 255).astype(np.uint8)


def images():
    table = Table()
    folder = f"{HERE}/images/"

    def add(name, expected=None, channels=3, tolerance=0):
        pixels = truth(folder + name) if expected is None else expected
        table.add(pixels, file=name, channels=channels, tolerance=tolerance)

    rgb, grey, cmyk = image("RGB"), image("L"), image("CMYK")
    rgb.save(folder + "rgb444.jpg", quality=92, subsampling=0)
    rgb.save(folder + "rgb422.jpg", quality=85, subsampling=1)
    rgb.save(folder + "rgb420.jpg", quality=75, subsampling=2)
    rgb.save(folder + "progressive.jpg", quality=80, progressive=True)
    rgb.save(folder + "restart.jpg", quality=80, restart_marker_blocks=1)
    rgb.save(folder + "adobe-rgb.jpg", quality=90, keep_rgb=True)
    for name in ["rgb444", "rgb422", "rgb420", "progressive", "restart", "adobe-rgb"]:
        add(name + ".jpg", tolerance=1)
    grey.save(folder + "grey.jpg", quality=85)
    add("grey.jpg", channels=1, tolerance=1)

    # Four components: Adobe's marker with transform 0 (CMYK), with transform 2 (YCCK), and no marker at all.
    cmyk.save(folder + "cmyk-adobe.jpg", quality=90)
    data = bytearray(open(folder + "cmyk-adobe.jpg", "rb").read())
    at = data.index(b"\xff\xee")
    assert data[at + 4:at + 9] == b"Adobe" and data[at + 15] == 0
    data[at + 15] = 2
    open(folder + "ycck-adobe.jpg", "wb").write(data)
    length = struct.unpack(">H", data[at + 2:at + 4])[0]
    open(folder + "cmyk-plain.jpg", "wb").write(data[:at] + data[at + 2 + length:])
    for name in ["cmyk-adobe", "ycck-adobe", "cmyk-plain"]:
        add(name + ".jpg", tolerance=1)

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        rgb.save(folder + f"orientation{orientation}.jpg", quality=90, subsampling=0, exif=exif)
        add(f"orientation{orientation}.jpg", tolerance=1)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(folder + "orientation6.png", exif=exif)
    add("orientation6.png")
    exif[0x0112] = 8
    rgb.save(folder + "orientation8.webp", lossless=True, exif=exif)
    add("orientation8.webp")

    rgb.save(folder + "rgb.png")
    add("rgb.png")
    grey.save(folder + "grey.png")
    add("grey.png", channels=1)
    image("RGBA").save(folder + "rgba.png")
    add("rgba.png")
    image("LA").save(folder + "grey-alpha.png")
    add("grey-alpha.png", channels=1)
    palette = rgb.quantize(13)
    palette.save(folder + "palette.png")
    add("palette.png")
    palette.save(folder + "palette-transparent.png", transparency=bytes([255, 0, 128, 30, 200]))
    add("palette-transparent.png")
    rgb.quantize(4).save(folder + "palette2bit.png", bits=2)
    add("palette2bit.png")
    grey.convert("1").save(folder + "bilevel.png")
    add("bilevel.png", channels=1)
    grey.save(folder + "grey-transparent.png", transparency=int(np.asarray(grey)[3, 4]))
    add("grey-transparent.png", channels=1)
    rgb.save(folder + "rgb-transparent.png", transparency=tuple(int(v) for v in np.asarray(rgb)[3, 4]))
    add("rgb-transparent.png")

    levels = scene(23, 17, 1)[..., 0]
    for depth in (2, 4):
        samples = levels >> (8 - depth)
        png(folder + f"grey{depth}bit.png", samples, depth, 0)
        grey8 = (samples.astype(int) * 255 // (2 ** depth - 1)).astype(np.uint8)
        add(f"grey{depth}bit.png", np.stack([grey8] * 3, -1), channels=1)

    # 16 bits: the exact rule is round(v / 257); Pillow takes the high byte or clips, so it is no reference here.
    random = np.random.default_rng(5)
    wide = (scene(23, 17, 4, 3).astype(np.uint16) << 8) + random.integers(0, 256, (17, 23, 4)).astype(np.uint16)
    narrow = np.round(wide / 257.0).astype(np.uint8)
    png(folder + "grey16.png", wide[..., 0], 16, 0)
    add("grey16.png", np.stack([narrow[..., 0]] * 3, -1), channels=1)
    png(folder + "rgb16.png", wide[..., :3], 16, 2)
    add("rgb16.png", narrow[..., :3])
    png(folder + "rgba16.png", wide, 16, 6)
    add("rgba16.png", over_white(narrow.astype(float)))
    transparent = [(b"tRNS", struct.pack(">HHH", *[int(v) for v in wide[3, 4, :3]]))]
    png(folder + "rgb16-transparent.png", wide[..., :3], 16, 2, extra=transparent)
    expected = narrow[..., :3].copy()
    expected[3, 4] = 255
    add("rgb16-transparent.png", expected)
    png(folder + "rgb-gamma.png", scene(23, 17, 3), 8, 2, extra=[(b"gAMA", struct.pack(">I", 100000))])
    add("rgb-gamma.png", scene(23, 17, 3))

    png(folder + "interlaced-rgb.png", scene(23, 17, 3), 8, 2, interlaced=True)
    add("interlaced-rgb.png")
    png(folder + "interlaced-rgba.png", scene(23, 17, 4), 8, 6, interlaced=True)
    add("interlaced-rgba.png")
    png(folder + "interlaced-bilevel.png", levels >> 7, 1, 0, interlaced=True)
    add("interlaced-bilevel.png", channels=1)

    rgb.save(folder + "lossy.webp", quality=80)
    add("lossy.webp", tolerance=1)
    rgb.save(folder + "lossless.webp", lossless=True)
    add("lossless.webp")
    image("RGBA").save(folder + "lossy-alpha.webp", quality=80)
    add("lossy-alpha.webp", tolerance=2)
    image("RGBA").save(folder + "lossless-alpha.webp", lossless=True, exact=True)
    add("lossless-alpha.webp")
    table.save("decode")

    # Errors: an animation, and formats that are known only by name.
    rgb.save(folder + "animated.webp", save_all=True, append_images=[image("RGB", seed=1)], duration=100)
    small = image("RGB", 4, 3)
    for kind in ["gif", "bmp", "tiff", "ico"]:
        small.save(folder + f"unsupported.{kind}")


def resize():
    table = Table()
    filters = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    sizes = [(1, 1), (5, 7), (20, 13), (37, 29), (37, 10), (11, 29), (50, 41), (80, 3), (2, 60), (26, 5)]
    boxes = [(3, 5, 30, 25), (0.5, 1.25, 20.75, 28.5), (10, 10, 11, 11)]
    for mode in ["L", "RGB"]:
        source = image(mode, 37, 29, seed=7)
        table.add(np.asarray(source).reshape(29, 37, -1), mode=mode, filter="source")
        for name, kind in filters.items():
            cases = [(size, None) for size in sizes]
            cases += [(size, box) for size in [(9, 6), (31, 33), (25, 8), (20, 3)] for box in boxes]
            for size, box in cases:
                result = source.resize(size, kind, box)
                row = {"box": list(box)} if box else {}
                table.add(np.asarray(result).reshape(size[1], size[0], -1), mode=mode, filter=name, **row)
    table.save("resize")


def prepare():
    table = Table()
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    source = image("RGB", 37, 29, seed=7)
    end = [T.ToTensor(), T.Normalize(mean, std)]
    bicubic = T.InterpolationMode.BICUBIC

    def add(name, steps, picture=source):
        table.add(T.Compose(steps)(picture).numpy(), name=name)

    add("shortest 24, crop 20x22", [T.Resize(24), T.CenterCrop((20, 22))] + end)
    add("shortest 24 bicubic, crop 21x21", [T.Resize(24, bicubic), T.CenterCrop(21)] + end)
    add("shortest 40, crop 33x31", [T.Resize(40), T.CenterCrop((33, 31))] + end)
    add("shortest 12, crop 19x30 padded", [T.Resize(12), T.CenterCrop((19, 30))] + end)
    add("stretch 16x24", [T.Resize((16, 24))] + end)
    add("grey stretch 28x28", [T.Grayscale(), T.Resize((28, 28)), T.ToTensor(), T.Normalize([0.2860], [0.3530])])
    for name, (h, w) in [("fit 30x20", (30, 20)), ("fit 16x40", (16, 40))]:
        add(name, [lambda p: ImageOps.pad(p, (w, h), Image.BILINEAR, color=(10, 200, 90))] + end)
    table.save("prepare")


def colour():
    table = Table()
    source = image("RGB", 37, 29, seed=7)
    table.add(np.asarray(source.convert("L"))[..., None], name="grey")
    for factor in (0.6, 1.35):
        table.add(np.asarray(ImageEnhance.Brightness(source).enhance(factor)), name="brightness", factor=factor)
        table.add(np.asarray(ImageEnhance.Contrast(source).enhance(factor)), name="contrast", factor=factor)
        table.add(np.asarray(ImageEnhance.Color(source).enhance(factor)), name="saturation", factor=factor)
    tensor = torch.from_numpy(np.asarray(source).copy()).permute(2, 0, 1).float() / 255
    for factor in (-0.3, 0.05, 0.5):
        shifted = F.adjust_hue(tensor, factor).permute(1, 2, 0) * 255
        table.add(shifted.round().to(torch.uint8).numpy(), name="hue", factor=factor)
    table.save("colour")


images()
resize()
prepare()
colour()
