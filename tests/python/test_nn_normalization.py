"""BatchNorm, GroupNorm, InstanceNorm and dropout against NumPy, in training and outside."""

from functools import partial

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest
from layers import check, close, fill, names, numbers, random
from mlx import nn

EPS = 1e-5


def standard(x, axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPS)


def scaled(p, x):
    return x * p.get("weight", 1) + p.get("bias", 0)


# -- instances and groups --


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(2, 7, 4), (2, 3, 5, 4), (2, 3, 2, 2, 4)])
def test_instance_norm_standardises_each_channel_of_each_item(shape, affine):
    layer = fill(nn.InstanceNorm(4, affine=affine))
    check(layer, lambda p, x: scaled(p, standard(x, tuple(range(1, x.ndim - 1)))), random(*shape))


def grouped(p, x, groups, neighbours):
    """GroupNorm channel by channel: those of its group are its neighbours, or equal it modulo the groups."""
    y, channels = np.empty_like(x), np.arange(x.shape[-1])
    group = channels // (len(channels) // groups) if neighbours else channels % groups
    for g in range(groups):
        y[..., group == g] = standard(x[..., group == g], tuple(range(1, x.ndim)))
    return scaled(p, y)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("neighbours", [True, False])
@pytest.mark.parametrize(
    "groups, shape", [(2, (3, 6)), (3, (2, 5, 6)), (2, (2, 3, 4, 6)), (1, (2, 5, 6)), (6, (2, 5, 6))]
)
def test_group_norm_standardises_each_group_of_channels(groups, shape, neighbours, affine):
    layer = fill(nn.GroupNorm(groups, 6, affine=affine, pytorch_compatible=neighbours))
    check(layer, lambda p, x: grouped(p, x, groups, neighbours), random(*shape))


def test_a_group_norm_of_one_group_is_a_layer_norm_of_the_item():
    x = mx.array(random(2, 5, 6)).astype(mx.float32)
    whole = mx.fast.layer_norm(x.reshape(2, -1), None, None, EPS).reshape(x.shape)
    close(nn.GroupNorm(1, 6)(x), numbers(whole))


# -- batches --


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(7, 4), (3, 5, 4), (2, 3, 5, 4)])
def test_batch_norm_standardises_each_channel_of_the_batch_in_training(shape, affine):
    layer = fill(nn.BatchNorm(4, affine=affine, track_running_stats=False))
    check(layer, lambda p, x: scaled(p, standard(x, tuple(range(x.ndim - 1)))), random(*shape))


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_uses_the_running_numbers_outside_training(affine):
    layer = fill(nn.BatchNorm(4, affine=affine)).eval()
    layer.running_var = mx.abs(layer.running_var) + 0.5

    def reference(p, x):
        return scaled(p, (x - p["running_mean"]) / np.sqrt(p["running_var"] + EPS))

    check(layer, reference, random(3, 5, 4))
    assert layer(mx.zeros((1, 4))).shape == (1, 4)


def test_running_numbers_move_towards_those_of_each_batch():
    layer, mean, variance = nn.BatchNorm(4, momentum=0.25), np.zeros(4), np.ones(4)
    for seed in range(4):
        x = 3 * random(6, 5, 4, seed=seed) + 1
        layer(mx.array(x).astype(mx.float32))
        mean = 0.75 * mean + 0.25 * x.mean((0, 1))
        variance = 0.75 * variance + 0.25 * x.var((0, 1), ddof=1)
    close(layer.running_mean, mean)
    close(layer.running_var, variance)
    before = layer.running_mean
    layer.eval()(mx.ones((3, 4)))
    assert layer.running_mean is before


def test_running_numbers_keep_their_dtype():
    layer = nn.BatchNorm(4)
    layer.set_dtype(mx.float16)
    for dtype in (mx.float16, mx.float32):
        layer(mx.array(random(5, 4)).astype(dtype))
    assert layer.running_mean.dtype == layer.running_var.dtype == mx.float16


def test_without_running_numbers_the_batch_counts_outside_training_too():
    layer, x = nn.BatchNorm(4, track_running_stats=False).eval(), random(6, 4)
    close(layer(mx.array(x).astype(mx.float32)), standard(x, 0))
    assert names(layer.parameters()) == ["weight", "bias"]


def test_running_numbers_stay_frozen():
    layer = nn.BatchNorm(4)
    assert layer.unfreeze() is layer
    assert names(layer.trainable_parameters()) == ["weight", "bias"]
    layer.freeze()
    layer.unfreeze(keys=["running_mean", "weight"])
    assert names(layer.trainable_parameters()) == ["weight"]


