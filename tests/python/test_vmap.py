"""mx.vmap: axes and trees, errors, other transforms, rules of custom functions, random numbers, size."""

import gc
from functools import partial

import mlx.core as mx
import numpy as np
import pytest
from loops import check_against_loop, check_same, normal


# ---- Axes and trees ----
def test_axes_count_from_either_end():
    x = normal(2, 3, 4)
    for axis in range(-3, 3):
        for out in range(-3, 3):
            got = mx.vmap(lambda a: a * 2, axis, out)(x)
            np.testing.assert_array_equal(np.array(got), np.moveaxis(np.array(x * 2), axis, out))


def test_trees_of_arguments_and_results():
    x, y, z = normal(2, 3), normal(3, 2), normal(3)

    def f(pair, named):
        return {"sum": pair[0] + named["b"], "parts": [pair[1][0], (named["b"],)]}

    got = mx.vmap(f, ((0, [1]), {"b": None}), {"sum": 1, "parts": [0, None]})((x, [y]), {"b": z})
    assert list(got) == ["sum", "parts"]
    check_same([got["sum"], got["parts"][0], got["parts"][1][0]], [(x + z).T, y.T, z])


def test_an_axis_stands_for_all_arrays_below_it():
    x = normal(2, 3)
    check_same(
        mx.vmap(lambda t, k: t["a"][0] + t["b"] + k, (0, None))({"a": [x], "b": x}, x[0]), 2 * x + x[0]
    )
    check_same(mx.vmap(lambda t: t[0] * t[1])((x, x)), x * x)


def test_axes_of_a_single_argument_are_its_own_or_of_the_arguments():
    x, y = normal(2, 3), normal(3)
    f = lambda t: t["a"] + t["b"]  # noqa: E731
    for axes in ({"a": 0, "b": None}, ({"a": 0, "b": None},)):
        check_same(mx.vmap(f, axes)({"a": x, "b": y}), x + y)
    for axes in ((0, None), ((0, None),)):
        check_same(mx.vmap(lambda p: p[0] + p[1], axes)((x, y)), x + y)
    check_same(mx.vmap(lambda p: p[0], (1,))((x,)), x.T)


def test_what_is_no_array_may_be_passed_unmapped():
    x = normal(2, 3)
    check_same(
        mx.vmap(lambda a, n, s: a * n if s == "double" else a, (0, None, None))(x, 2.0, "double"), 2 * x
    )


def test_results_that_do_not_depend_on_mapped_arguments():
    x, w = normal(2, 3), normal(4)
    check_same(mx.vmap(lambda a: (a, w), out_axes=(0, 1))(x)[1], mx.stack([w, w], 1))
    check_same(mx.vmap(lambda a: (a, w * 2), out_axes=(0, None))(x)[1], w * 2)
    after = mx.vmap(lambda a: (a, mx.depends(w, a)), out_axes=(0, None))(x)[1]
    check_same(after * 1, w)
    check_same(mx.vmap(lambda a: mx.depends(w, a) * 2, out_axes=None)(x), w * 2)


def test_a_function_may_return_its_arguments_and_nothing():
    x = normal(2, 3)
    check_same(mx.vmap(lambda a: [a, a])(x), [x, x])
    assert mx.vmap(lambda a: ())(x) == ()


def test_the_name_of_the_function_stays():
    def some_name(a):
        return a

    assert mx.vmap(some_name).__name__ == "some_name"


# ---- Errors ----
X = mx.zeros((2, 3))


