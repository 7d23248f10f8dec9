"""mlx.optimizers: every update against the recurrence in NumPy, schedules, clipping, state."""

import math
import pickle
from collections import namedtuple

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten

RNG = np.random.default_rng(5)
START = RNG.normal(size=(3, 4))
GRADIENTS = RNG.normal(size=(6, 3, 4))
RATE = 0.1


def follow(update):
    """START after the gradients: update(p, g, state, step from 1) -> p, with a state of zeros by default."""
    p, state = START, {}
    for i, g in enumerate(GRADIENTS):
        p = update(p, g, state, i + 1)
    return p


def running(state, key, old, new, value):
    state[key] = old * state.get(key, 0) + new * value
    return state[key]


def sgd(p, g, s, t):
    g = g + 0.01 * p
    v = running(s, "v", 0.9, 0.8, g)
    return p - RATE * v


def nesterov(p, g, s, t):
    return p - RATE * (g + 0.9 * running(s, "v", 0.9, 1, g))


def adam(p, g, s, t):
    m, v = running(s, "m", 0.9, 0.1, g), running(s, "v", 0.999, 0.001, g**2)
    return p - RATE * m / (np.sqrt(v) + 1e-8)


def adam_corrected(p, g, s, t):
    m, v = running(s, "m", 0.8, 0.2, g), running(s, "v", 0.9, 0.1, g**2)
    return p - RATE * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-8)


def adamw(p, g, s, t):
    return adam(p * (1 - RATE * 0.05), g, s, t)


def adamax(p, g, s, t):
    m = running(s, "m", 0.9, 0.1, g)
    s["v"] = np.maximum(0.999 * s.get("v", 0), np.abs(g))
    return p - RATE * m / (s["v"] + 1e-8)


def rmsprop(p, g, s, t):
    return p - RATE * g / (np.sqrt(running(s, "v", 0.99, 0.01, g**2)) + 1e-8)


def adagrad(p, g, s, t):
    return p - RATE * g / (np.sqrt(running(s, "v", 1, 1, g**2)) + 1e-8)


def adadelta(p, g, s, t):
    v = running(s, "v", 0.9, 0.1, g**2)
    d = np.sqrt(s.get("u", 0) + 1e-6) / np.sqrt(v + 1e-6) * g
    running(s, "u", 0.9, 0.1, d**2)
    return p - RATE * d


def lion(p, g, s, t):
    c = 0.9 * s.get("m", 0) + 0.1 * g
    running(s, "m", 0.99, 0.01, g)
    return p - RATE * (np.sign(c) + 0.05 * p)


def rms(x):
    return np.sqrt((x**2).mean())


def adafactor(p, g, s, t):
    decay = 1 - t**-0.8
    row, column = ((g**2 + 1e-30).mean(axis) for axis in (1, 0))
    row, column = running(s, "row", decay, 1 - decay, row), running(s, "column", decay, 1 - decay, column)
    u = g / np.sqrt(np.outer(row, column) / row.mean())
    return p - min(0.01, 1 / math.sqrt(t)) * max(1e-3, rms(p)) * u / max(1, rms(u))


def muon(p, g, s, t):
    v = running(s, "v", 0.9, 0.1, g)
    x = v / np.linalg.norm(v)
    u, sigma, w = np.linalg.svd(x, full_matrices=False)
    for _ in range(5):
        sigma = 3.4445 * sigma - 4.7750 * sigma**3 + 2.0315 * sigma**5
    return p - RATE * (u * sigma) @ w


UPDATES = [
    (lambda: optim.SGD(RATE), lambda p, g, s, t: p - RATE * g),
    (lambda: optim.SGD(RATE, momentum=0.9, weight_decay=0.01, dampening=0.2), sgd),
    (lambda: optim.SGD(RATE, momentum=0.9, nesterov=True), nesterov),
    (lambda: optim.Adam(RATE), adam),
    (lambda: optim.Adam(RATE, betas=[0.8, 0.9], bias_correction=True), adam_corrected),
    (lambda: optim.AdamW(RATE, weight_decay=0.05), adamw),
    (lambda: optim.Adamax(RATE), adamax),
    (lambda: optim.RMSprop(RATE), rmsprop),
    (lambda: optim.Adagrad(RATE), adagrad),
    (lambda: optim.AdaDelta(RATE), adadelta),
    (lambda: optim.Lion(RATE, weight_decay=0.05), lion),
    (lambda: optim.Adafactor(), adafactor),
    (lambda: optim.Muon(RATE, momentum=0.9, weight_decay=0, nesterov=False), muon),
]