def test_a_training_step_compiled_with_its_state_moves_the_running_numbers():
    mx.random.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.ReLU(), nn.Linear(4, 1))
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.ReLU(), nn.Linear(4, 1))
    other.update(model.parameters())

    def stepper(model, optimizer):
        def step(x):
            loss, gradients = nn.value_and_grad(model, lambda x: model(x).square().mean())(x)
            optimizer.update(model, gradients)
            return loss

        return step

    optimizer = optim.SGD(0.1)
    state = [model.state, optimizer.state]
    compiled = partial(mx.compile, inputs=state, outputs=state)(stepper(model, optimizer))
    eager = stepper(other, optim.SGD(0.1))
    for seed in range(3):
        x = mx.array(random(8, 3, seed=seed)).astype(mx.float32)
        close(compiled(x), numbers(eager(x)))
    for name in ("running_mean", "running_var", "weight"):
        close(model.layers[1][name], numbers(other.layers[1][name]))
    assert abs(model.layers[1].running_mean).max().item() > 1e-3


# -- all --


@pytest.mark.parametrize(
    "layer",
    [nn.GroupNorm(2, 4), nn.GroupNorm(2, 4, pytorch_compatible=True), nn.InstanceNorm(4), nn.BatchNorm(4)],
)
def test_halves_whose_squares_overflow_are_standardised(layer):
    x = 5000 * random(3, 50, 4)
    half = mx.array(x).astype(mx.float16)
    layer.set_dtype(mx.float16)
    y = layer(half)
    wide = (
        nn.BatchNorm(4)(half.astype(mx.float32))
        if isinstance(layer, nn.BatchNorm)
        else layer(half.astype(mx.float32))
    )
    assert y.dtype == mx.float16 and mx.isfinite(y).all().item()
    close(y, numbers(wide), mx.float16)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nn.GroupNorm(3, 4), "GroupNorm.*divides 4 channels, got 3"),
        (lambda: nn.GroupNorm(0, 4), "GroupNorm"),
        (lambda: nn.GroupNorm(2, 4)(mx.zeros((2, 3, 6))), "GroupNorm.*got shape"),
        (lambda: nn.GroupNorm(2, 4)(mx.zeros(4)), "GroupNorm.*got shape"),
        (lambda: nn.InstanceNorm(4)(mx.zeros((2, 4))), "InstanceNorm.*got shape"),
        (lambda: nn.BatchNorm(4)(mx.zeros(4)), "BatchNorm.*got shape"),
        (lambda: nn.BatchNorm(4)(mx.zeros((1, 2, 3, 4, 4))), "BatchNorm.*got shape"),
        (lambda: nn.BatchNorm(4)(mx.zeros((3, 5))), "BatchNorm.*got shape"),
        (lambda: nn.BatchNorm(4)(mx.zeros((1, 4))), "BatchNorm.*more than one value"),
    ],
)
def test_shapes_that_do_not_fit_are_value_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# -- dropout --

SHAPES = [
    (nn.Dropout2d, (40, 5, 3, 50)),
    (nn.Dropout2d, (5, 3, 500)),
    (nn.Dropout3d, (40, 2, 5, 3, 50)),
    (nn.Dropout3d, (2, 5, 3, 500)),
]


@pytest.mark.parametrize("kind, shape", SHAPES)
def test_whole_channels_are_dropped_and_the_others_grow(kind, shape):
    mx.random.seed(0)
    y = numbers(kind(0.25)(mx.ones(shape)))
    spatial = tuple(range(-2, -1 - (3 if kind is nn.Dropout2d else 4) + 1, -1))
    first = y[(slice(None),) * (y.ndim + min(spatial)) + (slice(0, 1),) * len(spatial)]
    assert (y == first).all()
    assert set(np.round(np.unique(y), 4)) == {0, 1.3333}
    assert abs((first == 0).mean() - 0.25) < 0.06


@pytest.mark.parametrize("kind, shape", [(nn.Dropout, (3, 4)), *SHAPES])
def test_dropout_rests_outside_training_and_without_probability(kind, shape):
    x = mx.ones(shape)
    assert kind(0.5).eval()(x) is x and kind(0.0)(x) is x
    assert kind(0.5)(x.astype(mx.bfloat16)).dtype == mx.bfloat16


@pytest.mark.parametrize("kind, shape", SHAPES)
def test_the_gradient_passes_where_nothing_was_dropped(kind, shape):
    x = mx.ones(shape)
    y, gradient = mx.value_and_grad(lambda x: kind(0.5)(x).sum())(x)
    assert set(np.unique(numbers(gradient))) == {0, 2}
    assert y.item() == pytest.approx(numbers(gradient).sum(), rel=1e-6)


@pytest.mark.parametrize(
    "kind, wrong", [(nn.Dropout2d, (2, 5)), (nn.Dropout3d, (2, 5, 6)), (nn.Dropout3d, (2,) * 6)]
)
def test_probabilities_and_dimensions_out_of_range_are_value_errors(kind, wrong):
    for p in (-0.1, 1.0):
        with pytest.raises(ValueError, match=rf"\[{kind.__name__}\] expected a probability in \[0, 1\)"):
            kind(p)
    with pytest.raises(ValueError, match=rf"\[{kind.__name__}\] expected x"):
        kind(0.5)(mx.zeros(wrong))