@pytest.mark.parametrize("axes, error, said", [
    (3, IndexError, r"\[vmap\] expected an axis of input 0 in \[-2, 2\), got 3"),
    (-3, ValueError, r"got -3"),
    (10**30, OverflowError, "too"),
    (None, ValueError, "at least one mapped input, got none"),
    (1.0, ValueError, "in_axes as int, None or a tree of them, got a float"),
    ("a", ValueError, "got a str"),
    ((0, 0, 0), ValueError, "expected in_axes for a tuple of 2, got a tuple of 3"),
    ([0, 0], ValueError, "expected in_axes for a tuple of 2, got a list of 2"),
    ((0, {"a": 0}), ValueError, "expected in_axes for a array, got a dict of 1"),
], ids=str)  # fmt: skip
def test_bad_in_axes(axes, error, said):
    with pytest.raises(error, match=said):
        mx.vmap(lambda a, b: a + b, axes)(X, X)


@pytest.mark.parametrize("axes, error, said", [
    (2, IndexError, r"\[vmap\] expected an axis of output 0 in \[-2, 2\), got 2"),
    (-3, ValueError, r"got -3"),
    (None, ValueError, "expected output 0, which has no mapped axis, not to depend on mapped inputs"),
    ((0, None), ValueError, "expected output 1"),
    ((0, 0, 0), ValueError, "expected out_axes for a tuple of 2, got a tuple of 3"),
    ([0, 0], ValueError, "expected out_axes for a tuple of 2, got a list of 2"),
    ("a", ValueError, "got a str"),
], ids=str)  # fmt: skip
def test_bad_out_axes(axes, error, said):
    with pytest.raises(error, match=said):
        mx.vmap(lambda a: (a, a * 2), 0, axes)(X)


def test_axes_that_change_while_they_are_read_do_no_harm():
    class Shrinking:
        def __index__(self):
            axes.clear()
            return 0

    axes = [Shrinking(), 0, 0]
    with pytest.raises(IndexError):
        mx.vmap(lambda p: p[0], axes)([X, X, X])


def test_sizes_of_mapped_axes_must_agree():
    with pytest.raises(ValueError, match=r"got 2 \(axis 0 of input 0\) and 3 \(axis 1 of input 1\)"):
        mx.vmap(lambda a, b: a + b, (0, 1))(X, X)


def test_keys_of_dicts_must_agree():
    with pytest.raises(ValueError, match="expected in_axes with the key 'a', got none"):
        mx.vmap(lambda d: d["a"], {"b": 0})({"a": X})


def test_scalars_have_no_axis_to_map():
    with pytest.raises(IndexError, match=r"in \[0, 0\), got 0"):
        mx.vmap(lambda a: a)(mx.array(1.0))


def test_what_is_mapped_is_an_array():
    with pytest.raises(ValueError, match="in_axes of None for what is not an array, got an axis for a float"):
        mx.vmap(lambda a, b: a)(X, 2.0)


def test_keyword_arguments_are_refused():
    with pytest.raises(TypeError, match="keyword"):
        mx.vmap(lambda a, b: a)(X, b=X)


@pytest.mark.parametrize("result", [2.0, None, (X, 1)], ids=str)
def test_results_must_be_arrays(result):
    with pytest.raises(ValueError, match="arrays"):
        mx.vmap(lambda a: result)(X)


def test_functions_are_needed():
    with pytest.raises(TypeError, match="function"):
        mx.vmap(3)


