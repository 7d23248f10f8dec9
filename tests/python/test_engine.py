"""What the engine must hold on whatever graph: limits of fused groups, donated memory, sessions of derivatives, streams."""

import mlx.core as mx
import numpy as np
import pytest
from devices import in_host_memory


@pytest.mark.parametrize("kept", [14, 15, 16, 17, 40])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_chain_may_keep_any_number_of_its_values(kept, compiled):
    def chain(h):
        values = []
        for _ in range(kept):
            h = h + 1
            values.append(h)
        return [*values, mx.cumsum(h * 2)]

    *values, total = (mx.compile(chain) if compiled else chain)(mx.array([1.0, 2.0]))
    mx.eval(total)
    assert total.tolist() == [2.0 * (1 + kept), 2.0 * (3 + 2 * kept)]
    assert [v.tolist() for v in values] == [[2.0 + k, 3.0 + k] for k in range(kept)]


def test_one_eval_may_span_any_number_of_streams():
    streams = [mx.new_stream(mx.cpu) for _ in range(20)]
    parts = [mx.add(mx.array([1.0]), float(k), stream=s) for k, s in enumerate(streams)]
    total = parts[0]
    for part, stream in zip(parts[1:], streams):
        total = mx.add(total, part, stream=stream)
    assert total.item() == 20 + 190


@pytest.mark.parametrize("start", range(1, 9))
@pytest.mark.parametrize("dtype", [mx.uint16, mx.float32, mx.int64])
def test_a_view_of_larger_elements_may_start_anywhere(start, dtype):
    size = mx.zeros((1,), dtype).itemsize
    raw = np.arange(start + 16 * size, dtype=np.uint8) % 60
    want = raw[start:].view(np.dtype(str(dtype).split(".")[-1]))
    view = mx.array(raw)[start:].view(dtype)
    assert np.array_equal(np.array(view), want)
    assert np.array_equal(np.array(mx.array(raw)[start:].view(dtype) + mx.zeros((16,), dtype)), want)


@in_host_memory
def test_values_read_inside_a_loss_let_go_of_their_graph():
    log, w = [], mx.random.normal((256, 256))

    def loss(w):
        value = (w @ w).sum()
        log.append(value)
        value.item()
        return value

    mx.eval(w)
    before = mx.get_active_memory()
    for _ in range(50):
        mx.eval(mx.grad(loss)(w))
    assert len(log) == 50 and mx.get_active_memory() - before < 4 * 256 * 256 * 4


def test_an_input_of_a_value_read_inside_a_loss_is_there_for_its_derivative():
    c = mx.array([1.0, 2.0, 3.0])

    def loss(x):
        y = (x * mx.exp(c * 0.5)).sum()  # exp of a constant: nobody else refers to it
        assert y.item() > 0
        return y * y

    x = mx.array([1.0, 1.0, 1.0])
    e = np.exp(np.array([0.5, 1.0, 1.5]))
    assert np.allclose(mx.grad(loss)(x), 2 * e.sum() * e, rtol=1e-5)


def test_a_recurrent_state_on_the_side_of_a_loss_is_evaluated_at_once_or_later():
    state = [mx.zeros((4, 4))]
    x = mx.ones((4, 4))

    def loss(w):
        state[0] = 0.5 * state[0] + (w @ w)
        return (w * w).sum()

    for _ in range(200):
        x = x - 0.0 * mx.grad(loss)(x)
        mx.async_eval(x, state[0])
    assert abs(state[0][0, 0].item() - 8.0) < 1e-4 and x.sum().item() == 16.0


def test_an_index_out_of_range_leaves_what_would_have_been_written_over():
    x = mx.arange(4, dtype=mx.float32) * 2.0
    y = x.at[mx.array([1, 9])].add(mx.array([1.0, 1.0]))
    total = x + 1.0
    del x
    with pytest.raises(IndexError):
        mx.eval(y)
    assert total.tolist() == [1.0, 3.0, 5.0, 7.0]
    with pytest.raises(IndexError):
        mx.eval(y)


def test_layouts_do_not_hang_on_what_was_evaluated():
    a = mx.contiguous(mx.random.normal((300, 200)))
    mx.eval(a)
    lazy = mx.tril(a.T).sum()
    kept = mx.tril(a.T)
    mx.eval(kept)
    assert lazy.item() == kept.sum().item()
