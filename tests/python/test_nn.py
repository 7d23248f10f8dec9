"""mlx.nn: modules, layers, activations and initialisers."""

import copy
import math
import pickle

import layers
import mlx.core as mx
import numpy as np
import pytest
from mlx import nn
from mlx.utils import tree_flatten, tree_map


class Net(nn.Module):
    """One of each kind of entry that a module may have."""

    def __init__(self):
        super().__init__()
        self.scale = mx.ones(2)
        self.first = nn.Linear(3, 2)
        self.layers = [nn.Linear(2, 2, bias=False), nn.ReLU()]
        self.table = {"norm": nn.RMSNorm(2), "list": [mx.zeros(1)], "number": 5}
        self.pair = (mx.zeros(4), 1)
        self._hidden = mx.zeros(5)
        self.dims = 3


ALL = {"scale", "first.weight", "first.bias", "layers.0.weight", "table.norm.weight", "table.list.0"}


def names(tree):
    return {name for name, _ in tree_flatten(tree)}


# -- Module --


def test_parameters_are_the_arrays_in_modules_lists_and_dictionaries():
    assert names(Net().parameters()) == ALL
    assert Net().dims == 3


def test_children_leaf_modules_and_named_modules_find_the_modules():
    net = Net()
    assert {n for n, m in tree_flatten(net.children(), is_leaf=nn.Module.is_module)} == {
        "first",
        "layers.0",
        "layers.1",
        "table.norm",
    }
    found = dict(net.named_modules())
    assert next(iter(found)) == "" and found["layers.1"] is net.layers[1] and len(found) == 5
    model = nn.Sequential(net, nn.Tanh())
    assert [n for n, _ in tree_flatten(model.leaf_modules(), is_leaf=nn.Module.is_module)][-1] == "layers.1"


def test_repr_nests_children():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.GELU())) == (
        "Sequential(\n  (layers.0): Linear(input_dims=2, output_dims=3, bias=True)\n  (layers.1): GELU()\n)"
    )


def test_a_missing_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = Net().nothing
    net = Net()
    del net.scale
    assert not hasattr(net, "scale") and "scale" not in net.parameters()


def test_an_attribute_changes_between_entry_and_plain():
    net = Net()
    net.scale = None
    assert net.scale is None and "scale" not in net
    net.scale = mx.zeros(1)
    assert "scale" in net and net.scale.shape == (1,)


def test_update_replaces_parameters_in_place():
    net = Net()
    assert net.update({"scale": mx.zeros(2), "table": {"list": [mx.ones(7)]}}) is net
    assert net.scale.tolist() == [0, 0] and net.table["list"][0].shape == (7,)


@pytest.mark.parametrize(
    "tree",
    [
        {"nothing": mx.zeros(1)},
        {"first": {"nothing": mx.zeros(1)}},
        {"scale": 3},
        {"first": mx.zeros(1)},
        {"layers": [{}, {}, {}]},
        {"layers": {"0": {}}},
        3,
    ],
)
def test_update_with_a_tree_that_does_not_fit_is_a_value_error_if_strict(tree):
    with pytest.raises(ValueError, match="."):
        Net().update(tree)
    Net().update(tree, strict=False)


def test_update_modules_replaces_modules():
    net = Net()
    net.update_modules({"first": nn.Tanh(), "layers": [{}, nn.Tanh()]})
    assert isinstance(net.first, nn.Tanh) and isinstance(net.layers[1], nn.Tanh)
    assert isinstance(net.layers[0], nn.Linear)
    for tree in [{"nothing": nn.ReLU()}, {"layers": [nn.ReLU()] * 3}, {"first": mx.zeros(1)}, {"first": 3}]:
        with pytest.raises(ValueError, match="."):
            net.update_modules(tree)


def test_freeze_takes_parameters_out_of_training_and_unfreeze_puts_them_back():
    net = Net()
    assert names(net.freeze().trainable_parameters()) == set()
    assert names(net.unfreeze(keys="weight").trainable_parameters()) == {n for n in ALL if "weight" in n}
    assert names(net.unfreeze().trainable_parameters()) == ALL
    assert names(net.freeze(keys=["bias"]).trainable_parameters()) == ALL - {"first.bias"}
    assert names(net.unfreeze().freeze(recurse=False).trainable_parameters()) == {
        n for n in ALL if "weight" in n or "bias" in n
    }
    assert names(net.parameters()) == ALL
    with pytest.raises(KeyError):
        net.freeze(keys="nothing", strict=True)


