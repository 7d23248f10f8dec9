"""Compares layers, losses, optimizers and schedules with those of PyTorch, in float32.

    python tools/compare_layers_with_torch.py /path/to/python-with-torch [WORD ...]

A row of a table (torch_counterparts.py) is an expression of ours and its counterpart. Both get the same numbers: parameters
and inputs are drawn here, and go to the other interpreter in PyTorch's layout. Compared are the outputs, the gradients of all
inputs and parameters for one cotangent, and an optimizer's parameters after each of 20 steps: to 1e-5 of the largest number
of the result. What has no counterpart, or differs on purpose, stands in REASONS. With words, only rows that contain one.
"""

import pathlib
import pickle
import subprocess
import sys
import tempfile

import numpy as np
from torch_counterparts import OPTIMIZERS, REASONS, Optimizer, channels_first, layer_rows, same

TOLERANCE = 1e-5
STEPS = 20


# ---- Numbers for both ----
def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def drawn(rng, spec):
    x = (
        rng.standard_normal(spec)
        if isinstance(spec, tuple)
        else eval(spec, {"np": np, "rng": rng, "log_softmax": log_softmax})
    )
    return x.astype(np.int64 if x.dtype.kind == "i" else np.float32)


# ---- Ours ----
def module_in(function):
    """The module of an expression: itself, or what its closure or method holds."""
    from mlx import nn

    if isinstance(function, nn.Module):
        return function
    held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return next((m for m in [*held, getattr(function, "__self__", None)] if isinstance(m, nn.Module)), None)


def put(layer, named):
    from mlx.utils import tree_unflatten

    if named:
        layer.update(tree_unflatten(list(named.items())))


def our_layer(row, rng):
    """The question for the other side, and our answer to it: {name: array}, all in PyTorch's layout."""
    from functools import partial

    import mlx.core as mx
    from mlx import nn
    from mlx.utils import tree_flatten

    function = eval(row.ours, {"nn": nn, "mx": mx, "partial": partial})
    layer, options = module_in(function), eval(row.ours_too)
    layout = channels_first if row.images else same
    inputs = [drawn(rng, spec) for spec in row.inputs]
    given = [mx.array(x.astype(np.int32) if x.dtype.kind == "i" else x) for x in inputs]
    parameters = {}
    if layer is not None:
        drawn_anew = {
            name: rng.uniform(0.5, 1.5, a.shape) if "var" in name else 0.4 * rng.standard_normal(a.shape)
            for name, a in tree_flatten(layer.parameters())
        }
        parameters = {name: x.astype(np.float32) for name, x in drawn_anew.items()}
        put(layer, {name: mx.array(x) for name, x in parameters.items()})
    trained = dict(tree_flatten(layer.trainable_parameters())) if layer is not None else {}
    cotangents = []

    def outputs(inputs, trained):
        put(layer, trained)
        y = function(*inputs, **options)
        return y if isinstance(y, tuple) else (y,)

    shapes = [y.shape for y in outputs(given, trained)]
    put(layer, {name: mx.array(x) for name, x in parameters.items()})  # what the call above moved
    cotangents = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    def loss(floats, trained):
        rest = iter(floats)
        all_inputs = [next(rest) if x.dtype == mx.float32 else x for x in given]
        y = outputs(all_inputs, trained)
        return sum((a * mx.array(c)).sum() for a, c in zip(y, cotangents)), y

    floats = [x for x in given if x.dtype == mx.float32]
    (_, y), gradients = mx.value_and_grad(loss, argnums=(0, 1))(floats, trained)
    put(layer, trained)
    answer = {f"output {i}": layout(np.array(a)) for i, a in enumerate(y)}
    answer |= {f"gradient of input {i}": layout(np.array(g)) for i, g in enumerate(gradients[0])}
    if layer is not None:
        gradient = {name: np.array(g) for name, g in gradients[1].items()}
        answer |= {
            f"gradient of {name}": g
            for name, g in row.parameters(gradient).items()
            if not name.endswith(row.ignore or " ")
        }
        frozen = {name: np.array(a) for name, a in tree_flatten(layer.parameters()) if name not in trained}
        answer |= {f"{name} afterwards": a for name, a in frozen.items()}
    question = {
        "theirs": row.theirs, "options": row.theirs_too, "inputs": [layout(x) for x in inputs],
        "parameters": row.parameters(parameters) if layer is not None else {}, "cotangents": [layout(c) for c in cotangents],
    }  # fmt: skip
    return question, answer


def our_optimizer(row, rng):
    import mlx.core as mx
    import mlx.optimizers as optim

    def clipped(optimizer, size):
        plain = optimizer.apply_gradients
        optimizer.apply_gradients = lambda g, p: plain(optim.clip_grad_norm(g, size)[0], p)
        return optimizer

    first = [rng.standard_normal(shape).astype(np.float32) for shape in row.shapes]
    gradients = [
        [rng.standard_normal(shape).astype(np.float32) for shape in row.shapes] for _ in range(STEPS)
    ]
    optimizer = eval(row.ours, {"optim": optim, "clipped": clipped})
    parameters, answer = {str(i): mx.array(p) for i, p in enumerate(first)}, {}
    for step, gradient in enumerate(gradients):
        tree = {str(i): mx.array(g) for i, g in enumerate(gradient)}
        parameters = optimizer.apply_gradients(tree, parameters)
        answer |= {f"parameter {i} at step {step + 1}": np.array(p) for i, p in parameters.items()}
    return {"theirs": row.theirs, "parameters": first, "gradients": gradients}, answer


