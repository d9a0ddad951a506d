"""Times convolutions over channels, sides and batches, single-threaded, and looks for cliffs: sizes that take longer
than a larger size does. Draws time over size as SVG. Needs nothing but Python's standard library.

    python3 scaling.py ../.build/release/convnet --output scaling.svg
"""

import argparse
import json
import os
import random
import struct
import subprocess
import tempfile

CHANNELS = [*range(1, 10), 12, 15, 16, 17, 20, 24, 28, 31, 32, 33, 40, 47, 48, 49, 56, 60, 63, 64, 65, 68, 72, 96, 127, 128,
            129]
SIDES = [4, 5, 6, 7, 8, 9, *range(12, 18), 20, 24, *range(27, 37), 40, 48, *range(54, 61), 63, 64, 65]
BATCHES = [*range(1, 10), 12, 15, 16, 17, 24, 32, 33]
KINDS = {  # kernel, stride, depthwise
    "3x3": (3, 1, False), "1x1": (1, 1, False), "3x3 / 2": (3, 2, False), "depthwise 3x3": (3, 1, True),
}
# What a kernel does for the second of two equal layers; the first one's gradient of its input is not wanted.
PASSES = {"conv2d": "forward", "conv_transposed2d": "input gradient", "conv_weight_gradient": "weight gradient"}


def field(number, payload):
    """A field of a Protocol Buffers message: bytes, text or an integer."""
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    if isinstance(payload, str):
        payload = payload.encode()
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def attribute(name, values):
    if isinstance(values, int):
        return field(5, field(1, name) + field(3, values) + field(20, 2))
    return field(5, field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7))


def value_info(name, shape):
    dimensions = b"".join(field(1, field(2, extent) if isinstance(extent, str) else field(1, extent)) for extent in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dimensions)))