def test_strict_freezing_refuses_names_that_no_module_has():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert names(net.freeze(keys="bias", strict=True).trainable_parameters()) == {"layers.0.weight"}
    assert len(names(net.unfreeze(keys=["bias"], strict=True).trainable_parameters())) == 2
    for change in (net.freeze, net.unfreeze):
        with pytest.raises(KeyError, match="'b'"):
            change(keys="b", strict=True)
        with pytest.raises(KeyError, match="'bias'"):
            change(keys="bias", strict=True, recurse=False)
        change(keys="b")


def test_apply_set_dtype_and_train_reach_all_modules():
    net = Net()
    net.apply(lambda x: x * 0)
    assert all(not mx.any(x).item() for _, x in tree_flatten(net.parameters()))
    net.set_dtype(mx.bfloat16)
    assert {x.dtype for _, x in tree_flatten(net.parameters())} == {mx.bfloat16}
    assert net.training and not net.eval().first.training and net.train().first.training
    quantized = nn.QuantizedLinear(64, 2).set_dtype(mx.float16)
    assert quantized.weight.dtype == mx.uint32 and quantized.scales.dtype == mx.float16


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_weights_come_back_from_files(tmp_path, ending):
    a, b = Net(), Net()
    a.save_weights(str(tmp_path / f"w.{ending}"))
    b.load_weights(str(tmp_path / f"w.{ending}"))
    assert all(
        mx.array_equal(x, y) for (_, x), (_, y) in zip(*map(tree_flatten, (a.parameters(), b.parameters())))
    )
    with pytest.raises(ValueError, match="safetensors"):
        a.save_weights(str(tmp_path / "w.bin"))


@pytest.mark.parametrize(
    "weights",
    [
        [("weight", mx.zeros((2, 3)))],
        [("weight", mx.zeros((2, 3))), ("bias", mx.zeros(2)), ("more", mx.zeros(1))],
        [("weight", mx.zeros((3, 2))), ("bias", mx.zeros(2))],
        [("weight", 1), ("bias", mx.zeros(2))],
    ],
)
def test_load_weights_that_do_not_match_is_a_value_error(weights):
    with pytest.raises(ValueError, match="load_weights"):
        nn.Linear(3, 2).load_weights(weights)


def test_load_weights_without_strict_takes_what_is_known():
    layer = nn.Linear(3, 2).load_weights([("bias", mx.ones(2)), ("more", mx.zeros(1))], strict=False)
    assert layer.bias.tolist() == [1, 1]


def test_modules_copy_and_pickle():
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert names(other.parameters()) == ALL and other.dims == 3
        assert mx.array_equal(other.first.weight, net.first.weight)
    assert isinstance(pickle.loads(pickle.dumps(nn.ReLU())), nn.ReLU)


def test_value_and_grad_differentiates_by_the_trainable_parameters():
    layer = nn.Linear(3, 2)
    x = mx.array([[1.0, 2.0, 3.0]])

    def loss(x, factor=1.0):
        return mx.sum(layer(x)) * factor, "more"

    (value, more), gradients = nn.value_and_grad(layer, loss)(x, factor=2.0)
    assert more == "more" and value.item() == pytest.approx(2 * mx.sum(layer(x)).item(), rel=1e-5)
    assert gradients["weight"].tolist() == [[2, 4, 6], [2, 4, 6]] and gradients["bias"].tolist() == [2, 2]
    layer.freeze(keys="bias")
    assert names(nn.value_and_grad(layer, loss)(x)[1]) == {"weight"}


def test_value_and_grad_leaves_the_model_usable_when_the_function_raises():
    layer = nn.Linear(3, 2)

    def fails():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        nn.value_and_grad(layer, fails)()
    assert layer(mx.ones((1, 3))).shape == (1, 2)


def test_a_checkpointed_module_has_the_same_values_and_gradients():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x = mx.random.normal((5, 3))
    again = nn.utils.checkpoint(model)
    expected = nn.value_and_grad(model, lambda: mx.sum(model(x)))()
    actual = nn.value_and_grad(model, lambda: mx.sum(again(x)))()
    for (_, a), (_, b) in zip(tree_flatten(actual), tree_flatten(expected)):
        assert mx.allclose(a, b)