def test_exceptions_of_the_function_come_through():
    with pytest.raises(ZeroDivisionError):
        mx.vmap(lambda a: 1 // 0)(X)
    check_same(mx.vmap(lambda a: a + 1)(X), X + 1)  # the next call is not disturbed


@pytest.mark.parametrize("look", [lambda a: a.sum().item(), lambda a: mx.eval(a * 2), lambda a: bool(a[0] > 0),
                                  lambda a: np.array(a), lambda a: str(a), lambda a: a.tolist()])  # fmt: skip
def test_elements_have_no_values_while_the_function_is_traced(look):
    with pytest.raises(ValueError, match="while compile or vmap traces it"):
        mx.vmap(lambda a: (look(a), a)[1])(X)


def test_what_is_not_mapped_has_values():
    w = mx.array([1.0, 2.0])
    check_same(mx.vmap(lambda a, w: a * w.sum().item(), (0, None))(X + 1, w), 3 * (X + 1))


def test_a_placeholder_that_escapes_is_refused_later():
    kept = []
    mx.vmap(lambda a: kept.append(a * 2) or a)(X)
    with pytest.raises(ValueError, match="placeholder"):
        mx.eval(kept[0])
    with pytest.raises(ValueError, match="placeholder"):
        mx.eval(mx.vmap(lambda a: a + kept[0])(X))


def test_errors_inside_name_the_shapes_of_one_element():
    with pytest.raises(ValueError, match=r"\[matmul\].*\(3\) and \(4,5\)"):
        mx.vmap(lambda a: a @ mx.zeros((4, 5)))(X)


# ---- With other transforms ----
def test_jacobians():
    x = normal(4)
    f = lambda x: mx.sin(x) * mx.sum(x)  # noqa: E731
    n = np.array(x)
    want = np.diag(np.cos(n) * n.sum()) + np.sin(n)[:, None]
    backward = mx.vmap(lambda c: mx.vjp(f, [x], [c])[1][0])(mx.eye(4))
    forward = mx.vmap(lambda t: mx.jvp(f, [x], [t])[1][0], out_axes=1)(mx.eye(4))
    np.testing.assert_allclose(np.array(backward), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.array(forward), want, rtol=1e-4, atol=1e-5)


def test_hessians_of_a_batch():
    x = normal(3, 4)
    f = lambda x: mx.sum(mx.exp(x) * x) + mx.prod(x)  # noqa: E731
    hessian = lambda x: mx.vmap(lambda d: mx.jvp(mx.grad(f), [x], [d])[1][0])(mx.eye(4))  # noqa: E731
    check_against_loop(hessian, x, ulps=64, scale=8)


def test_gradients_of_each_example():
    w, x, y = normal(5), normal(7, 5), normal(7)
    loss = lambda w, x, y: mx.square(x @ w - y)  # noqa: E731
    check_same(mx.vmap(mx.grad(loss), (None, 0, 0))(w, x, y), 2 * (x @ w - y)[:, None] * x, ulps=50, scale=10)
    value, gradient = mx.vmap(mx.value_and_grad(loss), (None, 0, 0))(w, x, y)
    check_same(value, mx.square(x @ w - y), ulps=50, scale=10)
    assert gradient.shape == (7, 5)


def test_gradients_twice_through_vmap():
    x = normal(3, 4)
    inner = lambda x: mx.sum(mx.vmap(lambda r: mx.sum(mx.tanh(r) ** 2))(x))  # noqa: E731
    check_against_loop(
        lambda x: mx.grad(lambda z: mx.sum(mx.grad(inner)(z) ** 2))(x), x[None], ulps=64, scale=4
    )


def test_values_inside_a_gradient_inside_stay_unknown():
    with pytest.raises(ValueError, match="traces it"):
        mx.vmap(mx.grad(lambda a: (a.item(), a)[1]))(mx.ones(3))


@pytest.mark.parametrize("f", [lambda x, y: mx.softmax(x @ y) + 1, lambda x, y: (x + y.sum(), x * 2)])
def test_vmap_of_compiled_functions(f):
    x, y = normal(4, 4, 4), normal(4, 4, 4, seed=1)
    compiled = mx.compile(f)
    for axes in [(0, 0), (None, 1), (0, None)]:
        inputs = [a if d is not None else a[0] for a, d in zip((x, y), axes, strict=True)]
        check_same(mx.vmap(compiled, axes)(*inputs), mx.vmap(f, axes)(*inputs), ulps=16)
    check_same(compiled(x[0], y[0]), f(x[0], y[0]), ulps=16)


def test_compile_of_vmap():
    x, w = normal(3, 4), normal(4, 5)
    f = mx.vmap(lambda x, w: mx.tanh(x @ w), (0, None), 1)
    compiled = mx.compile(f)
    for scale in (1, 2):
        check_same(compiled(x * scale, w), f(x * scale, w), ulps=16)
    check_same(mx.compile(mx.vmap(mx.grad(lambda x: mx.sum(mx.sin(x)))))(x), mx.cos(x), ulps=16)


def test_compiled_functions_may_capture_elements():
    x, w = normal(3, 4), normal(4)
    check_same(mx.vmap(lambda a: mx.compile(lambda b: b * a + a)(w))(x), w * x + x, ulps=16)
    inner = mx.compile(lambda a: mx.compile(lambda b: b * a)(a + 1))
    check_same(mx.vmap(inner)(x), (x + 1) * x, ulps=16)
    check_same(inner(x), (x + 1) * x, ulps=16)


def test_compiled_functions_inside_a_trace_may_capture_what_is_differentiated():
    x = normal(3)
    f = lambda p: mx.grad(lambda a: mx.sum(mx.compile(lambda b: b * a)(p)))(p)  # noqa: E731
    check_same(mx.compile(f)(x), x)
    check_same(mx.vmap(f)(x), x)


def test_compiled_functions_refuse_placeholders_that_escaped():
    kept = []
    mx.vmap(lambda a: kept.append(a * 2) or a)(X)
    with pytest.raises(ValueError, match="placeholder of a trace that is over"):
        mx.compile(lambda b: b + kept[0])(X[0])


def test_vmap_inside_vmap_of_what_the_outer_one_maps():
    x, y = normal(3, 4), normal(5)
    got = mx.vmap(lambda a: mx.vmap(lambda b: a * b + mx.vmap(lambda c: c + a + b, out_axes=1)(a).sum())(y))(
        x
    )
    a, b = np.array(x)[:, None, :], np.array(y)[None, :, None]
    want = a * b + sum(np.array(x)[:, i, None, None] + a + b for i in range(4)).sum(-1, keepdims=True)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-4)


