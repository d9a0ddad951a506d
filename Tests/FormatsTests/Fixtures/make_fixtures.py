"""Makes the fixtures of FormatsTests with the reference implementations (numpy, safetensors, torch for bfloat16).

    python3 make_fixtures.py
"""

import pathlib

import numpy as np
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
ramp = torch.arange(6, dtype=torch.float32).reshape(2, 3)
halves = [0.0, -0.0, 1.0, -2.5, 65504.0, 2.0**-24, 6.0e-5, float("inf"), float("-inf"), 0.333251953125]
save_file(
    {
        "float32": ramp / 4,
        "float64": ramp.double() / 7,
        "int32": ramp.int() - 3,
        "int64": ramp.long() * 10**12,
        "uint8": ramp.to(torch.uint8) * 51,
        "bool": ramp % 2 == 0,
        "float16": torch.tensor(halves, dtype=torch.float16),
        "bfloat16": torch.tensor([0.0, 1.0, -2.5, 3.140625, 1e38], dtype=torch.bfloat16),
        "int16": ramp.short(),
        "scalar": torch.tensor(42.0),
        "empty": torch.zeros(0, 3),
    },
    here / "reference.safetensors",
    metadata={"note": 'quotes " and \\ and\nlines and ü'},
)

cube = np.arange(24).reshape(2, 3, 4)
for name, dtype in {"f4": "<f4", "f8": ">f8", "i4": ">i4", "i8": "<i8", "u1": "u1", "f2": ">f2"}.items():
    np.save(here / f"{name}.npy", cube.astype(dtype))
np.save(here / "b1.npy", cube % 3 == 0)
np.save(here / "fortran.npy", np.asfortranarray(cube.astype("<f4")))
np.save(here / "scalar.npy", np.float32(2.5))
np.save(here / "vector.npy", np.arange(3, dtype="<i4"))
with open(here / "version2.npy", "wb") as file:
    np.lib.format.write_array(file, cube.astype("<f4"), version=(2, 0))
with open(here / "version3.npy", "wb") as file:
    np.lib.format.write_array(file, cube.astype("<f4"), version=(3, 0))
np.save(here / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
np.save(here / "records.npy", np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]))
