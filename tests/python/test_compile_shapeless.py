"""compile(shapeless=True) and export: one trace serves all sizes, with the bits of a trace of each, or says what can't."""

import inspect

import mlx.core as mx
import numpy as np
import pytest
from opinfo import OPS
from test_export import as_mx, same_bits


def counted(f, **kwargs):
    calls = []

    def g(*args):
        calls.append(1)
        return f(*args)

    return mx.compile(g, shapeless=True, **kwargs), calls


def arrays(*shapes):
    made = [mx.random.normal(s) for s in shapes]
    mx.eval(made)
    return made


# ---- Every op ----
def samples(op, dtype, small):
    return [
        mx.array(v) if op.follows and i not in op.follows else as_mx(v, dtype)
        for i, v in enumerate(op.samples(dtype, small=small))
    ]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_traced_for_one_size_gives_the_same_bits_for_another_or_an_error(op):
    dtype = "float32" if "float32" in op.dtypes else op.dtypes[0]
    small, large = samples(op, dtype, True), samples(op, dtype, False)
    f = mx.compile(op.call, shapeless=True)
    try:
        same_bits(f(*small), mx.compile(op.call)(*small))
    except (ValueError, IndexError):  # the small samples are not for this op
        return
    expected = mx.compile(op.call)(*large)
    try:
        result = f(*large)
    except ValueError as e:
        assert "expected" in str(e) and not op.elementwise
        return
    same_bits(result, expected)
    same_bits(f(*small), mx.compile(op.call)(*small))


@pytest.mark.parametrize("op", [op for op in OPS if op.smooth and op.elementwise], ids=lambda op: op.name)
def test_so_does_the_gradient_of_an_elementwise_op(op):
    dtype = "float32" if "float32" in op.dtypes else op.dtypes[0]
    g = mx.grad(lambda *a: op.call(*a).astype(mx.float32).mean(), argnums=op.smooth)
    small, large = samples(op, dtype, True), samples(op, dtype, False)
    f, calls = counted(g)
    f(*small)
    same_bits(f(*large), mx.compile(g)(*large))
    assert len(calls) == 1


