"""Writes imagenet-classes.txt, one name a line: make_imagenet_classes.py, run in this folder.

The 1000 classes of ILSVRC 2012 in the order of their WordNet ids, by the short names that torchvision ships with its
weights (torchvision.models._meta._IMAGENET_CATEGORIES; BSD-3-Clause, Copyright (c) Soumith Chintala 2016).
"""

from torchvision.models._meta import _IMAGENET_CATEGORIES as names

assert len(names) == 1000 and all("\n" not in name for name in names)
with open("imagenet-classes.txt", "w", encoding="utf-8") as file:
    file.write("".join(name + "\n" for name in names))