def write_network(path, channels, side, kernel, stride, depthwise):
    """Two equal convolutions as an ONNX file; the second one's sides are those asked for."""
    groups = channels if depthwise else 1
    shape = (channels, channels // groups, kernel, kernel)
    graph = b""
    generator = random.Random(0)
    for layer, (source, target) in enumerate((("x", "h"), ("h", "y"))):
        padding = [kernel // 2] * 4
        # Only the second layer has the stride: the first brings its input there.
        strides = [stride, stride] if layer == 1 else [1, 1]
        graph += field(1, field(1, source) + field(1, f"layer{layer}.weight") + field(2, target) + field(3, f"layer{layer}")
                       + field(4, "Conv") + attribute("kernel_shape", [kernel, kernel]) + attribute("pads", padding)
                       + attribute("strides", strides) + attribute("group", groups))
    graph += field(2, "layers")
    count = shape[0] * shape[1] * shape[2] * shape[3]
    for layer in range(2):
        numbers = struct.pack(f"<{count}f", *(generator.uniform(-0.1, 0.1) for _ in range(count)))
        graph += field(5, b"".join(field(1, extent) for extent in shape) + field(2, 1) + field(8, f"layer{layer}.weight")
                       + field(9, numbers))
    graph += field(11, value_info("x", ["batch", channels, side, side]))
    after = (side + 2 * (kernel // 2) - kernel) // stride + 1
    graph += field(12, value_info("y", ["batch", channels, after, after]))
    with open(path, "wb") as file:
        file.write(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17)))


def measure(command, folder, point):
    """Milliseconds of each pass of one layer."""
    kind, channels, side, batch = point
    kernel, stride, depthwise = KINDS[kind]
    path = os.path.join(folder, "layers.onnx")
    write_network(path, channels, side, kernel, stride, depthwise)
    profile = json.loads(subprocess.check_output(
        [command, "bench", path, "--train", "--profile", "--json", "--threads", "1", "--iterations", "8",
         "--batch", str(batch), "--input", f"{channels}x{side}x{side}"], stderr=subprocess.DEVNULL))
    times, packing = {}, 0
    for row in profile:
        name = PASSES.get(row["operation"])
        if not name or row["algorithm"].startswith("convert_layout"):
            continue
        # Weights are packed anew in each step, before the pass that reads them.
        if "weights" in row["algorithm"]:
            packing = row["ms"]
            continue
        # The second layer is the last one forward, and the first one backward.
        if name == "forward" or name not in times:
            times[name] = row["ms"] + packing
        packing = 0
    return times


def operations(point):
    kind, channels, side, batch = point
    kernel, stride, depthwise = KINDS[kind]
    after = (side + 2 * (kernel // 2) - kernel) // stride + 1
    return 2 * batch * channels * (1 if depthwise else channels) * kernel * kernel * after * after


def sweeps():
    """Name of the axis, its sizes, and the point of each."""
    for kind in KINDS:
        wide = 32 if kind == "depthwise 3x3" else 64
        yield kind, "channels", [(size, (kind, size, 28, 2)) for size in CHANNELS]
        yield kind, "side", [(size, (kind, wide, size, 2)) for size in SIDES]
        yield kind, "batch", [(size, (kind, wide, 14, size)) for size in BATCHES]


COLORS = {"forward": "#1f6feb", "input gradient": "#c2410c", "weight gradient": "#15803d"}


def panel(title, axis, series, left, top, width=300, height=190):
    """Time over size, both logarithmic."""
    from math import log

    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    low, high = min(ys), max(ys)
    place = lambda x, y: (left + width * log(x / min(xs)) / log(max(xs) / min(xs)),
                          top + height - height * log(y / low) / log(high / low))
    out = [f'<text x="{left}" y="{top - 8}" font-weight="bold">{title}: ms over {axis}</text>',
           f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>']
    for value in sorted(set(xs)):
        if value in (1, 2, 4, 8, 16, 32, 64, 128):
            x = place(value, low)[0]
            out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + height}" stroke="#eee"/>'
                       f'<text x="{x:.1f}" y="{top + height + 13}" text-anchor="middle">{value}</text>')
    for value in (1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000):
        if low < value < high:
            y = place(xs[0], value)[1]
            out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#eee"/>'
                       f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for name, points in series.items():
        path = " ".join("%.1f,%.1f" % place(x, y) for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{COLORS[name]}" stroke-width="1.5"/>')
        out += ['<circle cx="%.1f" cy="%.1f" r="1.8" fill="%s"/>' % (*place(x, y), COLORS[name]) for x, y in points]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", help="the convnet command")
    parser.add_argument("--output", default="scaling.svg")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--worst", type=int, default=25, help="cliffs to print")
    options = parser.parse_args()
    chosen = [sweep for sweep in sweeps() if sweep[0] in options.kinds]
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        # Whole rounds, so that a slow moment of the machine does not fall on one sweep alone.
        for _ in range(options.rounds):
            for _, _, points in chosen:
                for _, point in points:
                    for name, time in measure(options.command, folder, point).items():
                        best[point, name] = min(time, best.get((point, name), 1e9))
    cliffs, panels = [], []
    for index, (kind, axis, points) in enumerate(chosen):
        series = {}
        for name in COLORS:
            line = [(size, best[point, name]) for size, point in points if (point, name) in best]
            if not line:
                continue
            series[name] = line
            for at, (size, time) in enumerate(line):
                later = min(line[at + 1:], key=lambda other: other[1], default=None)
                if later:
                    cliffs.append((time / later[1], kind, axis, name, size, time, *later))
        left, top = 50 + index % 3 * 370, 50 + index // 3 * 250
        panels.append(panel(kind, axis, series, left, top))
    legend = "".join(f'<text x="{50 + 160 * at}" y="18" fill="{color}">{name}</text>'
                     for at, (name, color) in enumerate(COLORS.items()))
    height = 50 + (len(chosen) + 2) // 3 * 250
    with open(options.output, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="1140" height="{height}" font-family="sans-serif" '
                   f'font-size="11"><rect width="100%" height="100%" fill="white"/>{legend}' + "\n".join(panels) + "</svg>")
    print("| convolution | pass | axis | size | ms | larger size | ms | ratio |\n|---|---|---|---|---|---|---|---|")
    for ratio, kind, axis, name, size, time, larger, less in sorted(cliffs, reverse=True)[:options.worst]:
        print(f"| {kind} | {name} | {axis} | {size} | {time:.4f} | {larger} | {less:.4f} | {ratio:.2f} |")
    total = {}
    for (point, name), time in best.items():
        total.setdefault((point[0], name), []).append(operations(point) / time / 1e6)
    for (kind, name), rates in sorted(total.items()):
        print(f"{kind}, {name}: {min(rates):.1f} to {max(rates):.1f} GFLOP/s")


main()