# -- layers --

X = np.random.default_rng(3).normal(size=(2, 5, 8)).astype(np.float32)


def close(actual, expected, tolerance=2e-5):
    np.testing.assert_allclose(np.array(actual), expected, rtol=tolerance, atol=tolerance)


def test_linear_and_bilinear_are_their_equations():
    layer = nn.Linear(8, 3)
    w, b = np.array(layer.weight), np.array(layer.bias)
    close(layer(mx.array(X)), X @ w.T + b)
    assert np.abs(w).max() <= 1 / math.sqrt(8)
    layer = nn.Bilinear(8, 5, 3)
    x1, x2 = X[:, 0], X[:, 1, :5]
    expected = np.einsum("bi,kji,bj->bk", x1, np.array(layer.weight), x2) + np.array(layer.bias)
    close(layer(mx.array(x1), mx.array(x2)), expected)


def test_normalisations_are_their_equations():
    x = mx.array(X)
    close(nn.RMSNorm(8)(x), X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-5))
    mean, variance = X.mean(-1, keepdims=True), X.var(-1, keepdims=True)
    normal = (X - mean) / np.sqrt(variance + 1e-5)
    close(nn.LayerNorm(8)(x), normal)
    layer = nn.LayerNorm(8)
    layer.weight, layer.bias = mx.full(8, 2.0), mx.full(8, 3.0)
    close(layer(x), 2 * normal + 3)
    assert names(nn.LayerNorm(8, affine=False).parameters()) == set()
    assert names(nn.LayerNorm(8, bias=False).parameters()) == {"weight"}


def normalized(p, x):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return y * p.get("weight", 1) + p.get("bias", 0)


EQUATIONS = [
    (nn.Linear(8, 3), lambda p, x: x @ p["weight"].T + p["bias"], (2, 5, 8)),
    (nn.Linear(8, 3, bias=False), lambda p, x: x @ p["weight"].T, (8,)),
    (
        nn.Bilinear(8, 4, 3),
        lambda p, x, y: np.einsum("...i,kji,...j->...k", x, p["weight"], y) + p["bias"],
        (2, 5, 8),
        (2, 5, 4),
    ),
    (nn.RMSNorm(8), lambda p, x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * p["weight"], (2, 5, 8)),
    (nn.LayerNorm(8), normalized, (2, 5, 8)),
    (nn.LayerNorm(8, bias=False), normalized, (2, 5, 8)),
    (nn.LayerNorm(8, affine=False), normalized, (2, 5, 8)),
    (nn.PReLU(8), lambda p, x: np.where(x > 0, x, p["weight"] * x), (5, 8)),
    (
        nn.Sequential(nn.Linear(8, 4), nn.Tanh()),
        lambda p, x: np.tanh(x @ p["layers.0.weight"].T + p["layers.0.bias"]),
        (5, 8),
    ),
]


@pytest.mark.parametrize("layer, equation, shapes", [(row[0], row[1], row[2:]) for row in EQUATIONS])
def test_layers_and_their_derivatives_follow_their_equations_in_every_dtype(layer, equation, shapes):
    inputs = [layers.random(*shape, seed=i) for i, shape in enumerate(shapes)]
    layers.check(layers.fill(layer), equation, *inputs)


def test_embedding_looks_up_rows_and_serves_as_output_layer():
    layer = nn.Embedding(7, 8)
    table = np.array(layer.weight)
    close(layer(mx.array([[1, 6], [0, 1]])), table[[[1, 6], [0, 1]]])
    close(layer.as_linear(mx.array(X)), X @ table.T)


def test_dropout_zeroes_a_share_and_keeps_the_mean():
    mx.random.seed(0)
    layer = nn.Dropout(0.25)
    y = np.array(layer(mx.ones(10_000)))
    assert (
        set(np.round(np.unique(y), 5)) == {0, np.round(4 / 3, 5).astype(np.float32)} or len(np.unique(y)) == 2
    )
    assert abs((y == 0).mean() - 0.25) < 0.02 and abs(y.mean() - 1) < 0.03
    assert mx.array_equal(layer.eval()(mx.ones(9)), mx.ones(9))
    for p in (-0.1, 1.0):
        with pytest.raises(ValueError, match="Dropout"):
            nn.Dropout(p)


