"""Families that neither torchvision nor timm has, written from their papers; and small forms of those that they have."""
import math

import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import nn
from torchvision.models.googlenet import BasicConv2d, Inception, InceptionAux


def shrunken(network, by=8):
    """torchvision's network with stages that are narrower; the stem keeps its width."""

    class Shrunken(network):
        def _make_layer(self, block, *args, **kwargs):
            args = list(args)
            index = next(i for i, value in enumerate(args) if isinstance(value, int))
            args[index] //= by
            return super()._make_layer(block, *args, **kwargs)

    return Shrunken


def resnet(block, blocks, classes):
    model = shrunken(tv.ResNet)(block, blocks)
    model.fc = nn.Linear(model.inplanes, classes)
    return model


def googlenet(by, classes):
    """torchvision's network with narrower layers, and auxiliary heads."""
    def conv(inside, out, **kwargs):
        return BasicConv2d(inside if inside == 3 else inside // by, out // by, **kwargs)

    def inception(*widths):
        return Inception(*(width // by for width in widths))

    def auxiliary(inside, classes, dropout):
        head = InceptionAux(inside, classes, conv)
        head.fc1, head.fc2 = nn.Linear(2048 // by, 1024 // by), nn.Linear(1024 // by, classes)
        return head

    model = tv.GoogLeNet(classes, init_weights=False, blocks=[conv, inception, auxiliary])
    model.fc = nn.Linear(1024 // by, classes)
    return model


def preactivation_name(key):
    """The name of a tensor of timm's pre-activation network in the library."""
    for old, new in (("stem.conv.", "conv1."), ("stages.", "layers."), (".blocks.", "."), ("downsample.conv", "downsample"),
                     ("head.fc.", "fc.")):
        key = key.replace(old, new)
    return "bn." + key[5:] if key.startswith("norm.") else key.replace(".norm", ".bn")


class PlainBlock(tv.resnet.BasicBlock):
    """A basic block that has lost its shortcut."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.downsample = None

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def r3d(blocks, classes):
    v = tv.video.resnet
    model = shrunken(v.VideoResNet)(v.BasicBlock, [v.Conv3DSimple] * 4, blocks, v.BasicStem)
    model.fc = nn.Linear(model.inplanes, classes)
    return model


class CIFARPlain(nn.Module):
    """He et al., 2016, section 4.2, without shortcuts."""

    class Block(nn.Module):
        def __init__(self, inside, out, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)

        def forward(self, x):
            return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    def __init__(self, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        stage = lambda i, o, s: nn.Sequential(self.Block(i, o, s))
        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(16, 32, 2), stage(32, 64, 2)
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        return self.linear(self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))).mean((2, 3)))


class PreActivation(nn.Module):
    """He et al., "Identity mappings in deep residual networks", for small images, one block a stage."""

    class Block(nn.Module):
        def __init__(self, inside, width, stride):
            super().__init__()
            self.bn1, self.conv1 = nn.BatchNorm2d(inside), nn.Conv2d(inside, width, 1, bias=False)
            self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn3, self.conv3 = nn.BatchNorm2d(width), nn.Conv2d(width, 4 * width, 1, bias=False)
            if stride != 1 or inside != 4 * width:
                self.downsample = nn.Conv2d(inside, 4 * width, 1, stride, bias=False)

        def forward(self, x):
            a = F.relu(self.bn1(x))
            y = self.conv3(F.relu(self.bn3(self.conv2(F.relu(self.bn2(self.conv1(a)))))))
            return y + (self.downsample(a) if hasattr(self, "downsample") else x)

    def __init__(self, classes, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        stage = lambda inside, width, stride: nn.Sequential(
            self.Block(inside, width, stride), *[self.Block(4 * width, width, 1) for _ in range(blocks - 1)])
        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(64, 32, 2), stage(128, 64, 2)
        self.bn, self.linear = nn.BatchNorm2d(256), nn.Linear(256, classes)

    def forward(self, x):
        y = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.linear(F.relu(self.bn(y)).mean((2, 3)))


class AlexNet(nn.Module):
    """Krizhevsky et al., 2012 (grouped, on two GPUs, with response normalisation), or torchvision's column; narrow."""

    def __init__(self, grouped, classes, width=0.125):
        super().__init__()
        scaled = lambda count: int(count * width)
        a, b, c, d, e = map(scaled, (96, 256, 384, 384, 256) if grouped else (64, 192, 384, 256, 256))
        g, h = 2 if grouped else 1, scaled(4096)
        norm = [nn.LocalResponseNorm(5, 5e-4, 0.75, 2)] if grouped else []
        pool = lambda: nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 11, 4, 0 if grouped else 2), nn.ReLU(), *norm, pool(),
            nn.Conv2d(a, b, 5, 1, 2, groups=g), nn.ReLU(), *norm, pool(),
            nn.Conv2d(b, c, 3, 1, 1), nn.ReLU(), nn.Conv2d(c, d, 3, 1, 1, groups=g), nn.ReLU(),
            nn.Conv2d(d, e, 3, 1, 1, groups=g), nn.ReLU(), pool())
        self.classifier = nn.Sequential(
            nn.Identity(), nn.Linear(36 * e, h), nn.ReLU(), nn.Identity(), nn.Linear(h, h), nn.ReLU(),
            nn.Linear(h, classes))

    def forward(self, x):
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 6).flatten(1))


class ZFNet(nn.Module):
    """Zeiler and Fergus, 2014, figure 3; narrow."""

    def __init__(self, classes, width=0.125):
        super().__init__()
        a, b, c, d, e, h = (int(n * width) for n in (96, 256, 384, 384, 256, 4096))
        pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)
        norm = lambda: nn.LocalResponseNorm(5, 5e-4, 0.75, 2)
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 7, 2, 1), nn.ReLU(), pool(), norm(), nn.Conv2d(a, b, 5, 2), nn.ReLU(), pool(), norm(),
            nn.Conv2d(b, c, 3, 1, 1), nn.ReLU(), nn.Conv2d(c, d, 3, 1, 1), nn.ReLU(), nn.Conv2d(d, e, 3, 1, 1),
            nn.ReLU(), pool())
        self.classifier = nn.Sequential(
            nn.Identity(), nn.Linear(36 * e, h), nn.ReLU(), nn.Identity(), nn.Linear(h, h), nn.ReLU(),
            nn.Linear(h, classes))

    def forward(self, x):
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 6).flatten(1))