def test_checkpoints():
    x, w = normal(3, 4), normal(4)
    f = lambda x, w: mx.sum(mx.sin(x * w))  # noqa: E731
    saved = mx.checkpoint(f)
    check_same(mx.vmap(saved, (0, None))(x, w), mx.vmap(f, (0, None))(x, w), ulps=16)
    check_same(
        mx.vmap(mx.grad(saved, (0, 1)), (0, None))(x, w),
        mx.vmap(mx.grad(f, (0, 1)), (0, None))(x, w),
        ulps=16,
    )
    whole = lambda g: mx.grad(lambda x, w: mx.sum(mx.vmap(g, (0, None))(x, w) ** 2), (0, 1))(x, w)  # noqa: E731
    check_same(whole(saved), whole(f), ulps=64, scale=4)


# ---- custom_function ----
def custom(vjp=None, jvp=None, vmap=None):
    f = mx.custom_function(lambda x, w: (mx.sum(x * w), 2 * w))
    if vjp:
        f.vjp(vjp)
    if jvp:
        f.jvp(jvp)
    if vmap:
        f.vmap(vmap)
    return f


def tenfold_vjp(primals, cotangents, outputs):
    (x, w), (c, d) = primals, cotangents
    return 10 * c * w, 10 * (c * x + 2 * d)


def test_a_custom_vjp_holds_under_vmap():
    x, w = normal(3, 4), normal(4)
    f = custom(vjp=tenfold_vjp)
    scalar = lambda x, w: f(x, w)[0] + mx.sum(f(x, w)[1])  # noqa: E731
    for argnum, want in ((0, 10 * mx.stack([w] * 3)), (1, 10 * (x + 2))):
        check_same(mx.vmap(mx.grad(scalar, argnum), (0, None))(x, w), want, ulps=16)
    got = mx.grad(lambda x, w: mx.sum(mx.vmap(scalar, (0, None))(x, w)), (0, 1))(x, w)
    check_same(got, [10 * mx.stack([w] * 3), 10 * mx.sum(x + 2, axis=0)], ulps=16)
    twice = mx.vmap(mx.vmap(scalar, (0, None)), (0, None))
    got = mx.grad(lambda x: mx.sum(twice(x, w)))(mx.stack([x, x]))
    check_same(got, mx.broadcast_to(10 * w, (2, 3, 4)), ulps=16)


