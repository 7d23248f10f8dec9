"""Checkpoints of MLX load: nn_parameters.tsv holds each layer's parameters in order, those that train, and its repr;
optimizer_states.tsv the entries of each optimizer's state. Both were asked from MLX 0.32.4."""

import copy
import importlib
import pathlib
import pickle

import mlx.core as mx
import mlx.optimizers as optim
import pytest
from mlx import nn
from mlx.utils import tree_flatten

HERE = pathlib.Path(__file__).parent
LAYERS = [line.split("\t") for line in (HERE / "nn_parameters.tsv").read_text().splitlines()]
STATES = [line.split("\t") for line in (HERE / "optimizer_states.tsv").read_text().splitlines()]
IDS = [row[0] for row in LAYERS]


def described(tree):
    return [f"{n}:{'x'.join(map(str, a.shape))}:{str(a.dtype)[9:]}" for n, a in tree_flatten(tree)]


@pytest.mark.parametrize("call, parameters, trainable, text", LAYERS, ids=IDS)
def test_a_layer_has_the_parameters_and_the_repr_that_mlx_has(call, parameters, trainable, text):
    layer = eval(call)
    assert " ".join(described(layer.parameters())) == ("" if parameters == "-" else parameters)
    trains = [name for name, _ in tree_flatten(layer.trainable_parameters())]
    own = [name for name, _ in tree_flatten(layer.parameters())]
    assert trains == {"all": own, "none": []}.get(trainable, trainable.split())
    if text != "-":
        assert repr(layer) == text.replace("\\n", "\n")


@pytest.mark.parametrize("call", [row[0] for row in LAYERS if row[1] != "-"])
def test_weights_go_to_a_file_and_into_another_layer(call, tmp_path):
    a, b = eval(call), eval(call)
    a.save_weights(str(tmp_path / "w.safetensors"))
    b.load_weights(str(tmp_path / "w.safetensors"))
    for (name, x), (_, y) in zip(tree_flatten(a.parameters()), tree_flatten(b.parameters())):
        assert mx.array_equal(x, y), name


@pytest.mark.parametrize("call", IDS)
def test_layers_copy_and_pickle(call):
    layer = eval(call)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert described(other.parameters()) == described(layer.parameters())
        assert type(other) is type(layer) and set(vars(other)) == set(vars(layer))


@pytest.mark.parametrize("call, state", STATES, ids=[row[0] for row in STATES])
def test_an_optimizer_has_the_state_that_mlx_has(call, state):
    optimizer = eval("optim." + call)
    optimizer.init({"w": mx.zeros((2, 3)), "b": [mx.zeros((4,), dtype=mx.float16)]})
    assert " ".join(sorted(described(optimizer.state))) == state


@pytest.mark.parametrize(
    "module",
    "activations base containers convolution convolution_transpose distributed dropout embedding linear normalization "
    "pooling positional_encoding quantized recurrent transformer upsample".split(),
)
def test_layers_are_in_the_modules_that_programs_import(module):
    found = vars(importlib.import_module(f"mlx.nn.layers.{module}")).values()
    assert any(f is layer for f in found for layer in vars(nn).values() if isinstance(layer, type))


def test_optimizers_are_in_the_module_that_programs_import():
    names = importlib.import_module("mlx.optimizers.optimizers").__all__
    assert all(getattr(optim, name) for name in names)