class Unit(nn.Module):
    def __init__(self, inside, out, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inside, out, kernel, stride, kernel // 2)

    def forward(self, x):
        return F.relu(self.conv(x))


class PaperGoogLeNet(nn.Module):
    """Szegedy et al., 2015: biases, response normalisation, 5x5 convolutions, two auxiliary heads in training; all widths divided."""

    WIDTHS = {
        "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128)}

    class Module(nn.Module):
        def __init__(self, i, w):
            super().__init__()
            self.branch1 = Unit(i, w[0], 1)
            self.branch2 = nn.Sequential(Unit(i, w[1], 1), Unit(w[1], w[2], 3))
            self.branch3 = nn.Sequential(Unit(i, w[3], 1), Unit(w[3], w[4], 5))
            self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Unit(i, w[5], 1))

        def forward(self, x):
            return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)

    class Head(nn.Module):
        def __init__(self, inside, by, classes):
            super().__init__()
            self.conv, self.fc1 = Unit(inside // by, 128 // by, 1), nn.Linear(2048 // by, 1024 // by)
            self.fc2 = nn.Linear(1024 // by, classes)

        def forward(self, x):
            x = F.avg_pool2d(x, 5, 3) if x.shape[-1] == 14 else F.adaptive_avg_pool2d(x, 4)
            return self.fc2(F.relu(self.fc1(self.conv(x).flatten(1))))

    def __init__(self, by, classes):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Unit(3, 64 // by, 7, 2), Unit(64 // by, 64 // by, 1), Unit(64 // by, 192 // by, 3)
        inside = 192 // by
        for name, widths in self.WIDTHS.items():
            w = [width // by for width in widths]
            setattr(self, f"inception{name}", self.Module(inside, w))
            inside = w[0] + w[2] + w[4] + w[5]
        self.aux1, self.aux2 = self.Head(512, by, classes), self.Head(528, by, classes)
        self.fc = nn.Linear(inside, classes)

    def forward(self, x):
        pool, norm = nn.MaxPool2d(3, 2, ceil_mode=True), nn.LocalResponseNorm(5)
        y = pool(norm(self.conv3(self.conv2(norm(pool(self.conv1(x)))))))
        heads = []
        for name in self.WIDTHS:
            y = getattr(self, f"inception{name}")(pool(y) if name in ("4a", "5a") else y)
            if self.training and name in ("4a", "4d"):
                heads.append((self.aux1 if name == "4a" else self.aux2)(y))
        y = self.fc(y.mean((2, 3)))
        return (y, heads[1], heads[0]) if self.training else y


class UNet(nn.Module):
    """Ronneberger et al., 2015: valid convolutions with copy and crop, or convolutions that keep the size."""

    class Convs(nn.Module):
        def __init__(self, inside, out, padding, norm):
            super().__init__()
            self.conv1, self.conv2 = (nn.Conv2d(i, out, 3, 1, padding, bias=not norm) for i in (inside, out))
            self.bn1, self.bn2 = (nn.BatchNorm2d(out) if norm else nn.Identity() for _ in range(2))

        def forward(self, x):
            return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    def __init__(self, same, channels, classes, depth=2, width=4):
        super().__init__()
        self.same, padding = same, 1 if same else 0
        self.down = nn.ModuleList(
            self.Convs(width << (i - 1) if i else channels, width << i, padding, same) for i in range(depth + 1))
        self.up = nn.ModuleList()
        for i in reversed(range(depth)):
            step = self.Convs(2 * width << i, width << i, padding, same)
            step.rise = nn.ConvTranspose2d(2 * width << i, width << i, 2, 2)
            self.up.append(step)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        skips, y = [], self.down[0](x)
        for step in self.down[1:]:
            skips.append(y)
            y = step(F.max_pool2d(y, 2))
        for step, skip in zip(self.up, reversed(skips)):
            y = step.rise(y)
            dh, dw = skip.shape[2] - y.shape[2], skip.shape[3] - y.shape[3]
            if self.same:
                y = F.pad(y, (0, dw, 0, dh))
            else:
                skip = skip[:, :, dh // 2:dh // 2 + y.shape[2], dw // 2:dw // 2 + y.shape[3]]
            y = step(torch.cat([skip, y], 1))
        return self.head(y)


class LeNet1998(nn.Module):
    """LeCun et al., 1998: trained subsampling, table I for C3, scaled tanh, distances to codes."""

    # Table I of the paper by columns: which maps of S2 each map of C3 sees.
    TABLE = ["012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245",
             "0235", "012345"]

    class Subsampling(nn.Module):
        def __init__(self, maps):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.ones(maps, 1, 1)), nn.Parameter(torch.zeros(maps, 1, 1))

        def forward(self, x):
            return F.avg_pool2d(x, 2) * 4 * self.weight + self.bias

    class RadialBasis(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.register_buffer("codes", torch.zeros(classes, 84))

        def forward(self, y):
            return -((y[:, None] - self.codes) ** 2).sum(2)

    def __init__(self, classes, rbf):
        super().__init__()
        self.c1, self.s2, self.s4 = nn.Conv2d(1, 6, 5), self.Subsampling(6), self.Subsampling(16)
        self.c3 = nn.Module()
        # Grouped only to have the names of the library; the forward pass uses single kernels.
        self.c3.threes, self.c3.fours = nn.Conv2d(18, 6, 5, groups=6), nn.Conv2d(36, 9, 5, groups=9)
        self.c3.all = nn.Conv2d(6, 1, 5)
        self.c5, self.f6 = nn.Conv2d(16, 120, 5), nn.Linear(120, 84)
        self.output = self.RadialBasis(classes) if rbf else nn.Sequential()
        if not rbf:
            self.output.linear = nn.Linear(84, classes)

    def forward(self, x):
        squash = lambda y: 1.7159 * torch.tanh(2 / 3 * y)
        y = squash(self.s2(squash(self.c1(x))))
        maps = []
        for index, inputs in enumerate(self.TABLE):
            layer, row = ((self.c3.threes, index) if index < 6 else (self.c3.fours, index - 6) if index < 15
                          else (self.c3.all, 0))
            maps.append(F.conv2d(y[:, [int(i) for i in inputs]], layer.weight[row:row + 1], layer.bias[row:row + 1]))
        y = squash(self.s4(squash(torch.cat(maps, 1))))
        return self.output(squash(self.f6(squash(self.c5(y)).flatten(1))))

    def criterion(self, output, labels):
        """Equation 9 with j = 0.1: y_D + log(exp(-j) + sum_i exp(-y_i)), where the outputs are -y_i."""
        if hasattr(self.output, "linear"):
            return F.cross_entropy(output, labels)
        penalties = -output
        right = penalties[torch.arange(len(labels)), labels]
        return (right + torch.log(math.exp(-0.1) + torch.exp(-penalties).sum(1))).mean()


class Perceptron(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, 16), nn.Linear(16, classes)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class DCGANGenerator(nn.Module):
    """PyTorch's example of Radford et al., 2016."""

    def __init__(self, latent, width, colors):
        super().__init__()
        layers, inside = [], latent
        for index, out in enumerate((8 * width, 4 * width, 2 * width, width)):
            layers += [nn.ConvTranspose2d(inside, out, 4, 2 if index else 1, 1 if index else 0, bias=False),
                       nn.BatchNorm2d(out), nn.ReLU()]
            inside = out
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(inside, colors, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, x):
        return self.main(x)


class DCGANDiscriminator(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(4 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 8 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(8 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(8 * width, 1, 4, bias=False))

    def forward(self, x):
        return self.main(x)


class CycleGANGenerator(nn.Module):
    """The authors' ResnetGenerator with reflected borders and instance normalisation."""

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv_block = nn.Sequential(
                nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
                nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width))

        def forward(self, x):
            return x + self.conv_block(x)

    def __init__(self, blocks, w):
        super().__init__()
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), nn.InstanceNorm2d(w), nn.ReLU()]
        for i in (w, 2 * w):
            layers += [nn.Conv2d(i, 2 * i, 3, 2, 1), nn.InstanceNorm2d(2 * i), nn.ReLU()]
        layers += [self.Block(4 * w) for _ in range(blocks)]
        for i in (4 * w, 2 * w):
            layers += [nn.ConvTranspose2d(i, i // 2, 3, 2, 1, 1), nn.InstanceNorm2d(i // 2), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


class PatchGAN(nn.Module):
    """The authors' NLayerDiscriminator of three layers."""

    def __init__(self, w):
        super().__init__()
        layers = [nn.Conv2d(3, w, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, stride in ((w, 2), (2 * w, 2), (4 * w, 1)):
            layers += [nn.Conv2d(i, 2 * i, 4, stride, 1), nn.InstanceNorm2d(2 * i), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*layers, nn.Conv2d(8 * w, 1, 4, 1, 1))

    def forward(self, x):
        return self.model(x)


class Autoencoder(nn.Module):
    """Strided convolutions down, transposed ones up; with a variational code if asked for."""

    def __init__(self, size, variational, code=8, w=4):
        super().__init__()
        h, v = size[0] // 4, size[1] // 4
        self.map = (2 * w, h, v)
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.conv1, self.encoder.conv2 = nn.Conv2d(1, w, 3, 2, 1), nn.Conv2d(w, 2 * w, 3, 2, 1)
        if variational:
            self.mean, self.log_variance = nn.Linear(2 * w * h * v, code), nn.Linear(2 * w * h * v, code)
        else:
            self.code = nn.Linear(2 * w * h * v, code)
        self.decoder.code = nn.Linear(code, 2 * w * h * v)
        self.decoder.up1 = nn.ConvTranspose2d(2 * w, w, 4, 2, 1)
        self.decoder.up2 = nn.ConvTranspose2d(w, 1, 4, 2, 1)

    def features(self, x):
        return F.relu(self.encoder.conv2(F.relu(self.encoder.conv1(x)))).flatten(1)

    def decode(self, code):
        y = F.relu(self.decoder.code(code)).reshape(-1, *self.map)
        return self.decoder.up2(F.relu(self.decoder.up1(y)))

    def forward(self, x):
        return self.decode((self.mean if hasattr(self, "mean") else self.code)(self.features(x)))

    def variational_loss(self, x, noise):
        mean, log_variance = self.mean(self.features(x)), self.log_variance(self.features(x))
        logits = self.decode(mean + torch.exp(log_variance / 2) * noise)
        entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        return (entropy + divergence) / len(x)


class TimeSeriesResNet(nn.Module):
    """Wang, Yan and Oates, 2017."""

    class Block(nn.Module):
        def __init__(self, inside, out):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv1d(inside, out, 8, padding="same"), nn.BatchNorm1d(out)
            self.conv2, self.bn2 = nn.Conv1d(out, out, 5, padding="same"), nn.BatchNorm1d(out)
            self.conv3, self.bn3 = nn.Conv1d(out, out, 3, padding="same"), nn.BatchNorm1d(out)
            layers = [] if inside == out else [nn.Conv1d(inside, out, 1)]
            self.shortcut = nn.Sequential(*layers, nn.BatchNorm1d(out))

        def forward(self, x):
            y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
            return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))

    def __init__(self, channels, classes, width=4):
        super().__init__()
        widths = [channels, width, 2 * width, 2 * width]
        self.blocks = nn.Sequential(*[self.Block(i, o) for i, o in zip(widths, widths[1:])])
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x):
        return self.fc(self.blocks(x).mean(2))


class C3D(nn.Module):
    """Tran et al., 2015; narrow."""

    def __init__(self, classes, size, width=4, hidden=16):
        super().__init__()
        layers, inside = [], 3
        for index, count in enumerate((1, 1, 2, 2, 2)):
            out = width << min(index, 3)
            for _ in range(count):
                layers += [nn.Conv3d(inside, out, 3, padding=1), nn.ReLU()]
                inside = out
            border = (0, 1, 1) if index == 4 else 0
            layers.append(nn.MaxPool3d((1 if index == 0 else 2, 2, 2), padding=border))
        self.features = nn.Sequential(*layers)
        inputs = self.features(torch.zeros(1, 3, *size)).numel()
        self.classifier = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Identity(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Identity(),
            nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))
