"""Attention on a GPU gives what it gives on the CPU, whichever kernel serves it."""

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU

pytestmark = pytest.mark.skipif(not HAS_GPU, reason="compares a GPU's results with the CPU's")

TOLERANCES = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 4e-6, "float64": 1e-13}
LONG = pytest.mark.skipif(
    HAS_GPU and "mulated" in mx.device_info(mx.gpu)["device_name"],
    reason="takes minutes where a GPU is emulated",
)


def random(shape, dtype, rng):
    with mx.stream(mx.cpu):
        return mx.array(rng.standard_normal(shape)).astype(getattr(mx, dtype))


def widened(x):
    with mx.stream(mx.cpu):
        return np.array(x.astype(mx.float64))


def check(q, k, v, **options):
    options = {"scale": q.shape[-1] ** -0.5} | options
    got = widened(mx.fast.scaled_dot_product_attention(q, k, v, **options))
    want = widened(mx.fast.scaled_dot_product_attention(q, k, v, **options, stream=mx.cpu))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCES[str(q.dtype).split(".")[-1]])


def operands(heads, kv_heads, queries, keys, width, dtype, batch=1):
    rng = np.random.default_rng(queries + 7 * keys + width)
    kv = (batch, kv_heads, keys, width)
    return random((batch, heads, queries, width), dtype, rng), random(kv, dtype, rng), random(kv, dtype, rng)


WIDTHS = 64, 80, 96, 128, 256
HALVES = "float16", "bfloat16"


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("width", WIDTHS)
def test_tiles_of_queries_give_the_cpus_rows(width, dtype):
    check(*operands(2, 2, 70, 130, width, dtype))
    check(*operands(4, 2, 33, 64, width, dtype, batch=2))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("queries, keys", [(150, 150), (65, 200), (64, 63), (200, 70)])
def test_causal_tiles_end_where_rows_do(queries, keys, width):
    check(*operands(4, 2, queries, keys, width, "float16"), mask="causal")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["bool", "additive", "rows", "infinite"])
@pytest.mark.parametrize("queries, keys", [(3, 150), (70, 150)])
def test_masks_hide_and_add(queries, keys, kind, width):
    rng = np.random.default_rng(5)
    q, k, v = operands(2, 1, queries, keys, width, "float16")
    shape = (1, 2, queries, keys) if kind != "rows" else (keys,)
    hidden = rng.random(shape) < 0.4
    if kind == "bool":
        hidden[:, :, 0] = True  # a row that sees nothing
    if kind == "infinite":
        hidden[..., 0] = False
        mask = mx.array(np.where(hidden, -np.inf, 0)).astype(mx.float16)
    elif kind == "bool":
        mask = mx.array(~hidden)
    else:
        mask = random(shape, "float16", rng)
    check(q, k, v, mask=mask)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("queries", [1, 2, 60])
def test_sinks_take_their_part(queries, width):
    q, k, v = operands(4, 2, queries, 90, width, "bfloat16")
    sinks = random((4,), "bfloat16", np.random.default_rng(1))
    check(q, k, v, sinks=sinks)
    check(q, k, v, sinks=sinks, mask="causal")


@pytest.mark.parametrize("queries", [1, 5, 80])
@pytest.mark.parametrize("width", [64, 96, 128])
def test_operands_may_lie_in_any_order(width, queries):
    """Heads after positions, as projections leave them; a part of a longer cache; one key head for all."""
    rng = np.random.default_rng(2)
    q = random((2, queries, 4, width), "float16", rng).transpose(0, 2, 1, 3)
    k, v = (random((2, 2, 300, width), "float16", rng)[:, :, 10:200] for _ in range(2))
    check(q, k, v)
    check(q, mx.broadcast_to(k[:, :1], k.shape), v[:, :, ::-1])


@pytest.mark.parametrize("scale", [0.0, -0.3, 3.0])
@pytest.mark.parametrize("queries", [2, 70])
def test_any_scale(queries, scale):
    check(*operands(2, 2, queries, 70, 64, "float16"), scale=scale, mask="causal")


@pytest.mark.parametrize("queries", [1, 70])
def test_what_is_not_a_number_stays_in_its_rows(queries):
    q, k, v = operands(2, 2, queries, 70, 64, "float16")
    q = mx.where(mx.arange(2)[:, None, None] == 1, q, mx.nan).astype(mx.float16)
    got = widened(
        mx.fast.scaled_dot_product_attention(q, k, v, scale=0.1, mask=mx.ones((queries, 70), mx.bool_))
    )
    assert np.isnan(got[:, 0]).all() and np.isfinite(got[:, 1]).all()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("keys", [1, 15, 63, 900])
@pytest.mark.parametrize("heads, kv_heads", [(8, 1), (3, 3), (20, 1)])
def test_decoding_rows_split_the_keys(heads, kv_heads, keys, width):
    check(*operands(heads, kv_heads, 1, keys, width, "bfloat16"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("mask", [None, "causal", "additive"])
def test_some_rows_split_the_keys(mask, width):
    """As when a part of a prompt follows a long cache."""
    q, k, v = operands(8, 2, 40, 700, width, "float16")
    check(
        q, k, v, mask=random((40, 700), "float16", np.random.default_rng(3)) if mask == "additive" else mask
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("queries", [1, 40])
def test_wide_floats(queries, dtype):
    check(*operands(4, 2, queries, 90, 64, dtype), mask="causal")


@LONG
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("mask", [None, "causal"])
@pytest.mark.parametrize("width", [64, 80, 128, 256])
@pytest.mark.parametrize("queries, keys", [(1024, 1024), (1024, 2048), (1000, 1001)])
def test_long_attention(queries, keys, width, mask, dtype):
    """cuDNN's where it is there and takes them."""
    q, k, v = operands(4, 2, queries, keys, width, dtype, batch=2)
    check(q, k, v, mask=mask)
    check(q, k, v, mask=mask)  # by the plan that was kept
    check(q, k, v, mask=mask, scale=0.05)  # by the same plan
    check(*(mx.contiguous(x.swapaxes(1, 2)).swapaxes(1, 2) for x in (q, k, v)), mask=mask)