def test_a_custom_jvp():
    x, w = normal(3, 4), normal(4)
    f = custom(jvp=lambda primals, tangents: (10 * mx.sum(tangents[0]), 10 * tangents[1]))
    check_same(mx.jvp(f, [x[0], w], [w, x[0]])[1], [10 * mx.sum(w), 10 * x[0]], ulps=16)
    forward = lambda x, w, t: mx.jvp(f, [x, w], [t, t])[1]  # noqa: E731
    want = [10 * mx.sum(x, axis=1), 10 * x]
    check_same(mx.vmap(forward, (0, None, 0))(x, w, x), want, ulps=16)
    check_same(mx.jvp(mx.vmap(f), [x, x], [x, x])[1], want, ulps=16)
    check_same(mx.grad(lambda x: f(x, w)[0])(x[0]), w)  # the plain derivative


def test_a_custom_vmap():
    x, w = normal(3, 4), normal(4)
    seen = []

    def rule(inputs, axes):
        seen.append(axes)
        x, w = inputs
        return (mx.sum(x * w, -1) + 100, mx.stack([w, w, w], 1)), (0, 1)

    f = custom(vmap=rule)
    got = mx.vmap(f, (1, None))(x.T, w)
    assert seen == [(0, None)]
    check_same(got, [x @ w + 100, mx.stack([w] * 3)], ulps=16)
    check_same(mx.grad(lambda x: mx.sum(mx.vmap(f, (0, None))(x, w)[0]))(x), mx.stack([w] * 3), ulps=16)
    check_same(f(x[0], w)[0], mx.sum(x[0] * w), ulps=16)
    check_same(mx.grad(lambda x: f(x, w)[0])(x[0]), w, ulps=16)
    check_same(mx.jvp(lambda x: f(x, w)[0], [x[0]], [w])[1], mx.sum(w * w), ulps=16)


def test_a_custom_vmap_of_one_argument_and_an_unmapped_result():
    f = mx.custom_function(lambda x: (x * 2, mx.ones(2)))
    f.vmap(lambda x, axis: ((x * 3, mx.zeros(2)), (axis, None)))
    x = normal(3, 4)
    got = mx.vmap(f, out_axes=(0, None))(x)
    check_same(got, [x * 3, mx.zeros(2)])


def test_a_custom_vmap_beside_a_custom_vjp():
    x, w = normal(3, 4), normal(4)
    f = custom(vjp=tenfold_vjp, vmap=lambda i, axes: ((mx.sum(i[0] * i[1], -1), 2 * i[1]), (0, None)))
    got = mx.grad(lambda x, w: mx.sum(mx.vmap(f, (0, None))(x, w)[0]), (0, 1))(x, w)
    check_same(got, [10 * mx.stack([w] * 3), 10 * mx.sum(x, axis=0)], ulps=16)


@pytest.mark.parametrize("returned, said", [
    (lambda i, a: i[0], r"\(outputs, axes\)"),
    (lambda i, a: (i[0], 0), "2 outputs from the vmap, got 1"),
    (lambda i, a: ((i[0], i[1]), (0, 0)), "with the shape and dtype of the function's output"),
    (lambda i, a: ((i[0][:, 0], i[1]), (0, 0, 0)), "expected the axes for a tuple of 2, got a tuple of 3"),
    (lambda i, a: ((i[0][:, 0], i[1]), (7, 0)), "axis"),
])  # fmt: skip
def test_bad_custom_vmaps(returned, said):
    with pytest.raises(ValueError, match=said):
        mx.vmap(custom(vmap=returned))(normal(3, 4), normal(3, 4))