@pytest.mark.parametrize("traditional", [False, True])
def test_rope_turns_pairs_by_position_times_frequency(traditional):
    y = np.array(nn.RoPE(8, traditional=traditional, base=100.0)(mx.array(X), offset=3))
    first, second = (X[..., ::2], X[..., 1::2]) if traditional else (X[..., :4], X[..., 4:])
    angle = np.arange(3, 8)[:, None] * 100.0 ** (-np.arange(4) / 4)
    a, b = first * np.cos(angle) - second * np.sin(angle), first * np.sin(angle) + second * np.cos(angle)
    close(y, np.stack([a, b], -1).reshape(X.shape) if traditional else np.concatenate([a, b], -1), 1e-4)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_quantized_layers_compute_with_the_dequantized_weight(bits):
    layer = nn.Linear(64, 16)
    quantized = layer.to_quantized(32, bits)
    weight = mx.dequantize(quantized.weight, quantized.scales, quantized.biases, 32, bits)
    x = mx.random.normal((3, 64))
    close(quantized(x), np.array(x) @ np.array(weight).T + np.array(layer.bias), 1e-4)
    steps = (np.ptp(np.array(layer.weight).reshape(16, 2, 32), axis=-1) / (2**bits - 1))[..., None]
    difference = np.abs(np.array(weight - layer.weight)).reshape(16, 2, 32)
    assert (difference <= 1.01 * steps).all()
    table = nn.Embedding(9, 64)
    quantized = table.to_quantized(32, bits)
    weight = np.array(mx.dequantize(quantized.weight, quantized.scales, quantized.biases, 32, bits))
    close(quantized(mx.array([3, 8])), weight[[3, 8]], 1e-6)
    close(quantized.as_linear(x), np.array(x) @ weight.T, 1e-4)


def test_quantized_weights_are_frozen_and_the_bias_trains_on():
    layer = nn.Linear(64, 4).to_quantized()
    assert names(layer.trainable_parameters()) == {"bias"}
    assert repr(layer) == (
        "QuantizedLinear(input_dims=64, output_dims=4, bias=True, group_size=64, bits=4, mode=affine)"
    )


def test_quantize_replaces_the_layers_that_the_predicate_picks():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Embedding(4, 64), nn.Linear(64, 4))
    picks = {"layers.0": True, "layers.2": {"bits": 8, "group_size": 32}}
    nn.quantize(model, bits=2, class_predicate=lambda path, m: picks.get(path, False))
    kinds = [type(m).__name__ for m in model.layers]
    assert kinds == ["QuantizedLinear", "ReLU", "QuantizedEmbedding", "Linear"]
    assert (model.layers[0].bits, model.layers[2].bits, model.layers[2].group_size) == (2, 8, 32)


def test_quantize_refuses_what_cannot_be_quantized():
    for choice in ({"layers.1": True}, {"layers.0": 3}):
        model = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64))
        with pytest.raises(ValueError, match="quantize"):
            nn.quantize(model, class_predicate=lambda path, m, choice=choice: choice.get(path, False))
    with pytest.raises(ValueError, match="."):
        nn.quantize(nn.Sequential(nn.Linear(60, 4)))
    with pytest.raises(ValueError, match="mode"):
        nn.QuantizedLinear(64, 8, mode="nothing")


# -- activations --


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