@pytest.mark.parametrize("make, update", UPDATES)
def test_updates_follow_their_recurrence(make, update):
    optimizer, parameters = make(), {"w": mx.array(START.astype(np.float32))}
    for g in GRADIENTS:
        parameters = optimizer.apply_gradients({"w": mx.array(g.astype(np.float32))}, parameters)
    np.testing.assert_allclose(np.array(parameters["w"]), follow(update), rtol=2e-4, atol=2e-5)
    assert optimizer.step.item() == len(GRADIENTS) and optimizer.step.dtype == mx.uint64


def factored(scale=True, rate=None, c=-0.8, clip=1, eps=(1e-30, 1e-3), beta=None, decay=0, warm=False):
    """Adafactor with options, for arrays of any dimensions."""

    def update(p, g, s, t):
        keep = 1 - t**c
        square = g**2 + eps[0]
        if g.ndim < 2:
            u = g / np.sqrt(running(s, "v", keep, 1 - keep, square))
        else:
            row = running(s, "row", keep, 1 - keep, square.mean(-1))
            column = running(s, "column", keep, 1 - keep, square.mean(-2))
            product = row[..., :, None] * column[..., None, :]
            u = g / np.sqrt(product / row.mean(-1, keepdims=True)[..., None])
        step = min(1e-6 * t if warm else 0.01, 1 / math.sqrt(t)) if rate is None else rate
        step = step * max(eps[1], rms(p)) if scale else step
        u = step * u / max(1, rms(u) / clip)
        if beta is not None:
            u = running(s, "m", beta, 1 - beta, u)
        return p * (1 - decay * step) - u

    return update


def orthogonalised(momentum=0.95, decay=0.01, nesterov=True, steps=5):
    """Muon with options, for arrays of any dimensions."""

    def update(p, g, s, t):
        g = g + decay * p
        v = running(s, "v", momentum, 1 - momentum, g)
        v = (1 - momentum) * g + momentum * v if nesterov else v
        if v.ndim < 2:
            return p - RATE * v
        x = v.reshape(len(v), -1)
        u, sigma, w = np.linalg.svd(x / np.linalg.norm(x), full_matrices=False)
        for _ in range(steps):
            sigma = 3.4445 * sigma - 4.7750 * sigma**3 + 2.0315 * sigma**5
        stretch = math.sqrt(max(1, x.shape[0] / x.shape[1]))
        return p - RATE * stretch * ((u * sigma) @ w).reshape(v.shape)

    return update


def adam_options(b1, b2, eps, decay=0.0, corrected=False):
    def update(p, g, s, t):
        m, v = running(s, "m", b1, 1 - b1, g), running(s, "v", b2, 1 - b2, g**2)
        if corrected:
            m, v = m / (1 - b1**t), v / (1 - b2**t)
        return p * (1 - RATE * decay) - RATE * m / (np.sqrt(v) + eps)

    return update


def scheduled(p, g, s, t):
    return p - 0.2 * 0.5 ** (t - 1) * running(s, "v", 0.5, 1, g)


