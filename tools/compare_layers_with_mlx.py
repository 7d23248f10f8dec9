"""Compares layers, their gradients and short trainings with those of MLX.

    python tools/compare_layers_with_mlx.py /path/to/python-with-mlx
    /path/to/python-with-mlx tools/compare_layers_with_mlx.py --facts

Both interpreters draw the same random numbers from the same seed, so that parameters start equal and everything
after can be compared. Differences are printed. --facts writes what MLX says of parameters and optimizers' states
into the tables that tests/python/test_nn_parameters.py reads, for the calls that they hold already.
"""

import pathlib
import pickle
import subprocess
import sys
import tempfile

import mlx.core as mx
import mlx.optimizers as optim  # noqa: F401 - the tables' calls name it
from mlx import nn
from mlx.utils import tree_flatten

TABLES = pathlib.Path(__file__).resolve().parent.parent / "tests" / "python"

# A layer, and the shapes or other arguments of its call.
CALLS = [
    ("nn.RNN(3, 4)", (2, 5, 3)), ("nn.GRU(3, 4)", (2, 5, 3)), ("nn.LSTM(3, 4)", (2, 5, 3)),
    ("nn.MaxPool1d(3, 2, 1)", (2, 9, 4)), ("nn.MaxPool2d(2)", (2, 7, 6, 4)), ("nn.MaxPool3d(3, 1)", (1, 4, 5, 6, 2)),
    ("nn.AvgPool1d(3, 2, 1)", (2, 9, 4)), ("nn.AvgPool2d(2)", (2, 7, 6, 4)), ("nn.AvgPool3d(3, 1)", (1, 4, 5, 6, 2)),
    ("nn.BatchNorm(4)", (3, 5, 4)), ("nn.InstanceNorm(4, affine=True)", (3, 5, 4)), ("nn.LayerNorm(4)", (3, 5, 4)),
    ("nn.GroupNorm(2, 4)", (3, 5, 4)), ("nn.GroupNorm(2, 4, pytorch_compatible=True)", (3, 5, 4)),
    ("nn.RMSNorm(4)", (3, 5, 4)), ("nn.Dropout(0.3)", (3, 5)), ("nn.Dropout2d(0.3)", (2, 3, 4, 5)),
    ("nn.Dropout3d(0.3)", (2, 3, 4, 2, 5)), ("nn.ALiBi()", (2, 4, 3, 3)), ("nn.RoPE(4)", (2, 5, 4)),
    *((f"nn.Upsample({scale}, '{mode}', {corners})", (2, 6, 5, 3))
      for mode in ("nearest", "linear", "cubic") for scale in (2, 0.5, (1.5, 2.4)) for corners in (False, True)),
    *((f"nn.Upsample({scale}, '{mode}', antialias=True)", (2, 9, 3)) for mode in ("linear", "cubic") for scale in (0.4, 2)),
    ("nn.MultiHeadAttention(8, 2, bias=True)", (2, 3, 8), (2, 4, 8), (2, 4, 8)),
    ("nn.TransformerEncoder(2, 8, 2)", (2, 3, 8), "causal"),
    ("nn.TransformerDecoder(2, 8, 2, norm_first=False)", (2, 3, 8), (2, 4, 8), "causal", None),
    ("nn.Transformer(8, 2, 1, 2)", (2, 3, 8), (2, 4, 8), None, "causal", None),
    ("nn.Bilinear(3, 4, 5)", (2, 3), (2, 4)), ("nn.Conv2d(4, 6, 3, 2, 1, groups=2)", (1, 7, 7, 4)),
    ("nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1)", (1, 5, 5, 4)), ("nn.SinusoidalPositionalEncoding(6)", (2, 5)),
    *((f"nn.Linear(64, 32).to_quantized(mode='{mode}')", (3, 64)) for mode in ("affine", "mxfp4", "mxfp8", "nvfp4")),
]  # fmt: skip

MODELS = {
    "pictures": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm(8), nn.SiLU(), nn.AvgPool2d(2), nn.GroupNorm(2, 8), nn.Upsample(2, "linear")
        ),
        (2, 12, 12, 3),
    ),
    "sequences": (lambda: nn.Sequential(nn.GRU(4, 8), nn.Linear(8, 2)), (2, 6, 4)),
    "vectors": (lambda: nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.2), nn.GELU(), nn.Linear(8, 2)), (16, 5)),
}  # fmt: skip


def rows(table):
    return [line.split("\t") for line in (TABLES / table).read_text().splitlines()]