# ---- What follows ----
FOLLOWING = {
    "reshape to -1": lambda x: x.reshape(-1),
    "reshape to -1 and 3": lambda x: x.reshape(-1, 3),
    "flatten": lambda x: x.flatten() + 1,
    "unflatten": lambda x: mx.unflatten(x, 1, (2, -1)),
    "new axes": lambda x: x[None, :, None] * 2,
    "first row": lambda x: x[0],
    "columns": lambda x: x[..., :3],
    "reversed": lambda x: x[::-1, ::-1],
    "mean": lambda x: x.mean(),
    "variance": lambda x: x.var(axis=0, ddof=1, keepdims=True),
    "normalised": lambda x: (x - x.mean(-1, keepdims=True)) * mx.rsqrt(x.var(-1, keepdims=True) + 1e-5),
    "softmax": lambda x: mx.softmax(x, axis=0),
    "logsumexp": lambda x: mx.logsumexp(x, axis=0, keepdims=True) - mx.logsumexp(x, axis=1, keepdims=True),
    "a layer": lambda x: mx.maximum(mx.addmm(mx.ones(5), x, mx.ones((6, 5))), 0),
    "a batch of a layer": lambda x: x[None] @ mx.ones((6, 5)),
    "a vector": lambda x: x @ mx.arange(6.0),
    "gram": lambda x: x @ x.T,
    "zeros": lambda x: mx.zeros_like(x) + mx.full((1,), 2.0),
    "take": lambda x: mx.take(x, mx.array([1, 0]), axis=1),
    "index arrays": lambda x: x[mx.array([0, 1]), mx.array([2, 3])],
    "padded": lambda x: mx.pad(x, ((1, 2), (0, 1))),
    "concatenated": lambda x: mx.concatenate([x, x], axis=0),
    "stacked": lambda x: mx.stack([x, x], axis=1),
    "broadcast": lambda x: mx.broadcast_arrays(x, mx.arange(6.0)),
    "sorted": lambda x: (mx.sort(x, axis=0), mx.argmax(x, axis=0), mx.cumsum(x)),
    "norms": lambda x: (mx.fast.rms_norm(x, None, 1e-5), mx.fast.layer_norm(x, None, None, 1e-5)),
    "transforms": lambda x: mx.fft.fft(x),
    "gradient of a mean": mx.grad(lambda x: (x * x).mean()),
    "gradient of a softmax": mx.grad(lambda x: (mx.softmax(x, -1) * mx.arange(6.0)).sum()),
    "gradient of a column": mx.grad(lambda x: mx.softmax(x, -1)[..., 0].sum()),
    "gradient of a layer": mx.value_and_grad(lambda x: mx.square(x @ mx.ones((6, 5))).mean()),
    "gradient of a batch": mx.grad(lambda x: mx.square(x[None] @ mx.ones((6, 5))).mean()),
    "gradient of a norm": mx.grad(lambda x: (mx.fast.rms_norm(x, mx.ones(6), 1e-5) ** 3).sum()),
    "gradient of a variance": mx.grad(lambda x: x.var(axis=0).sum()),
    "tangent": lambda x: mx.jvp(lambda x: mx.where(x > 0, x * 2, mx.sin(x)), [x], [mx.ones_like(x)]),
    "vmap": mx.vmap(lambda row: mx.sin(row) * 2),
    "compiled": mx.compile(lambda x: mx.exp(x).sum(-1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWING)
def test_one_trace_serves_all_sizes(name, tmp_path):
    f = FOLLOWING[name]
    g, calls = counted(f)
    path = str(tmp_path / "f.mlxfn")
    mx.export_function(path, lambda x: leaves(f(x)), mx.ones((4, 6)), shapeless=True)
    imported = mx.import_function(path)
    for rows in (4, 2, 9, 4):
        (x,) = arrays((rows, 6))
        want = leaves(mx.compile(f)(x))
        same_bits(leaves(g(x)), want)
        same_bits(imported(x), want)
    assert len(calls) == 1


def leaves(result):
    return [a for r in result for a in leaves(r)] if isinstance(result, (tuple, list)) else [result]


def test_each_rank_and_dtype_has_a_trace():
    f, calls = counted(mx.exp)
    for shape in [(3,), (5,), (2, 3), (4, 1), (), (7,)]:
        f(mx.ones(shape))
        f(mx.ones(shape, mx.float16))
    assert len(calls) == 6


def test_several_inputs_and_results_follow_each_their_own():
    f, calls = counted(lambda x, y, w: {"p": x @ w + y, "s": [x.sum(0), (x * 2).astype(mx.int32)]})
    for n, k in [(3, 4), (1, 4), (5, 2), (3, 4)]:
        x, y, w = arrays((n, k), (6,), (k, 6))
        r = f(x, y, w)
        want = mx.compile(lambda x, y, w: (x @ w + y, x.sum(0), (x * 2).astype(mx.int32)))(x, y, w)
        same_bits([r["p"], *r["s"]], want)
    assert len(calls) == 1


@pytest.mark.parametrize("wrong, name", [
    (lambda x: x.reshape(6, 4), "reshape"), (lambda x: x[1:], "slice"), (lambda x: x[-1], "slice"),
    (lambda x: mx.broadcast_to(x, (3, 4, 6)), "broadcast_to"), (lambda x: mx.split(x, 2), "slice"),
    (lambda x: x + mx.arange(x.shape[0])[:, None], "add"), (lambda x: mx.as_strided(x, (2, 2), (1, 1)), "as_strided"),
    (lambda x: mx.fft.fft(x, axis=0), "fft"), (lambda x: x + mx.random.normal(x.shape), "add"),
    (lambda x: mx.tril(x), "where"), (lambda x: mx.topk(x, 2, axis=0), "partition"),
])  # fmt: skip
def test_what_cannot_follow_is_a_value_error_that_names_the_op(wrong, name):
    f, calls = counted(wrong)
    first = f(mx.ones((4, 6)))
    with pytest.raises(ValueError, match=rf"^\[{name}\] expected"):
        f(mx.ones((2, 6)))
    same_bits(f(mx.ones((4, 6))), first)
    assert len(calls) == 1


def test_gradients_know_which_axes_were_broadcast():
    def f(x, y):
        return mx.grad(lambda y: (x * y).sum())(y)

    g, calls = counted(f)
    for a, b in [((3, 4), (1, 4)), ((5, 4), (1, 4)), ((5, 4), (5, 4)), ((1, 4), (6, 4)), ((3, 4), (1, 4))]:
        x, y = arrays(a, b)
        same_bits(g(x, y), mx.compile(f)(x, y))
    assert len(calls) == 3


def test_state_is_seen_and_changed():
    state = {"w": mx.ones((6,)), "rate": mx.array(0.5)}

    def step(x):
        gradient = mx.grad(lambda w: mx.square(x * w).mean())(state["w"])
        state["w"] = state["w"] - state["rate"] * gradient
        return gradient

    f, calls = counted(step, inputs=state, outputs=state)
    for rows, rate in [(4, 0.5), (2, 0.25), (9, 0.0), (4, 1.0)]:
        (x,) = arrays((rows, 6))
        state["rate"] = mx.array(rate)
        before = state["w"]
        expected = before - rate * (2 * x * x * before).sum(0) / (6 * rows)
        f(x)
        assert mx.allclose(state["w"], expected, rtol=1e-5)
    assert len(calls) == 1


def test_a_shapeless_function_inside_another_trace_is_part_of_it():
    inner = mx.compile(lambda x: x.reshape(-1) * x.mean(), shapeless=True)
    f, calls = counted(lambda x: inner(x).sum() + mx.grad(lambda x: inner(x).sum())(x))
    for rows in (4, 2):
        (x,) = arrays((rows, 6))
        same_bits(f(x), mx.compile(lambda x: inner(x).sum() + mx.grad(lambda x: inner(x).sum())(x))(x))
    assert len(calls) == 1
    g = mx.grad(lambda x: inner(x).sum())
    for rows in (4, 2):
        (x,) = arrays((rows, 6))
        assert np.allclose(g(x), mx.grad(lambda x: (x.reshape(-1) * x.mean()).sum())(x), rtol=1e-4)


def test_a_failing_function_leaves_no_trace():
    ok = []

    def f(x):
        if not ok:
            raise KeyError("mine")
        return x + 1

    g = mx.compile(f, shapeless=True)
    with pytest.raises(KeyError):
        g(mx.ones(3))
    ok.append(1)
    assert g(mx.ones(4)).tolist() == [2] * 4


def test_a_compiled_function_is_described_as_the_function_inside():
    @mx.compile
    def scaled(x: mx.array, *, by: float = 2.0) -> mx.array:
        "x times a number."
        return x * by

    assert scaled.__name__ == "scaled" and scaled.__doc__ == "x times a number."
    assert scaled.__wrapped__(mx.array(1.0)).item() == 2
    assert scaled.__module__ == __name__ and scaled.__qualname__.endswith("scaled")
    assert str(inspect.signature(scaled)) == "(x: mlx.core.array, *, by: float = 2.0) -> mlx.core.array"