OPTIONS = [
    (lambda: optim.Adam(RATE, [0.7, 0.8], 0.1), adam_options(0.7, 0.8, 0.1)),
    (lambda: optim.Adam(RATE, eps=0.1, bias_correction=True), adam_options(0.9, 0.999, 0.1, 0, True)),
    (
        lambda: optim.AdamW(RATE, [0.7, 0.8], 1e-3, 0.2, bias_correction=True),
        adam_options(0.7, 0.8, 1e-3, 0.2, True),
    ),
    (lambda: optim.SGD(optim.exponential_decay(0.2, 0.5), 0.5), scheduled),
    (lambda: optim.SGD(RATE, weight_decay=0.3), lambda p, g, s, t: p - RATE * (g + 0.3 * p)),
    (
        lambda: optim.RMSprop(RATE, 0.5, 0.1),
        lambda p, g, s, t: p - RATE * g / (np.sqrt(running(s, "v", 0.5, 0.5, g**2)) + 0.1),
    ),
    (lambda: optim.Adafactor(), factored()),
    (lambda: optim.Adafactor(warmup_init=True), factored(warm=True)),
    (lambda: optim.Adafactor(RATE, relative_step=False), factored(rate=RATE)),
    (
        lambda: optim.Adafactor(
            RATE, relative_step=False, scale_parameter=False, beta_1=0.5, weight_decay=0.1
        ),
        factored(False, RATE, beta=0.5, decay=0.1),
    ),
    (
        lambda: optim.Adafactor(eps=(1e-2, 2.0), clip_threshold=0.5, decay_rate=-0.5),
        factored(c=-0.5, clip=0.5, eps=(1e-2, 2.0)),
    ),
    (lambda: optim.Muon(RATE), orthogonalised()),
    (lambda: optim.Muon(RATE, 0.5, 0.2, False, 3), orthogonalised(0.5, 0.2, False, 3)),
]


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4,), (2, 3, 3, 4)])
@pytest.mark.parametrize("make, update", OPTIONS)
def test_options_change_the_recurrence_of_arrays_of_any_dimensions(make, update, shape):
    rng = np.random.default_rng(2)
    p, state = rng.normal(size=shape), {}
    optimizer, parameters = make(), {"w": mx.array(p.astype(np.float32))}
    for t in range(1, 6):
        g = rng.normal(size=shape)
        p = update(p, g, state, t)
        parameters = optimizer.apply_gradients({"w": mx.array(g.astype(np.float32))}, parameters)
    np.testing.assert_allclose(np.array(parameters["w"]), p, rtol=5e-4, atol=5e-5)


def test_a_compiled_step_updates_as_an_eager_one():
    for make, _ in UPDATES + OPTIONS:
        compiled, eager = make(), make()
        start = {"w": mx.array(START.astype(np.float32))}
        a = b = start
        compiled.init(start)
        step = mx.compile(compiled.apply_gradients, inputs=compiled.state, outputs=compiled.state)
        for g in GRADIENTS:
            a, b = (
                step({"w": mx.array(g.astype(np.float32))}, a),
                eager.apply_gradients({"w": mx.array(g.astype(np.float32))}, b),
            )
        np.testing.assert_allclose(np.array(a["w"]), np.array(b["w"]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [make for make, _ in UPDATES])
def test_every_optimizer_keeps_dtypes_and_takes_vectors(make):
    parameters = {"a": mx.ones(4, dtype=mx.float16), "b": [mx.ones((2, 3), dtype=mx.bfloat16)]}
    updated = make().apply_gradients(parameters, parameters)
    assert updated["a"].dtype == mx.float16 and updated["b"][0].dtype == mx.bfloat16
    assert updated["a"].shape == (4,) and mx.all(updated["a"] < 1).item()


@pytest.mark.parametrize(
    "make", [lambda: optim.SGD(0.1, momentum=0.9), lambda: optim.Adam(0.1), lambda: optim.AdamW(0.1)]
)
def test_optimizers_find_the_minimum_of_a_model(make):
    mx.random.seed(0)
    model, optimizer = nn.Linear(3, 1), make()
    x = mx.random.normal((64, 3))
    y = x @ mx.array([[1.0], [-2.0], [0.5]]) + 0.7
    step = nn.value_and_grad(model, lambda: nn.losses.mse_loss(model(x), y))
    for _ in range(200):
        loss, gradients = step()
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state)
    assert loss.item() < 1e-2


def test_the_state_lies_at_the_places_of_the_parameters():
    optimizer = optim.Adam(1e-3)
    assert optimizer.state["step"].item() == 0 and optimizer.learning_rate.dtype == mx.float32
    optimizer.init({"w": mx.ones(2), "layers": [{"b": mx.ones(3)}]})
    assert {name for name, _ in tree_flatten(optimizer.state)} == {
        "step", "learning_rate", "w.m", "w.v", "layers.0.b.m", "layers.0.b.v",
    }  # fmt: skip


def test_a_saved_state_goes_on_where_it_was():
    def run(optimizer, parameters, gradients):
        for g in gradients:
            parameters = optimizer.apply_gradients({"w": mx.array(g)}, parameters)
        return parameters

    first, start = optim.Adam(RATE), {"w": mx.array(START)}
    middle = run(first, start, GRADIENTS[:3])
    second = optim.Adam(RATE)
    second.state = tree_unflatten(tree_flatten(first.state))
    ends = run(second, middle, GRADIENTS[3:]), run(optim.Adam(RATE), start, GRADIENTS)
    assert mx.array_equal(ends[0]["w"], ends[1]["w"]) and second.step.item() == 6


