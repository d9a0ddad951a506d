"""Times inference and training steps beside PyTorch, taking turns in one session on the same cores.

Prints, for each network, the medians and the ratio PyTorch / ConvNet (above 1: ConvNet is faster). PyTorch runs in both
memory layouts; the faster one counts. Networks are the same by construction: parameter counts are compared.
"""

import json
import subprocess
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

ROUNDS = 7


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.stride, self.added = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.added:
            half = self.added // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.added - half))
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        blocks, width = [], 16
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            for index in range(3):
                blocks.append(Block(width, outputs, stride if index == 0 else 1))
                width = outputs
        self.blocks, self.linear = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.linear(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


CASES = [  # name, network, input of one image, batch for training, batches for inference, iterations a round
    ("lenet", LeNet, (1, 32, 32), 64, (1, 64), 40),
    ("resnet20", ResNet20, (3, 32, 32), 128, (1, 128), 4),
    ("resnet18", torchvision.models.resnet18, (3, 224, 224), 16, (1, 8), 2),
]


class Ours:
    def __init__(self, command, name, batch, training):
        arguments = [command, "bench", name, "--batch", str(batch), "--threads", str(torch.get_num_threads()), "--interactive"]
        self.process = subprocess.Popen(
            arguments + (["--train"] if training else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["milliseconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Theirs:
    def __init__(self, network, shape, batch, training, layout):
        self.training = training
        self.network = network().to(memory_format=layout).train(training)
        self.x = torch.rand(batch, *shape).contiguous(memory_format=layout)
        self.labels = torch.arange(batch) % 10
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1e-3, momentum=0.9)

    def once(self):
        if self.training:
            self.optimizer.zero_grad()
            F.cross_entropy(self.network(self.x), self.labels).backward()
            self.optimizer.step()
        else:
            with torch.inference_mode():
                self.network(self.x)

    def run(self, count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.once()
            times.append((time.perf_counter() - start) * 1e3)
        return times


def median(values):
    return sorted(values)[len(values) // 2]


def compare(command, name, network, shape, batch, training, count):
    contenders = {
        "convnet": Ours(command, name, batch, training),
        "nchw": Theirs(network, shape, batch, training, torch.contiguous_format),
        "nhwc": Theirs(network, shape, batch, training, torch.channels_last),
    }
    times = {key: [] for key in contenders}
    for contender in contenders.values():
        contender.run(2)
    for _ in range(ROUNDS):
        for key, contender in contenders.items():
            times[key].append(median(contender.run(count)))
    contenders["convnet"].close()
    ours, best = median(times["convnet"]), min(median(times["nchw"]), median(times["nhwc"]))
    mode = "training step" if training else "inference"
    print(f"| {name} | {mode} | {batch} | {ours:.2f} | {median(times['nchw']):.2f} | {median(times['nhwc']):.2f} "
          f"| {best / ours:.2f} |", flush=True)


def main():
    torch.set_num_threads(2)
    command = sys.argv[1]
    for name, network, _, _, _, _ in CASES:
        theirs = sum(p.numel() for p in network().parameters())
        ours = json.loads(subprocess.check_output([command, "summary", name, "--json"]))["parameters"]
        assert ours == theirs, f"{name}: {ours} and {theirs} parameters"
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {ROUNDS} interleaved rounds")
    print("| network | mode | batch | ConvNet, ms | PyTorch NCHW, ms | PyTorch NHWC, ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, network, shape, training_batch, batches, count in CASES:
        compare(command, name, network, shape, training_batch, True, count)
        for batch in batches:
            compare(command, name, network, shape, batch, False, count * 3)


main()
