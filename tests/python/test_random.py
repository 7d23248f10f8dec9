"""Random numbers: the numbers of MLX 0.32 for a key, and the moments of each distribution."""

import math

import mlx.core as mx
import numpy as np
import pytest

R = mx.random
KEY = R.key(2024)
LOGITS = mx.array([[0.1, 0.5, -0.3, 1.2, 0.0], [2.0, 0.0, 0.0, 0.0, -1.0]])
NUMBERS = [
    ("key", lambda: R.key(2**40 + 5),
     [256, 5]),
    ("split", lambda: R.split(KEY, 3),
     [[871888290, 3784946017], [3809071079, 534719396], [943282923, 1174458418]]),
    ("uniform", lambda: R.uniform(shape=(5,), key=KEY),
     [0.2030023, 0.8812514, 0.4449264, 0.1244991, 0.2196252]),
    ("uniform f16", lambda: R.uniform(-1, 2, (4,), mx.float16, KEY),
     [0.4980469, -0.1899414, 0.9570312, 1.371094]),
    ("uniform bf16", lambda: R.uniform(shape=(4,), dtype=mx.bfloat16, key=KEY),
     [0.5, 0.2695312, 0.6523438, 0.7890625]),
    ("uniform arrays", lambda: R.uniform(mx.array([0.0, 10, -5]), mx.array([1.0, 20, 5]), (2, 3), key=KEY),
     [[0.2030023, 18.81252, 3.868685], [0.1244991, 12.19625, -2.265501]]),
    ("normal", lambda: R.normal((5,), key=KEY),
     [-0.830945, 1.181266, -0.1384903, -1.152786, -0.7734596]),
    ("normal loc scale f16", lambda: R.normal((4,), mx.float16, 3.0, 0.5, KEY),
     [2.998047, 2.693359, 3.195312, 3.404297]),
    ("randint", lambda: R.randint(-10, 100, (8,), key=KEY),
     [92, 99, 98, -9, -6, 86, 27, 19]),
    ("randint u8", lambda: R.randint(0, 255, (2, 3), mx.uint8, KEY),
     [[51, 224, 226], [31, 56, 69]]),
    ("bernoulli", lambda: R.bernoulli(0.3, (10,), KEY),
     [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("bernoulli array", lambda: R.bernoulli(mx.array([0.1, 0.5, 0.9, 0.99]), key=KEY),
     [0, 1, 1, 1]),
    ("categorical", lambda: R.categorical(LOGITS, key=KEY),
     [1, 3]),
    ("categorical axis 0", lambda: R.categorical(LOGITS, 0, key=KEY),
     [1, 0, 1, 1, 1]),
    ("categorical samples", lambda: R.categorical(LOGITS, num_samples=6, key=KEY),
     [[4, 3, 4, 1, 1, 4], [0, 0, 4, 1, 3, 0]]),
    ("categorical shape", lambda: R.categorical(LOGITS, shape=(3, 2), key=KEY),
     [[3, 0], [3, 3], [3, 3]]),
    ("categorical vector", lambda: R.categorical(LOGITS[0], key=KEY),
     1),
    ("categorical one", lambda: R.categorical(LOGITS[:1], key=KEY),
     [3]),
    ("categorical one samples", lambda: R.categorical(LOGITS[0], num_samples=8, key=KEY),
     [4, 4, 4, 0, 0, 4, 1, 1]),
    ("categorical one column", lambda: R.categorical(LOGITS[:1].T, 0, num_samples=4, key=KEY),
     [[3, 1, 3, 3]]),
    ("categorical one shape", lambda: R.categorical(LOGITS[:1], shape=(2, 3), key=KEY),
     [[1, 4, 4], [0, 1, 1]]),
    ("truncated_normal", lambda: R.truncated_normal(-1.0, 2.0, (5,), key=KEY),
     [-0.4542294, 1.175202, 0.05735721, -0.6415905, -0.4167264]),
    ("gumbel", lambda: R.gumbel((5,), key=KEY),
     [-0.4665839, 2.068206, 0.2109108, -0.7340285, -0.4159651]),
    ("laplace", lambda: R.laplace((5,), loc=1.0, scale=2.0, key=KEY),
     [2.802781, -1.875199, 1.233398, 3.78062, 2.645371]),
    ("permutation", lambda: R.permutation(9, key=KEY),
     [0, 4, 3, 6, 5, 2, 1, 7, 8]),
    ("permutation rows", lambda: R.permutation(mx.arange(8).reshape(4, 2), key=KEY),
     [[2, 3], [0, 1], [4, 5], [6, 7]]),
    ("permutation columns", lambda: R.permutation(mx.arange(8).reshape(2, 4), axis=1, key=KEY),
     [[1, 0, 2, 3], [5, 4, 6, 7]]),
    ("normal complex", lambda: mx.view(R.normal((2,), mx.complex64, key=KEY), mx.float32),
     [-0.001424591, -0.4335106, 0.2768249, 0.5712914]),
]  # fmt: skip


def close(got, want):
    """Equal where integer; floats may differ in the last digits of erfinv and log."""
    got = np.array(got.astype(mx.float32) if got.dtype in (mx.float16, mx.bfloat16) else got)
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=5e-6)


@pytest.mark.parametrize("draw, numbers", [n[1:] for n in NUMBERS], ids=[n[0] for n in NUMBERS])
def test_a_key_gives_the_numbers_of_mlx(draw, numbers):
    close(draw(), numbers)
    close(draw(), numbers)


def test_a_seed_gives_the_sequence_of_mlx():
    for _ in range(2):
        R.seed(42)
        close(R.uniform(shape=(3,)), [0.2851703, 0.6119449, 0.1756526])
        close(R.normal((3,)), [0.6790337, -1.220605, 0.9467063])
        close(R.randint(0, 1000, (3,)), [461, 769, 805])
        assert R.state[0].tolist() == [1536900715, 689864229]


def test_draws_differ_and_the_state_can_be_put_back():
    R.seed(1)
    state = R.state[0]
    first, second = R.uniform(shape=(4,)), R.uniform(shape=(4,))
    assert not mx.array_equal(first, second)
    R.state[0] = state
    assert mx.array_equal(first, R.uniform(shape=(4,)))


def test_compiled_functions_draw_anew_at_each_call():
    f = mx.compile(lambda: R.uniform(shape=(4,)), inputs=R.state, outputs=R.state)
    R.seed(3)
    compiled = [f().tolist() for _ in range(2)]
    R.seed(3)
    assert compiled == [R.uniform(shape=(4,)).tolist() for _ in range(2)]
    assert compiled[0] != compiled[1]


N = 200_000
EULER = 0.5772156649
MOMENTS = [
    (lambda: R.uniform(2, 5, (N,), key=KEY), 3.5, 9 / 12, 2, 5),
    (lambda: R.uniform(-1, 1, (N,), mx.bfloat16, KEY), 0, 1 / 3, -1, 1),
    (lambda: R.normal((N,), loc=1.0, scale=3.0, key=KEY), 1, 9, -20, 20),
    (lambda: R.normal((N,), mx.float16, key=KEY), 0, 1, -6, 6),
    (lambda: R.randint(-3, 4, (N,), key=KEY), 0, 4, -3, 3),
    (lambda: R.bernoulli(0.3, (N,), KEY).astype(mx.float32), 0.3, 0.21, 0, 1),
    (lambda: R.truncated_normal(-1.0, 1.0, (N,), key=KEY), 0, 0.29112509, -1, 1),
    (lambda: R.gumbel((N,), key=KEY), EULER, math.pi**2 / 6, -5, 30),
    (lambda: R.laplace((N,), loc=1.0, scale=2.0, key=KEY), 1, 8, -60, 60),
]  # fmt: skip


@pytest.mark.parametrize("draw, mean, variance, low, high", MOMENTS)
def test_mean_variance_and_range(draw, mean, variance, low, high):
    x = np.array(draw().astype(mx.float32)).astype(np.float64)
    spread = math.sqrt(variance / N)
    assert abs(x.mean() - mean) < 5 * spread
    assert x.var() == pytest.approx(variance, rel=0.03)
    assert x.min() >= low and x.max() <= high


@pytest.mark.parametrize("rows", [1, 2], ids=["one distribution", "two"])
def test_categorical_follows_the_softmax(rows):
    samples = np.array(R.categorical(LOGITS[:rows], num_samples=N, key=KEY))
    for logits, drawn in zip(np.array(LOGITS), samples, strict=False):
        p = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(np.bincount(drawn, minlength=5) / N, p, atol=5 * 0.5 / math.sqrt(N))


# low, high, dtype: ranges that float32 doesn't count in.
BEYOND_FLOATS = [(-(2**24) - 4, -(2**24), mx.int32), (2**24, 2**24 + 3, mx.int32), (2**30, 2**30 + 65, mx.int32),
                 (2**31 - 3, 2**31 - 1, mx.int32), (-(2**31), 2**31 - 1, mx.int32), (-(2**24), 2**24, mx.int32),
                 (2**31, 2**32 - 1, mx.uint32), (2**32 - 9, 2**32, mx.uint32), (0, 2**63, mx.uint64),
                 (2**64 - 8, 2**64 - 1, mx.uint64), (1, 2**64 - 1, mx.uint64), (2**53, 2**53 + 5, mx.int64),
                 (-(2**63), 2**63 - 1, mx.int64), (-(2**63), -(2**63) + 3, mx.int64)]  # fmt: skip


@pytest.mark.parametrize("low, high, dtype", BEYOND_FLOATS)
@pytest.mark.parametrize("constant", [True, False])
def test_integers_of_any_range_are_uniform_in_it(low, high, dtype, constant):
    wide = mx.uint64 if high >= 2**63 else mx.int64
    bounds = (low, high) if constant else (mx.array([low, low], wide)[:1], mx.array([high, high], wide)[:1])
    drawn = [int(x) for x in R.randint(*bounds, (20000,), dtype, KEY).tolist()]
    assert low <= min(drawn) and max(drawn) < high
    span = high - low
    cells = span if span < 100 else 16
    counts = np.bincount([(x - low) * cells // span for x in drawn], minlength=cells)
    assert (abs(counts - 20000 / cells) < 5 * math.sqrt(20000 / cells)).all()
    if span > 2**40:
        odd = sum(x % 2 for x in drawn)
        assert abs(odd - 10000) < 400 and len(set(drawn)) > 19990


def test_a_range_within_float32_has_its_numbers_beside_ranges_beyond_it():
    low, high = mx.array([-5, 2**30, 0]), mx.array([2**24, 2**30 + 3, 7])
    drawn = R.randint(low, high, (100, 3), key=KEY)
    for i in (0, 2):
        alone = R.randint(low[i].item(), high[i].item(), (100, 3), key=KEY)
        assert drawn[:, i].tolist() == alone[:, i].tolist()
    assert set(drawn[:, 1].tolist()) == {2**30, 2**30 + 1, 2**30 + 2}


def test_an_empty_range_gives_its_lower_end():
    for low, high in ((5, 5), (9, 3), (2**40, 2**40), (2**40, -(2**40))):
        assert R.randint(low, high, (3,), mx.int64, KEY).tolist() == [low] * 3


def test_categorical_never_draws_what_is_impossible():
    drawn = R.categorical(mx.array([-math.inf, 0.0, -math.inf, 0.0, -math.inf]), num_samples=1000, key=KEY)
    assert set(drawn.tolist()) == {1, 3}
    drawn = R.categorical(mx.array([[-math.inf, 0.0, 0.0], [0.0, -math.inf, 0.0]]), num_samples=500, key=KEY)
    assert set(drawn[0].tolist()) == {1, 2} and set(drawn[1].tolist()) == {0, 2}


def test_permutations_hold_every_element_once():
    assert sorted(R.permutation(1000, key=KEY).tolist()) == list(range(1000))
    rows = np.array(R.permutation(mx.arange(300).reshape(100, 3), key=KEY))
    assert sorted(rows[:, 0].tolist()) == list(range(0, 300, 3)) and (np.diff(rows, axis=1) == 1).all()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (1001,)], ids=str)
def test_every_shape_is_served(shape):
    for draw in (R.uniform, R.normal, R.gumbel, R.laplace):
        assert draw(shape=shape, key=KEY).shape == shape
    assert R.randint(0, 9, shape, key=KEY).shape == shape
    assert R.bernoulli(0.5, shape, KEY).shape == shape


@pytest.mark.parametrize("call", [
    lambda: R.uniform(mx.zeros(3), 1, (2,)), lambda: R.categorical(mx.zeros((2, 3)), shape=(3,)),
    lambda: R.categorical(mx.zeros((1, 1, 3)), shape=(3,)), lambda: R.uniform(key=mx.zeros(2)),
    lambda: R.uniform(key=mx.zeros(3, mx.uint32)), lambda: R.randint(0, 1, (2,), mx.float32),
    lambda: R.bernoulli(mx.array([0.5, 0.5]), (3,)), lambda: R.categorical(mx.zeros((1, 0)), num_samples=1),
    lambda: R.uniform(shape=(-1,)),
])  # fmt: skip
def test_wrong_arguments_raise_value_errors(call):
    with pytest.raises(ValueError):
        call()
