"""The gated delta rule's states and dtypes, and what is said of backends that this build lacks."""

import mlx.core as mx
import numpy as np
import pytest
from opinfo import gated_delta


def sample(dtype=mx.float32, b=1, t=3, hk=2, hv=4, dk=8, dv=6):
    rng = np.random.default_rng(1)
    shapes = (b, t, hk, dk), (b, t, hk, dk), (b, t, hv, dv), (b, t, hv), (b, t, hv)
    return [mx.array(rng.uniform(0, 0.5, s).astype(np.float32)).astype(dtype) for s in shapes]


def test_the_state_is_float32_and_starts_at_zero():
    for dtype in (mx.float16, mx.bfloat16, mx.float32):
        outputs, state = mx.fast.gated_delta_update(*sample(dtype))
        assert outputs.dtype == dtype and state.dtype == mx.float32
        zeros = mx.fast.gated_delta_update(*sample(dtype), mx.zeros(state.shape))
        assert mx.array_equal(outputs, zeros[0]) and mx.array_equal(state, zeros[1])


def test_steps_one_by_one_give_what_all_give_at_once():
    inputs = sample(t=7)
    outputs, last = mx.fast.gated_delta_update(*inputs)
    state, rows = None, []
    for t in range(7):
        row, state = mx.fast.gated_delta_update(*[a[:, t : t + 1] for a in inputs], state)
        rows.append(row)
    np.testing.assert_allclose(np.array(mx.concatenate(rows, 1)), np.array(outputs), atol=1e-6)
    np.testing.assert_allclose(np.array(state), np.array(last), atol=1e-6)


def test_no_steps_leave_the_state():
    state = mx.ones((1, 4, 6, 8))
    outputs, last = mx.fast.gated_delta_update(*sample(t=0), state)
    assert outputs.shape == (1, 0, 4, 6) and mx.array_equal(state, last)


def test_a_long_sequence_agrees_with_the_recurrence():
    inputs = sample(t=300, dk=4, dv=3)
    outputs, state = mx.fast.gated_delta_update(*inputs)
    want = gated_delta(*[np.array(a, np.float64) for a in inputs], np.zeros((1, 4, 3, 4)))
    np.testing.assert_allclose(np.array(outputs), want[0], atol=1e-5)
    np.testing.assert_allclose(np.array(state), want[1], atol=1e-5)


def test_there_is_no_metal_and_no_cuda():
    assert not mx.metal.is_available() and not mx.cuda.is_available()
    assert mx.metal.device_info() == {}
    assert mx.metal.get_active_memory() == mx.get_active_memory()


def test_a_metal_kernel_can_be_described_but_not_run():
    kernel = mx.fast.metal_kernel("double", ["a"], ["out"], "out[0] = 2 * a[0];")
    with pytest.raises(RuntimeError, match="Metal"):
        kernel(inputs=[mx.ones(1)], grid=(1, 1, 1), threadgroup=(1, 1, 1), output_shapes=[(1,)])