def test_gradients_may_be_a_part_and_unknown_ones_are_key_errors():
    parameters = {"a": mx.ones(2), "b": mx.ones(2)}
    assert list(optim.SGD(0.1).apply_gradients({"a": mx.ones(2)}, parameters)) == ["a"]
    with pytest.raises(KeyError):
        optim.SGD(0.1).apply_gradients({"c": mx.ones(2)}, parameters)


def test_the_learning_rate_can_be_set_and_scheduled():
    optimizer = optim.SGD(0.5)
    optimizer.learning_rate = 0.25
    assert optimizer.apply_gradients({"w": mx.ones(1)}, {"w": mx.ones(1)})["w"].item() == 0.75
    optimizer = optim.SGD(lambda step: 1.0 / (step + 1))
    rates = []
    for _ in range(3):
        optimizer.apply_gradients({"w": mx.ones(1)}, {"w": mx.ones(1)})
        rates.append(optimizer.learning_rate.item())
    assert rates == pytest.approx([1, 1 / 2, 1 / 3])


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.SGD(0.1, nesterov=True),
        lambda: optim.SGD(0.1, momentum=0.9, dampening=0.1, nesterov=True),
        lambda: optim.Adam(0.1, eps=-1),
        lambda: optim.Adamax(0.1, eps=-1),
        lambda: optim.RMSprop(0.1, alpha=-1),
        lambda: optim.RMSprop(0.1, eps=-1),
        lambda: optim.Adagrad(0.1, eps=-1),
        lambda: optim.AdaDelta(0.1, rho=-1),
        lambda: optim.AdaDelta(0.1, eps=-1),
        lambda: optim.MultiOptimizer([optim.SGD(0.1), optim.SGD(0.1)], []),
        lambda: optim.linear_schedule(0, 1, 0),
        lambda: optim.join_schedules([], []),
        lambda: optim.join_schedules([optim.step_decay(1, 1, 1)], [3]),
    ],
)
def test_options_out_of_range_are_value_errors(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_the_base_class_leaves_updates_to_subclasses():
    with pytest.raises(NotImplementedError):
        optim.Optimizer().apply_gradients({"w": mx.ones(1)}, {"w": mx.ones(1)})


def test_several_optimizers_share_the_parameters():
    multi = optim.MultiOptimizer([optim.Adam(0.1), optim.SGD(1.0)], [lambda name, _: name.startswith("a")])
    updated = multi.apply_gradients({"a": mx.ones(1), "b": mx.ones(1)}, {"a": mx.ones(1), "b": mx.ones(1)})
    assert updated["b"].item() == 0 and updated["a"].item() == pytest.approx(
        1 - 0.1 * 0.1 / math.sqrt(0.001), rel=1e-4
    )
    adam_state, sgd_state = multi.state["states"]
    assert "m" in adam_state["a"] and "b" not in adam_state and "v" in sgd_state["b"]
    multi.learning_rate = 0.3
    assert [o.learning_rate.item() for o in multi.optimizers] == pytest.approx([0.3, 0.3])
    with pytest.raises(ValueError, match="states"):
        multi.state = {"states": []}


def test_the_first_filter_that_is_true_picks_the_optimizer():
    seen = []

    def wide(path, gradient):
        seen.append((path, gradient.shape))
        return gradient.ndim > 1 and "head" not in path

    def multi():
        parts = [optim.SGD(1.0), optim.SGD(2.0), optim.SGD(3.0)]
        return optim.MultiOptimizer(parts, [wide, lambda path, _: path.endswith("bias")])

    tree = {"head": {"weight": mx.ones((2, 2))}, "layers": [{"weight": mx.ones((2, 2)), "bias": mx.ones(2)}]}
    updated = multi().apply_gradients(tree, tree)
    assert updated["layers"][0]["weight"][0, 0].item() == 0
    assert updated["layers"][0]["bias"][0].item() == -1 and updated["head"]["weight"][0, 0].item() == -2
    assert ("layers.0.bias", (2,)) in seen
    model = nn.Linear(2, 2)
    before = model.bias
    multi().update(model, {"weight": mx.zeros((2, 2)), "bias": mx.ones(2)})
    assert mx.allclose(model.bias, before - 2).item()


@pytest.mark.parametrize(
    "schedule, expected",
    [
        (optim.exponential_decay(2.0, 0.5), [2, 1, 0.5, 0.25, 0.125]),
        (optim.step_decay(2.0, 0.5, 2), [2, 2, 1, 1, 0.5]),
        (optim.linear_schedule(0.0, 1.0, 4), [0, 0.25, 0.5, 0.75, 1, 1, 1]),
        (optim.cosine_decay(1.0, 4), [(1 + math.cos(math.pi * i / 4)) / 2 for i in range(5)] + [0]),
        (optim.cosine_decay(1.0, 2, end=0.5), [1, 0.75, 0.5, 0.5]),
        (
            optim.join_schedules([optim.linear_schedule(0.0, 1.0, 2), optim.step_decay(8.0, 0.5, 1)], [3]),
            [0, 0.5, 1, 8, 4, 2],
        ),
    ],
)
def test_schedules_take_their_values_at_ints_and_scalars(schedule, expected):
    for steps in (range(len(expected)), mx.arange(len(expected), dtype=mx.uint64)):
        values = [mx.array(schedule(step)).item() for step in steps]
        assert values == pytest.approx(expected, abs=1e-6)


def test_clipping_bounds_the_length_of_all_gradients_together():
    gradients = {"a": mx.array([3.0]), "b": [mx.array([[4.0]], dtype=mx.float16)]}
    clipped, norm = optim.clip_grad_norm(gradients, 1.0)
    assert norm.item() == 5 and clipped["b"][0].dtype == mx.float16
    assert clipped["a"].item() == pytest.approx(0.6) and clipped["b"][0].item() == pytest.approx(
        0.8, rel=1e-3
    )
    same, _ = optim.clip_grad_norm(gradients, 10.0)
    assert same["a"].item() == 3


def test_clipping_of_integers_gives_floats_and_of_large_halves_their_length():
    clipped, norm = optim.clip_grad_norm({"a": mx.array([3, 4])}, 1.0)
    assert norm.item() == 5 and clipped["a"].tolist() == pytest.approx([0.6, 0.8])
    clipped, norm = optim.clip_grad_norm([mx.array([300.0, 400.0], dtype=mx.float16)], 1.0)
    assert norm.item() == 500 and clipped[0].tolist() == pytest.approx([0.6, 0.8], rel=1e-3)


@pytest.mark.parametrize("make", [lambda: optim.Muon(0.1), lambda: optim.Adafactor(0.1, relative_step=False)])
def test_halves_whose_squares_overflow_are_updated(make):
    gradient, parameter = mx.full((4, 4), 150.0, dtype=mx.float16), mx.full((4, 4), 0.5, dtype=mx.float16)
    updated = make().apply_gradients({"a": gradient}, {"a": parameter})["a"]
    assert updated.dtype == mx.float16 and mx.isfinite(updated).all() and (updated != parameter).all()


def test_states_of_parameters_in_named_tuples():
    Pair = namedtuple("Pair", "x y")
    optimizer, parameters = optim.Adam(0.1), Pair(mx.array(1.0), [mx.array(2.0)])
    updated = optimizer.apply_gradients({"pair": parameters}, {"pair": parameters})["pair"]
    assert isinstance(updated, Pair) and updated.x.item() < 1 and updated.y[0].item() < 2


def test_optimizers_and_their_schedules_can_be_pickled():
    warm, decay = optim.linear_schedule(0.0, 0.1, 2), optim.cosine_decay(0.1, 10)
    for schedule in (
        0.1,
        optim.exponential_decay(0.1, 0.9),
        optim.step_decay(0.1, 0.5, 2),
        optim.join_schedules([warm, decay], [2]),
    ):
        optimizer = optim.AdamW(schedule)
        parameters = optimizer.apply_gradients({"w": mx.array(1.0)}, {"w": mx.array(2.0)})
        again = pickle.loads(pickle.dumps(optimizer))
        for _ in range(3):
            gradients = {"w": mx.array(0.5)}
            got = again.apply_gradients(gradients, parameters)["w"].item()
            assert got == optimizer.apply_gradients(gradients, parameters)["w"].item()


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW, optim.RMSprop, optim.AdaDelta])
def test_means_of_squares_that_overflow_halves_by_themselves_still_update(make):
    gradient, parameter = mx.full((2,), 300.0, dtype=mx.float16), mx.full((2,), 0.5, dtype=mx.float16)
    optimizer = make(0.1)
    optimizer.apply_gradients({"w": gradient}, {"w": parameter})
    assert all(mx.isfinite(v).all() and (v != 0).all() for v in optimizer.state["w"].values())