erf = np.vectorize(math.erf)
FORMULAS = {
    "ReLU": lambda x: np.maximum(x, 0),
    "ReLU2": lambda x: np.maximum(x, 0) ** 2,
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "LeakyReLU": lambda x: np.where(x > 0, x, 0.01 * x),
    "PReLU": lambda x: np.where(x > 0, x, 0.25 * x),
    "ELU": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "CELU": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "SELU": lambda x: 1.0507 * np.where(x > 0, x, 1.67326 * (np.exp(x) - 1)),
    "Sigmoid": sigmoid,
    "LogSigmoid": lambda x: np.log(sigmoid(x)),
    "Softplus": softplus,
    "SiLU": lambda x: x * sigmoid(x),
    "Mish": lambda x: x * np.tanh(softplus(x)),
    "GELU": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "Tanh": np.tanh,
    "HardTanh": lambda x: np.clip(x, -1, 1),
    "Hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "HardShrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "Softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "Step": lambda x: np.where(x >= 0, 1, 0),
    "Softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "Softmin": lambda x: np.exp(-x) / np.exp(-x).sum(-1, keepdims=True),
    "LogSoftmax": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    "GLU": lambda x: x[..., :4] * sigmoid(x[..., 4:]),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_activations_are_their_formulas(name):
    x = (3 * X).astype(np.float64)
    module = getattr(nn, name)()
    close(module(mx.array(x.astype(np.float32))), FORMULAS[name](x))
    for dtype in (mx.float16, mx.bfloat16):
        y = module(mx.array(x.astype(np.float32)).astype(dtype))
        assert y.dtype == (mx.int32 if name == "Step" else mx.float32 if name == "PReLU" else dtype)


@pytest.mark.parametrize("name", [name for name in FORMULAS if name not in ("Step", "PReLU")])
def test_derivatives_of_activations_are_those_of_their_formulas(name):
    layers.check_derivatives(getattr(nn, name)(), lambda p, x: FORMULAS[name](x), 3 * X.astype(np.float64))


def test_parameters_of_activations_are_used():
    x = mx.array([-2.0, -0.3, 0.4, 2.0])
    assert nn.ELU(2.0)(x)[0].item() == pytest.approx(2 * math.expm1(-2), rel=1e-6)
    assert nn.CELU(2.0)(x)[0].item() == pytest.approx(2 * math.expm1(-1), rel=1e-6)
    assert nn.LeakyReLU(0.5)(x)[0].item() == -1
    assert nn.HardShrink(0.35)(x).tolist() == pytest.approx([-2, 0, 0.4, 2])
    assert nn.Softshrink(0.35)(x).tolist() == pytest.approx([-1.65, 0, 0.05, 1.65], abs=1e-6)
    assert nn.Step(0.4)(x).tolist() == [0, 0, 1, 1]
    assert nn.hard_tanh(x, -0.1, 0.1).tolist() == pytest.approx([-0.1, -0.1, 0.1, 0.1])
    assert nn.PReLU(4, 0.5)(x).tolist() == pytest.approx([-1, -0.15, 0.4, 2])
    assert nn.GLU(axis=0)(x).shape == (2,)


def test_approximate_gelus_are_close_to_the_exact_one_and_others_are_value_errors():
    x = mx.array(X)
    exact = np.array(nn.gelu(x))
    for approx, tolerance in [("none", 0), ("precise", 1e-3), ("tanh", 1e-3), ("fast", 0.025)]:
        assert np.abs(np.array(nn.GELU(approx)(x)) - exact).max() <= tolerance
    with pytest.raises(ValueError, match="GELU"):
        nn.GELU("nearly")


def test_activations_do_not_overflow():
    x = mx.array([-1000.0, 1000.0])
    assert nn.softplus(x).tolist() == [0, 1000] and nn.log_sigmoid(x).tolist() == [-1000, 0]
    assert nn.elu(x).tolist() == [-1, 1000] and nn.log_softmax(x).tolist() == [-2000, 0]
    assert nn.mish(x).tolist() == [0, 1000] and nn.silu(x).tolist() == [0, 1000]


@pytest.mark.parametrize("dtype, bits", [(mx.float16, 11), (mx.bfloat16, 8)])
def test_log_softmax_and_cross_entropy_of_halves_round_once(dtype, bits):
    x = (mx.random.normal((64, 40), key=mx.random.key(1)) * 4).astype(dtype)
    wide = np.array(x.astype(mx.float32)).astype(np.float64)
    exact = wide - np.log(np.exp(wide).sum(-1, keepdims=True))
    classes = np.arange(64) % 40
    rows = [
        (nn.log_softmax(x), exact),
        (nn.log_softmax(x.T, axis=0), exact.T),
        (mx.fast.cross_entropy(x, mx.array(classes)), -exact[range(64), classes]),
        (nn.losses.cross_entropy(x, mx.array(classes)), -exact[range(64), classes]),
    ]
    for got, expected in rows:
        half_ulp = 2.0 ** (np.floor(np.log2(np.abs(expected))) - bits)
        error = np.abs(np.array(got.astype(mx.float32)) - expected)
        assert got.dtype == dtype and (error <= half_ulp + 4e-6).all(), (error / half_ulp).max()


def test_glu_of_an_odd_axis_is_a_value_error():
    with pytest.raises(ValueError, match="split"):
        nn.glu(mx.ones(3))


# -- initialisers --


@pytest.mark.parametrize(
    "make, options, std",
    [
        (nn.init.normal(std=0.5), {}, 0.5),
        (nn.init.uniform(-1, 1), {}, 1 / math.sqrt(3)),
        (nn.init.glorot_normal(), {"gain": 2.0}, 2 * math.sqrt(2 / 500)),
        (nn.init.glorot_uniform(), {}, math.sqrt(2 / 500)),
        (nn.init.he_normal(), {}, math.sqrt(1 / 200)),
        (nn.init.he_normal(), {"mode": "fan_out"}, math.sqrt(1 / 300)),
        (nn.init.he_uniform(), {"gain": 3.0}, 3 * math.sqrt(1 / 200)),
    ],
)
def test_random_initialisers_have_mean_zero_and_their_deviation(make, options, std):
    mx.random.seed(1)
    a = np.array(make(mx.zeros((300, 200)), **options))
    assert a.shape == (300, 200) and abs(a.mean()) < 4 * std / math.sqrt(a.size)
    assert a.std() == pytest.approx(std, rel=0.02)


def test_initialisers_give_their_dtype_and_shape():
    like = mx.zeros((3, 2, 2, 4))
    for make in ("normal", "uniform", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform"):
        a = getattr(nn.init, make)(dtype=mx.float16)(like)
        assert a.dtype == mx.float16 and a.shape == like.shape
    assert nn.init.constant(2.5)(mx.zeros(3)).tolist() == [2.5] * 3
    assert mx.array_equal(nn.init.identity()(mx.zeros((3, 3))), mx.eye(3))


def test_fans_count_the_window_of_a_convolution():
    mx.random.seed(2)
    a = np.array(nn.init.he_normal()(mx.zeros((64, 5, 5, 16))))
    assert a.std() == pytest.approx(1 / math.sqrt(16 * 25), rel=0.02)


def test_sparse_zeroes_a_share_of_each_row():
    a = np.array(nn.init.sparse(0.3)(mx.zeros((6, 10))))
    assert ((a == 0).sum(1) == 3).all()


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (1, 4)])
def test_rows_or_columns_of_an_orthogonal_matrix_are_orthonormal(shape):
    a = np.array(nn.init.orthogonal(gain=2.0)(mx.zeros(shape)))
    assert a.shape == shape and nn.init.orthogonal(dtype=mx.float16)(mx.zeros(shape)).dtype == mx.float16
    few = a if shape[0] <= shape[1] else a.T
    close(mx.array(few @ few.T), 4 * np.eye(min(shape)))