# ---- Theirs ----
def their_layer(question):
    from functools import partial

    import torch
    from torch import nn
    from torch.nn import functional

    def future(n):
        return torch.triu(torch.ones(n, n, dtype=torch.bool), 1)

    made = []  # modules in the order in which they are made: the last is the outermost
    create = nn.Module.__init__

    def noted(self, *args, **kwargs):
        create(self, *args, **kwargs)
        made.append(self)

    nn.Module.__init__ = noted
    try:
        function = eval(question["theirs"], {"nn": nn, "F": functional, "torch": torch, "partial": partial})
    finally:
        nn.Module.__init__ = create
    layer = next(
        (
            m
            for m in made
            if len(question["parameters"]) and set(question["parameters"]) <= set(m.state_dict())
        ),
        None,
    )
    if layer is not None:
        state = {name: torch.tensor(np.asarray(x, np.float32)) for name, x in question["parameters"].items()}
        missing, _ = layer.load_state_dict(state, strict=False)
        if set(missing) - {"num_batches_tracked"}:
            raise ValueError(f"no number for {missing}")
    elif question["parameters"]:
        raise ValueError(f"no module with the parameters {sorted(question['parameters'])}")
    inputs = [torch.tensor(x) for x in question["inputs"]]
    floats = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    y = function(*inputs, **eval(question["options"], {"future": future}))
    y = y if isinstance(y, tuple) else (y,)
    sum((a * torch.tensor(c)).sum() for a, c in zip(y, question["cotangents"])).backward()
    answer = {f"output {i}": a.detach().numpy() for i, a in enumerate(y)}
    answer |= {
        f"gradient of input {i}": (torch.zeros_like(x) if x.grad is None else x.grad).numpy()
        for i, x in enumerate(floats)
    }
    if layer is not None:
        answer |= {
            f"gradient of {name}": p.grad.numpy()
            for name, p in layer.named_parameters()
            if p.grad is not None
        }
        answer |= {f"{name} afterwards": b.numpy() for name, b in layer.named_buffers()}
    return answer


def their_optimizer(question):
    import torch
    from torch import optim
    from torch.optim import lr_scheduler

    schedules, clip = [], []

    def scheduled(p, make):
        optimizer = optim.SGD(p, 0.1)
        schedules.append(make(optimizer))
        return optimizer

    def clipped_sgd(p, rate, size):
        clip.append(size)
        return optim.SGD(p, rate)

    parameters = [torch.tensor(p, requires_grad=True) for p in question["parameters"]]
    names = {
        "optim": optim,
        "S": lr_scheduler,
        "p": parameters,
        "scheduled": scheduled,
        "clipped_sgd": clipped_sgd,
    }
    optimizer, answer = eval(question["theirs"], names), {}
    for step, gradient in enumerate(question["gradients"]):
        for p, g in zip(parameters, gradient):
            p.grad = torch.tensor(g)
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters, clip[0])
        optimizer.step()
        for schedule in schedules:
            schedule.step()
        answer |= {
            f"parameter {i} at step {step + 1}": p.detach().numpy().copy() for i, p in enumerate(parameters)
        }
    return answer


def answer_for(question):
    try:
        return (their_optimizer if "gradients" in question else their_layer)(question)
    except Exception as e:
        return f"{type(e).__name__}: {e}"


# ---- Comparison ----
def difference(ours, theirs):
    """The largest difference, relative to its result, and which result that is; theirs may say more, of parameters that
    ours lack."""
    if isinstance(theirs, str):
        return np.inf, f"PyTorch: {theirs[:200]}"
    worst = (0.0, "all")
    for name, a in ours.items():
        b = theirs.get(name)
        if b is None or a.shape != b.shape:
            return np.inf, f"{name} of shape {a.shape}, not {None if b is None else b.shape}"
        error = np.abs(a.astype(np.float64) - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-30)
        if not error <= worst[0]:
            worst = (error, name)
    return worst


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--run":
        file = pathlib.Path(sys.argv[2])
        return file.write_bytes(pickle.dumps([answer_for(q) for q in pickle.loads(file.read_bytes())]))
    rows = [row for row in layer_rows() + OPTIMIZERS if all(word in row.ours for word in sys.argv[2:])]
    asked = [
        (our_optimizer if isinstance(row, Optimizer) else our_layer)(row, np.random.default_rng(i))
        for i, row in enumerate(rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "questions"
        file.write_bytes(pickle.dumps([question for question, _ in asked]))
        subprocess.run([sys.argv[1], __file__, "--run", file], check=True)
        theirs = pickle.loads(file.read_bytes())
    found = [difference(ours, there) for (_, ours), there in zip(asked, theirs)]
    wrong = 0
    for row, (error, what) in zip(rows, found):
        if not error <= TOLERANCE:
            wrong += 1
            print(
                f"{row.ours} of {getattr(row, 'inputs', '')} {getattr(row, 'ours_too', '')}: {what} by {error:.1e}"
            )
    print(
        f"{len(rows)} rows with {sum(len(ours) for _, ours in asked)} answers, {wrong} rows differ;", end=" "
    )
    print(
        f"the largest difference of the others is {max((e for e, _ in found if e <= TOLERANCE), default=0):.1e}"
    )
    print(f"Left out:{REASONS.rstrip()}")


if __name__ == "__main__":
    main()