def test_rules_live_as_long_as_the_graph():
    x = normal(3, 4)
    f = mx.custom_function(lambda x: mx.sum(x))
    f.vjp(lambda x, c, y: 10 * c * mx.ones_like(x))
    mapped = mx.vmap(f)
    del f
    gc.collect()
    check_same(mx.grad(lambda x: mx.sum(mapped(x)))(x), 10 * mx.ones((3, 4)))


# ---- Random numbers ----
def test_random_numbers_of_each_elements_key():
    keys = mx.random.split(mx.random.key(7), 4)
    draws = [lambda k: mx.random.normal((2, 3), key=k), lambda k: mx.random.split(k, 3),
             lambda k: mx.random.permutation(6, key=k),
             lambda k: mx.random.categorical(mx.zeros((3, 5)), key=k), lambda k: mx.random.randint(0, 9, (4,), key=k),
             lambda k: mx.random.truncated_normal(-1.0, 1.0, (3,), key=k)]  # fmt: skip
    for draw in draws:
        check_against_loop(draw, keys)
    check_against_loop(lambda k: mx.vmap(draws[0])(mx.random.split(k)), keys)


def test_the_implicit_key_gives_all_elements_the_same_numbers_and_moves_on_once():
    mx.random.seed(5)
    got = mx.vmap(lambda a: a + mx.random.uniform(shape=(3,)))(mx.zeros((2, 3)))
    after = mx.random.uniform(shape=(3,))
    mx.random.seed(5)
    first, second = mx.random.uniform(shape=(3,)), mx.random.uniform(shape=(3,))
    check_same([got, after], [mx.stack([first, first]), second])


def test_compiled_random_state_stays_usable_after_vmap():
    @partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)
    def noisy(a):
        return a + mx.random.uniform(shape=(3,))

    outer = partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)(lambda a: noisy(a) * 1)
    for f in (noisy, outer):
        mx.random.seed(5)
        got = mx.vmap(f)(mx.zeros((2, 3)))
        after = mx.random.uniform(shape=(3,))
        mx.random.seed(5)
        first, second = mx.random.uniform(shape=(3,)), mx.random.uniform(shape=(3,))
        check_same([got, after], [mx.stack([first, first]), second])


# ---- Size ----
def test_long_chains_need_no_stack():
    def f(a):
        for _ in range(200_000):
            a = a + 1
        return a

    check_same(mx.vmap(f)(mx.zeros((2, 3))), mx.full((2, 3), 200_000.0))


def test_many_calls_inside_a_trace_walk_their_own_part_alone():
    """Time is linear: 4,000 calls over a graph of 4,000 nodes would walk 8 million the other way."""
    step = mx.vmap(lambda a: a + 1)

    def f(a):
        for _ in range(4000):
            a = step(a)
        return a

    check_same(mx.vmap(f)(mx.zeros((2, 3))), mx.full((2, 3), 4000.0))


def test_arrays_of_the_most_dimensions():
    x = mx.ones((1,) * 32)
    assert mx.vmap(lambda a: a + 1)(x).shape == (1,) * 32
    for f in (lambda a: mx.expand_dims(a, 0), lambda a: a + mx.ones((1,) * 32)):
        with pytest.raises(ValueError, match="at most 31 dimensions beside the mapped axis, got 32"):
            mx.vmap(f)(x)
    with pytest.raises(ValueError, match="at most 32 dimensions, got 33"):
        mx.vmap(lambda a: (a, mx.ones((1,) * 32)))(x)


def test_axes_of_one_result_may_be_in_a_tuple():
    x = mx.arange(6).reshape(2, 3)
    check_same(mx.vmap(lambda a: a, out_axes=(1,))(x), x.T)
    check_same(mx.vmap(lambda a: (a,), out_axes=(1,))(x)[0], x.T)
    with pytest.raises(ValueError, match="out_axes"):
        mx.vmap(lambda a: a, out_axes=(1, 0))(x)
