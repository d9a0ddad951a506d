"""Small PyTorch and NumPy files with what is in them: make_torch.py, run in this folder.

`torch.safetensors` holds the tensors that every reader must find in `state.pth` (zip), `legacy.pth` (the stream of
PyTorch before 1.6), `checkpoint.pt` (a state dict inside a checkpoint) and `training.pt` (the same beside what training
programs keep: tensors, an optimizer's state, arguments, NumPy's numbers). `sets.pt` and `negative.pt` cannot be taken.
"""

import argparse
import collections
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file

torch.manual_seed(3)
base = torch.randn(4, 6)
tensors = {
    "contiguous": torch.randn(2, 3, 2),
    "permuted": torch.randn(3, 4, 2, 5).permute(3, 2, 0, 1),
    "transposed": base.t(),
    "offset": base[1:3, 2:5],
    "stepped": base.flatten()[1::5],
    "expanded": torch.randn(3, 1).expand(3, 4),
    "shared": base,
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "half": torch.tensor([1.5, -2.0**-24, 65504.0, float("inf")], dtype=torch.float16),
    "bfloat16": torch.tensor([1.5, -3.0e38, 2.0**-130], dtype=torch.bfloat16),
    "double": torch.randn(3, dtype=torch.float64),
    "int64": torch.tensor([-(2**40), 7]),
    "int32": torch.tensor([-7, 2**30], dtype=torch.int32),
    "uint8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
}
tensors["parameter"] = torch.nn.Parameter(torch.randn(2, 2))
torch.save(tensors, "state.pth")
torch.save(tensors, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "arch": "net", "state_dict": tensors, "optimizer": {"lr": [0.1]}}, "checkpoint.pt")
weight = torch.nn.Parameter(torch.randn(2, 2))
optimizer = torch.optim.Adam([weight])
weight.grad = torch.ones(2, 2)
optimizer.step()
schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60])
training = {
    "epoch": 3,
    "arch": "net",
    "args": argparse.Namespace(lr=0.1, output=pathlib.Path("runs")),
    "best_acc1": torch.tensor(71.2),
    "best_loss": np.float64(0.5),
    "classes": {"cat", "dog"},
    "history": collections.defaultdict(list, loss=[0.7, 0.5]),
    "optimizer": optimizer.state_dict(),
    "scheduler": schedule.state_dict(),
    "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.7)}},
    "state_dict_ema": {name: torch.zeros(1) for name in tensors},
    "state_dict": tensors,
}
torch.save(training, "training.pt")
torch.save({"generator": {"a": torch.ones(2)}, "discriminator": {"b": torch.ones(3)}}, "sets.pt")
torch.save({"a": torch._neg_view(torch.ones(2))}, "negative.pt")
widened = {
    name: (t.detach().float() if t.dtype in (torch.float16, torch.bfloat16) else t.detach()).contiguous().clone()
    for name, t in tensors.items()
}
save_file(widened, "torch.safetensors")
arrays = {name: t.numpy() for name, t in widened.items()}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays)
