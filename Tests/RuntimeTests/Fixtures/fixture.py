"""What the scripts that make fixtures share: running a case in PyTorch and recording it.

A case of a manifest has a name, an operation, its attributes, the names of its input tensors, of its outputs, and
(where gradients apply) of the upstream gradient of output 0 and of each input's gradient (null: none). Tensors are
stored under "<case>.<role>"; inputs are float32 but for labels and indices (int32). Expected values are computed in
float64 from the float32 inputs and stored as float32, so they are correctly rounded.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
tensors, cases = {}, []


def random(*shape):
    return torch.randn(shape)


def case(operation, attributes, inputs, function, outputs=1, differentiable=None):
    """Runs `function` on the inputs in float64 and records it.

    differentiable: which inputs have gradients (default: all); an empty list records none.
    """
    name = f"{len(cases):03d}.{operation}"
    differentiable = list(range(len(inputs))) if differentiable is None else differentiable
    arguments = [i.double() if i.is_floating_point() else i.long() for i in inputs]
    arguments = [a.requires_grad_() if i in differentiable else a for i, a in enumerate(arguments)]
    results = function(*arguments)
    results = list(results) if isinstance(results, (tuple, list)) else [results]
    assert len(results) == outputs
    record = {"name": name, "operation": operation, "attributes": attributes}

    def store(role, value):
        key = f"{name}.{role}"
        value = value.detach()
        value = value.float() if value.is_floating_point() else value.int()
        tensors[key] = value.contiguous().clone()
        return key

    record["inputs"] = [store(f"x{i}", value) for i, value in enumerate(inputs)]
    record["outputs"] = [store(f"y{i}", value) for i, value in enumerate(results)]
    if differentiable:
        upstream = torch.randn(results[0].shape)
        gradients = torch.autograd.grad(results[0], [arguments[i] for i in differentiable], upstream.double())
        record["upstream"] = store("dy", upstream)
        record["gradients"] = [None] * len(inputs)
        for i, gradient in zip(differentiable, gradients):
            record["gradients"][i] = store(f"dx{i}", gradient)
    cases.append(record)


def save(name):
    """Writes <name>.safetensors and <name>.json, and starts anew."""
    here = pathlib.Path(__file__).parent
    save_file(tensors, here / f"{name}.safetensors")
    (here / f"{name}.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    sizes = [(here / f"{name}.{e}").stat().st_size for e in ("safetensors", "json")]
    print(f"{name}: {len(cases)} cases, {sizes[0]} and {sizes[1]} bytes")
    tensors.clear()
    cases.clear()