def test_orthogonal_matrices_have_no_preferred_direction():
    mx.random.seed(3)
    a = np.stack([np.array(nn.init.orthogonal()(mx.zeros((3, 3)))) for _ in range(600)])
    assert np.abs(a.mean(0)).max() < 0.1 and np.abs((a**2).mean(0) - 1 / 3).max() < 0.06
    assert 0.4 < (np.linalg.det(a) > 0).mean() < 0.6


def test_initialisers_refuse_shapes_and_modes():
    for make, a in [
        (nn.init.orthogonal(), mx.zeros(3)),
        (nn.init.orthogonal(), mx.zeros((2, 3, 4))),
        (nn.init.identity(), mx.zeros((2, 3))),
        (nn.init.he_normal(), mx.zeros(3)),
        (nn.init.glorot_uniform(), mx.zeros(())),
        (nn.init.sparse(0.5), mx.zeros(3)),
    ]:
        with pytest.raises(ValueError, match="expected"):
            make(a)
    with pytest.raises(ValueError, match="mode"):
        nn.init.he_uniform()(mx.zeros((2, 2)), mode="fan")


def test_a_module_with_an_initialiser_applies_it_to_its_parameters():
    layer = nn.Linear(4, 3).apply(nn.init.constant(0.5))
    assert tree_map(lambda x: x.tolist(), layer.parameters())["bias"] == [0.5] * 3