def parameters(call):
    """The first parameters of a layer."""
    mx.random.seed(7)
    return tree_flatten(eval(call).parameters())


def results(call, *arguments):
    """What a layer gives for random inputs, and the gradients of the sum of its squares."""
    mx.random.seed(7)
    layer = eval(call)
    arguments = [mx.random.normal(a) if isinstance(a, tuple) else a for a in arguments]

    def loss():
        y = layer(*arguments)
        return sum(part.square().sum() for part in (y if isinstance(y, tuple) else [y])), y

    mx.random.seed(8)
    (_, y), gradients = nn.value_and_grad(layer, loss)()
    return tree_flatten([y, gradients])


def training(model, optimizer):
    """Losses and last parameters of a few steps."""
    mx.random.seed(7)
    make, shape = MODELS[model]
    layer, x, steps = make(), mx.random.normal(shape), eval(optimizer)
    step, losses = nn.value_and_grad(layer, lambda x: (layer(x) - 1).square().mean()), []
    for _ in range(5):
        loss, gradients = step(x)
        steps.update(layer, gradients)
        losses.append(loss)
    return tree_flatten([losses, layer.parameters()])


def answers():
    """{what was asked: pairs of name and NumPy array}"""
    import numpy as np

    asked = {f"first parameters of {row[0]}": (parameters, row[0]) for row in rows("nn_parameters.tsv")}
    asked |= {f"{call} of {rest}": (results, call, *rest) for call, *rest in CALLS}
    for row in rows("optimizer_states.tsv"):
        asked |= {f"{row[0]} on {model}": (training, model, "optim." + row[0]) for model in MODELS}
    found = {}
    for text, (ask, *arguments) in asked.items():
        try:
            pairs = ask(*arguments)
            found[text] = [
                (name, np.array(a.astype(mx.float32) if mx.issubdtype(a.dtype, mx.floating) else a))
                for name, a in pairs
            ]
        except Exception as e:
            found[text] = f"{type(e).__name__}: {e}"
    return found


def difference(a, b):
    """What differs between two answers, or None."""
    import numpy as np

    if isinstance(a, str) or isinstance(b, str):
        return None if isinstance(b, str) else f"{str(a)[:80]} | MLX: {str(b)[:80]}"
    if [(name, x.shape, x.dtype) for name, x in a] != [(name, x.shape, x.dtype) for name, x in b]:
        return "names, shapes or dtypes"
    for (name, x), (_, y) in zip(a, b):
        error = np.abs(x.astype(np.float64) - y).max(initial=0) / max(
            1, np.abs(y.astype(np.float64)).max(initial=0)
        )
        if not error < 5e-3:  # steps of Adam make much of a rounding where the gradient is almost 0
            return f"{name} by {error:.1e}"
    return None


def write_facts():
    def described(tree):
        return [f"{n}:{'x'.join(map(str, a.shape))}:{str(a.dtype)[9:]}" for n, a in tree_flatten(tree)]

    lines = []
    for call, *_ in rows("nn_parameters.tsv"):
        layer = eval(call)
        own, trains = (tree_flatten(t) for t in (layer.parameters(), layer.trainable_parameters()))
        names = [name for name, _ in trains]
        trained = "all" if len(trains) == len(own) else " ".join(names) or "none"
        text = "-" if " at 0x" in repr(layer) else repr(layer).replace("\n", "\\n")
        lines.append("\t".join([call, " ".join(described(layer.parameters())) or "-", trained, text]))
    (TABLES / "nn_parameters.tsv").write_text("\n".join(lines) + "\n")
    lines = []
    for call, _ in rows("optimizer_states.tsv"):
        optimizer = eval("optim." + call)
        optimizer.init({"w": mx.zeros((2, 3)), "b": [mx.zeros((4,), dtype=mx.float16)]})
        lines.append(f"{call}\t{' '.join(sorted(described(optimizer.state)))}")
    (TABLES / "optimizer_states.tsv").write_text("\n".join(lines) + "\n")


def main():
    if sys.argv[1] == "--facts":
        return write_facts()
    if sys.argv[1] == "--run":
        return pathlib.Path(sys.argv[2]).write_bytes(pickle.dumps(answers()))
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "answers"
        subprocess.run([sys.argv[1], __file__, "--run", file], check=True)
        there = pickle.loads(file.read_bytes())
    here, different = answers(), 0
    for text, answer in here.items():
        if found := difference(answer, there[text]):
            different += 1
            print(f"{text}: {found}")
    print(f"{len(here)} answers, {different} differ")


if __name__ == "__main__":
    main()
