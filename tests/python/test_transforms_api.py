"""grad, value_and_grad, vjp, jvp, compile, custom_function, checkpoint: arguments, trees, errors."""

import copy
import gc
import pickle
import threading
import time
import weakref
from functools import partial
from typing import NamedTuple

import mlx.core as mx
import pytest
from mlx import nn


def test_grad_of_scalar_functions():
    assert mx.grad(lambda x: x * x)(mx.array(3.0)).item() == 6
    assert mx.grad(mx.grad(lambda x: x**3))(mx.array(2.0)).item() == 12
    assert abs(mx.grad(mx.sin)(mx.array(0.0)).item() - 1) < 1e-6


def test_value_and_grad_returns_auxiliary_values():
    (v, aux, other), g = mx.value_and_grad(lambda x: (x * x, [x, {"a": 2 * x, "b": 3}], "s"))(mx.array(3.0))
    assert (
        v.item() == 9 and aux[0].item() == 3 and aux[1]["a"].item() == 6 and aux[1]["b"] == 3 and other == "s"
    )
    assert g.item() == 6


def test_argnums_and_argnames_shape_the_gradient():
    x, y = mx.array(3.0), mx.array(2.0)
    f = lambda x, y: x * y  # noqa: E731
    assert mx.grad(f)(x, y).item() == 2
    assert mx.grad(f, argnums=1)(x, y).item() == 3
    assert [g.item() for g in mx.grad(f, argnums=(0, 1))(x, y)] == [2, 3]
    assert mx.grad(f, argnums=[1])(x, y).item() == 3
    none, named = mx.grad(f, argnames="y")(x, y=y)
    assert none is None and named["y"].item() == 3
    positional, named = mx.grad(f, argnums=0, argnames=["y"])(x, y=y)
    assert positional.item() == 2 and named["y"].item() == 3


def test_gradients_mirror_trees():
    tree = {"a": mx.array(1.0), "b": [mx.array(2.0), (mx.array(3.0),)]}
    g = mx.grad(lambda t: t["a"] * t["b"][0] * t["b"][1][0])(tree)
    assert g["a"].item() == 6 and g["b"][0].item() == 3 and g["b"][1][0].item() == 2
    assert isinstance(g["b"], list) and isinstance(g["b"][1], tuple)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: mx.grad(lambda x: x)(mx.array([1.0, 2])),
        lambda x: mx.grad(lambda x: 1.0)(x),
        lambda x: mx.grad(lambda x: (x, x))(x),
        lambda x: mx.grad(lambda x: x)(3.0),
        lambda x: mx.grad(lambda x: x)([x, None]),
        lambda x: mx.grad(lambda x: x, argnums=1)(x),
        lambda x: mx.grad(lambda x: x, argnums=(0, 0)),
        lambda x: mx.grad(lambda x: x, argnums=-1),
        lambda x: mx.grad(lambda x, y=1: x, argnames=["y"])(x),
        lambda x: mx.vjp(lambda x: x * x, [x], []),
        lambda x: mx.compile(lambda x, y: x)(x, object()),
    ],
)
def test_wrong_uses_raise_value_errors(call):
    with pytest.raises(ValueError):
        call(mx.array(1.0))


def test_exceptions_of_the_function_come_through():
    class Mine(Exception):
        pass

    def f(x):
        raise Mine("here")

    x = mx.array(1.0)
    for g in (
        mx.grad(f),
        mx.value_and_grad(f),
        mx.compile(f),
        mx.grad(mx.grad(f)),
        mx.compile(mx.grad(f)),
        mx.checkpoint(f),
        lambda x: mx.vjp(f, [x], [x]),
        lambda x: mx.jvp(f, [x], [x]),
    ):
        for _ in range(2):
            with pytest.raises(Mine, match="here"):
                g(x)
    assert mx.grad(lambda x: x * x)(x).item() == 2


def test_vjp_and_jvp():
    x, y = mx.array(3.0), mx.array(2.0)
    out, g = mx.vjp(lambda x, y: (x * y, y), [x, y], [mx.array(1.0), mx.array(10.0)])
    assert [o.item() for o in out] == [6, 2] and [v.item() for v in g] == [2, 13]
    out, t = mx.jvp(lambda x: x * x, [x], [mx.array(1.0)])
    assert out[0].item() == 9 and t[0].item() == 6


def test_values_may_be_read_inside_a_differentiated_function():
    def f(x):
        assert x.item() == 3 and repr(x) == "array(3, dtype=float32)"
        mx.eval(x * 2)
        return x * x if x > 0 else x

    assert mx.grad(f)(mx.array(3.0)).item() == 6


def test_compile_traces_once_for_each_shape_dtype_and_constant():
    traces = []

    @mx.compile
    def f(x, scale=1, *, name="a"):
        traces.append((x.shape, x.dtype, scale, name))
        return x * scale if name == "a" else -x

    for _ in range(3):
        assert f(mx.array([1.0, 2.0])).tolist() == [1, 2]
        assert f(mx.array([1.0, 2.0]), 2).tolist() == [2, 4]
        assert f(mx.array([1, 2]), -1).tolist() == [-1, -2]
        assert f(mx.array([1, 2]), -2).tolist() == [-2, -4]
        assert f(mx.array([1.0]), name="b").tolist() == [-1]
    assert len(traces) == 5
    assert f.__name__ == "f"


def test_compile_keeps_the_structure_of_results():
    f = mx.compile(lambda t, n: ({"sum": t[0] + t[1]["x"], "n": n}, [t[0], (None, "s")]))
    for _ in range(2):
        d, rest = f([mx.array(1), {"x": mx.array(2)}], 7)
        assert d["sum"].item() == 3 and d["n"] == 7 and rest[0].item() == 1 and rest[1] == (None, "s")
    assert mx.compile(lambda x: None)(mx.array(1)) is None
    assert mx.compile(lambda x: x * x)(3.0) == 9.0


def test_compile_shapeless_serves_every_shape():
    def f(x):
        return mx.exp(x) * 2

    g = mx.compile(f, shapeless=True)
    for n in (1, 5, 9):
        assert g(mx.zeros(n)).tolist() == [2] * n


def test_compile_captures_state():
    state = {"step": mx.array(0), "w": [mx.array([1.0, 2.0])]}
    traces = []

    def update(g):
        traces.append(1)
        state["step"] = state["step"] + 1
        state["w"][0] = state["w"][0] - g
        return state["w"][0].sum()

    step = mx.compile(update, inputs=state, outputs=state)
    for i in range(4):
        loss = step(mx.array([0.5, 0.5]))
        assert loss.item() == 3 - (i + 1)
    assert state["step"].item() == 4 and state["w"][0].tolist() == [-1, 0]
    assert len(traces) == 1


def test_compile_puts_captured_inputs_back():
    state = [mx.array(1.0)]
    before = state[0]
    f = mx.compile(lambda x: x + state[0], inputs=state)
    assert f(mx.array(1.0)).item() == 2
    assert state[0] is before
    state[0] = mx.array(5.0)
    assert f(mx.array(1.0)).item() == 6

    def broken(x):
        raise KeyError("k")

    with pytest.raises(KeyError):
        mx.compile(broken, inputs=state)(mx.array(1.0))
    assert state[0].item() == 5


def test_compile_draws_new_random_numbers_when_state_is_captured():
    f = mx.compile(lambda: mx.random.uniform(shape=(3,)), inputs=mx.random.state, outputs=mx.random.state)
    a, b = f(), f()
    assert a.tolist() != b.tolist()
    mx.random.seed(3)
    plain = mx.random.uniform(shape=(3,)).tolist()
    mx.random.seed(3)
    assert f().tolist() == plain


def test_compile_merges_equal_functions_only_when_their_rules_are_the_same():
    def custom(factor):
        f = mx.custom_function(lambda x: mx.sin(x))
        f.vjp(lambda x, c, y: factor * c)
        return f

    two, three = custom(2), custom(3)
    f = mx.compile(lambda x: two(x) + three(x))
    x = mx.array(1.0)
    assert abs(f(x).item() - 2 * mx.sin(x).item()) < 1e-6
    assert mx.grad(f)(x).item() == 5


def test_compile_draws_different_numbers_in_one_call():
    @partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)
    def draw():
        return mx.random.uniform(shape=(4,)), mx.random.uniform(shape=(4,))

    mx.random.seed(3)
    got = [*draw(), *draw()]
    mx.random.seed(3)
    want = [mx.random.uniform(shape=(4,)) for _ in range(4)]
    assert all(mx.array_equal(a, b) for a, b in zip(got, want, strict=True))


def test_compile_and_grad_nest():
    f = lambda x: mx.exp(mx.sin(x) * x)  # noqa: E731
    x = mx.array(0.7)
    expected = mx.grad(f)(x).item()
    assert abs(mx.grad(mx.compile(f))(x).item() - expected) < 1e-5
    assert abs(mx.compile(mx.grad(f))(x).item() - expected) < 1e-5
    assert abs(mx.compile(mx.grad(mx.compile(f)))(x).item() - expected) < 1e-5


def test_evaluating_in_a_compiled_function_raises():
    for f in (lambda x: x.item(), lambda x: mx.eval(x), lambda x: 1 if x > 0 else 2):
        with pytest.raises(ValueError):
            mx.compile(f)(mx.array(3.0))


def test_disable_compile_calls_the_function():
    calls = []

    @mx.compile
    def f(x):
        calls.append(x.item())
        return x

    mx.disable_compile()
    try:
        f(mx.array(1.0)), f(mx.array(2.0))
        assert calls == [1, 2]
    finally:
        mx.enable_compile()


def test_compiled_functions_are_collected_and_bind_as_methods():
    class Model:
        w = mx.array(2.0)

        @mx.compile
        def double(self_is_an_array):  # noqa: N805
            return self_is_an_array * 2

    assert Model.double(mx.array(3.0)).item() == 6

    def make():
        def f(x):
            return x + g_holder[0]

        g_holder = [mx.array(1.0)]
        compiled = mx.compile(f, inputs=g_holder)
        g_holder.append(compiled)
        return weakref.ref(compiled), compiled(mx.array(1.0)).item()

    ref, value = make()
    gc.collect()
    assert value == 2 and ref() is None


def test_custom_function_uses_its_vjp():
    @mx.custom_function
    def f(x, y):
        return x * y

    @f.vjp
    def f_vjp(primals, cotangent, output):
        x, y = primals
        assert output.item() == 6
        return cotangent * 10, cotangent * 20

    x, y = mx.array(2.0), mx.array(3.0)
    assert f(x, y).item() == 6
    assert [g.item() for g in mx.grad(f, argnums=(0, 1))(x, y)] == [10, 20]
    assert mx.grad(lambda x: 2 * f(x, x + 1))(x).item() == 60

    @mx.custom_function
    def g(t):
        return t["a"] * 2, t["a"] * 3

    @g.vjp
    def g_vjp(t, cotangents, outputs):
        return {"a": cotangents[0] + cotangents[1]}

    assert mx.grad(lambda t: sum(g(t)))({"a": x})["a"].item() == 2


def test_checkpoint_gives_the_same_gradient():
    f = lambda x, y: mx.exp(mx.sin(x) * y).sum()  # noqa: E731
    x, y = mx.array([0.5, 1.0]), mx.array([1.0, 2.0])
    for a, b in zip(mx.grad(mx.checkpoint(f), argnums=(0, 1))(x, y), mx.grad(f, argnums=(0, 1))(x, y)):
        assert mx.allclose(a, b).item()


def test_eval_takes_trees_and_ignores_the_rest():
    a, b = mx.array(1) + 1, mx.array(2) + 2
    assert mx.eval({"a": [a, None]}, (b, "s"), 3) is None
    mx.async_eval(a + 1, [b + 1])
    mx.eval()


def test_threads_evaluate_at_the_same_time():
    results = {}

    def work(i):
        x = mx.full((100,), i)
        for _ in range(50):
            x = x + 1
        results[i] = x.sum().item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert results == {i: 100 * (i + 50) for i in range(8)}


def test_state_that_changes_while_it_is_used_does_no_harm():
    params = {"w": mx.array(2.0)}

    def f(p):
        params["extra"] = mx.array(1.0)
        return p["w"] * p["w"]

    gradient = mx.grad(f)(params)
    assert set(gradient) == {"w"} and gradient["w"].item() == 4

    x = mx.array(3.0)

    def g(y):
        nonlocal x
        x += 1
        x *= 2
        return y * y

    assert mx.grad(g)(x).item() == 6

    primals = [mx.array(3.0)]

    def h(y):
        primals.clear()
        gc.collect()
        return y * y

    assert mx.vjp(h, primals, [mx.array(1.0)])[1][0].item() == 6


def test_objects_may_change_while_another_thread_evaluates_them():
    a = mx.zeros((64, 64))
    stop = time.monotonic() + 0.3

    def swap():
        while time.monotonic() < stop:
            nonlocal a
            a += 1
            a[0] = 3

    def read():
        while time.monotonic() < stop:
            mx.eval(a)
            a.sum().item()
            repr(a)

    threads = [threading.Thread(target=t) for t in (swap, read, read)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert a[0, 0].item() in (3, 4)


def test_the_gradient_of_a_padding_value_sees_the_padding_alone():
    weights = mx.array([1.0, float("inf"), 2.0, 3.0])
    loss = lambda v: (mx.pad(mx.array([5.0, 6.0]), (1, 1), constant_values=v) * weights).sum()  # noqa: E731
    assert mx.grad(loss)(mx.array(1.0)).item() == 4


def test_cotangents_and_tangents_of_another_shape_are_named():
    x, other = mx.ones((3,)), mx.ones((2, 1))
    with pytest.raises(ValueError, match=r"cotangent 0 of its output's shape \(3\), got \(2,1\)"):
        mx.vjp(mx.exp, [x], [other])
    with pytest.raises(ValueError, match=r"tangent 0 of its input's shape \(3\), got \(2,1\)"):
        mx.jvp(mx.exp, [x], [other])


@pytest.mark.parametrize("traditional", [False, True])
def test_rope_has_a_derivative_in_its_frequencies(traditional):
    x = mx.random.normal((2, 3, 4, 6), key=mx.random.key(0)).astype(mx.float64)
    freqs, step = mx.array([1.0, 7.0]), 1e-2

    def loss(freqs, offset):
        y = mx.fast.rope(x, 4, traditional=traditional, base=None, scale=0.5, offset=offset, freqs=freqs)
        return (y * mx.cumsum(x, axis=-1)).sum()

    for offset in (3, mx.array([2, 5])):
        gradient = mx.grad(loss)(freqs, offset).tolist()
        for i, unit in enumerate(mx.eye(2)):
            up, down = loss(freqs + step * unit, offset), loss(freqs - step * unit, offset)
            assert gradient[i] == pytest.approx((up - down).item() / (2 * step), rel=1e-2)
            tangent = mx.jvp(lambda f, at=offset: loss(f, at), [freqs], [unit])[1][0]
            assert tangent.item() == pytest.approx(gradient[i], rel=1e-5)
        batch = mx.stack([freqs, 2 * freqs])
        each = mx.vmap(mx.grad(lambda f, at=offset: loss(f, at)))(batch)
        assert mx.allclose(each[0], mx.grad(loss)(freqs, offset), rtol=1e-4).item()


class Pair(NamedTuple):
    a: object
    b: object


class Row(tuple):
    pass


def test_named_tuples_and_subclasses_of_tuple_stay_what_they_are():
    x = mx.ones(2)
    swap = [mx.compile, mx.vmap, mx.checkpoint]
    for transform in swap:
        r = transform(lambda p: Pair(p.b, p.a + p.b))(Pair(x, 2 * x))
        assert type(r) is Pair
        assert r.b.tolist() == [3, 3]
    g = mx.grad(lambda p: (p.a * p.b).sum())(Pair(x, 2 * x))
    assert type(g) is Pair
    assert g.a.tolist() == [2, 2]
    assert type(mx.compile(lambda x: Row([x]))(x)) is Row


def test_compile_tells_ints_with_the_same_hash_apart():
    x = mx.ones(1)
    f = mx.compile(lambda d: sum(int(k) * v for k, v in d.items()))
    assert [f({-1: x}).item(), f({-2: x}).item()] == [-1, -2]
    f = mx.compile(lambda n, x: x * (n % 7))
    big = [2**70, 2**70 + 2**61 - 1]
    assert [f(n, x).item() for n in big] == [n % 7 for n in big]


def test_compile_tells_kinds_of_tuples_apart():
    x = mx.ones(1)
    f = mx.compile(lambda p: p[0] * (2 if isinstance(p, Pair) else 3))
    assert [f(Pair(x, x)).item(), f((x, x)).item()] == [2, 3]


def test_argnums_give_gradients_in_the_order_of_the_arguments():
    x, y = mx.array(1.0), mx.array(3.0)
    for argnums in ([0, 1], [1, 0], (1, 0)):
        gx, gy = mx.grad(lambda x, y: x * y * y, argnums=argnums)(x, y)
        assert (gx.item(), gy.item()) == (9, 6)
    for argnums in ([], ()):
        with pytest.raises(ValueError):
            mx.grad(lambda x: x, argnums=argnums)


def test_a_rule_may_be_defined_under_the_functions_name():
    @mx.custom_function
    def f(x):
        return 2 * x

    itself = f

    @f.vjp
    def f(primal, cotangent, output):
        return 5 * cotangent

    assert f is itself
    assert mx.grad(f)(mx.array(1.0)).item() == 5


def test_state_is_as_it_was_after_a_trace_that_failed():
    state = {"a": mx.array(1.0), "b": [mx.array(2.0)]}
    fails = True

    @partial(mx.compile, inputs=state, outputs=state)
    def f(x):
        state["a"] = state["a"] + x
        state["b"][0] = state["b"][0] * state["a"]
        if fails:
            raise KeyError("no")
        return state["a"] * 1

    with pytest.raises(KeyError):
        f(mx.array(3.0))
    assert (state["a"].item(), state["b"][0].item()) == (1, 2)
    fails = False
    assert f(mx.array(3.0)).item() == 4
    assert state["b"][0].item() == 8


def test_keyword_arguments_of_a_custom_function_are_constants_that_its_vjp_gets():
    f = mx.custom_function(lambda x, scale=1, names=(): scale * x)
    f.vjp(lambda primal, cotangent, output, scale=1, names=(): cotangent * scale * 10 + len(names))
    x = mx.array(1.0)
    assert f(x, scale=3).item() == 3
    assert mx.grad(lambda x: f(x, scale=3, names=["a", "b"]))(x).item() == 32
    assert mx.grad(lambda x: f(x))(x).item() == 10
    with pytest.raises(ValueError, match="by keyword"):
        f(x, scale=x)
    g = mx.custom_function(lambda x, scale=1: scale * x)
    g.jvp(lambda primal, tangent: tangent)
    with pytest.raises(ValueError, match="positional"):
        g(x, scale=3)


@pytest.mark.parametrize("dtype", [mx.bool_, mx.uint8, mx.int32, mx.uint64, mx.int64, mx.float16])
@pytest.mark.parametrize(
    "f", [mx.max, mx.min, mx.sum, mx.prod, mx.abs, mx.square, lambda x: mx.max(x).reshape(1, 1)]
)
def test_tangents_have_the_dtype_of_their_outputs(f, dtype):
    x = mx.array([3, 4], dtype=dtype)
    (value,), (tangent,) = mx.jvp(f, [x], [mx.ones(x.shape)])
    assert tangent.dtype == value.dtype and tangent.shape == value.shape


@pytest.mark.parametrize("dtype", [mx.uint8, mx.int32, mx.uint64, mx.int64])
def test_a_linear_op_after_a_rule_of_integers_reads_the_tangent_as_what_it_is(dtype):
    x = mx.array([3, 4], dtype=dtype)
    _, (tangent,) = mx.jvp(mx.max, [x], [x])  # a float in the rule; the reshape that drops the axis is linear
    assert tangent.item() == 4


def test_what_a_differentiated_function_writes_to_its_containers_stays_written():
    def write(m):
        m[1] = mx.array(2.0)
        m[2]["y"] = m[0] * 5
        m[2]["new"] = [m[0]]
        del m[2]["gone"]
        m.append(m[0])
        return m[0]

    def tree():
        return [mx.array(1.0), mx.array(1.0), {"y": mx.array(0.0), "gone": mx.array(0.0)}]

    for transform in (mx.grad, lambda f: lambda m: mx.value_and_grad(f)(m)[1]):
        m = tree()
        first, inner = m[0], m[2]
        gradient = transform(write)(m)
        assert [g.item() for g in gradient[:2]] == [1, 0] and set(gradient[2]) == {"y", "gone"}
        assert m[0] is first is m[3] and m[1].item() == 2 and len(m) == 4
        assert m[2] is inner and set(inner) == {"y", "new"} and inner["y"].item() == 5


def test_containers_that_are_only_read_keep_their_arrays_and_those_swapped_are_the_callers():
    m = {"a": mx.array(1.0), "b": [mx.array(2.0)], "c": (mx.array(3.0), [mx.array(4.0)])}
    before = (m["a"], m["b"], m["b"][0], m["c"])
    mx.grad(lambda m: m["a"] * m["b"][0])(m)
    assert all(x is y for x, y in zip(before, (m["a"], m["b"], m["b"][0], m["c"])))

    def swap(m):
        m["a"], m["b"] = m["b"], m["a"]
        m["c"][1][0] += 1
        return m["b"]

    mx.grad(swap)(m)
    assert m["b"] is before[0] and m["a"] is before[1] and m["c"][1][0].item() == 5


def test_what_was_written_before_an_exception_stays_too():
    def write(m):
        m["a"] = mx.array(2.0)
        raise OSError("no")

    m = {"a": mx.array(1.0)}
    with pytest.raises(OSError, match="no"):
        mx.grad(write)(m)
    assert m["a"].item() == 2


def test_modules_are_differentiated_by_as_modules_and_keep_their_buffers():
    x, norm = mx.array([[1.0, 2.0], [3.0, 5.0]]), nn.BatchNorm(2)
    weight = norm.weight

    def loss(m, x):
        m.calls = getattr(m, "calls", 0) + 1
        return (m(x) * x).sum()

    gradient = mx.grad(loss)(norm, x)
    assert type(gradient) is dict and set(gradient) == set(norm)
    assert norm.running_mean.tolist() == pytest.approx([0.2, 0.35])
    assert norm.weight is weight and norm.calls == 1
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm(2))
    mx.grad(loss)(net, x)
    assert (net.layers[1].running_mean != 0).all().item()


@mx.compile
def pickled_by_name(x):
    return x + 1


def test_transformed_functions_are_copied_as_themselves_and_pickled_by_name():
    assert pickle.loads(pickle.dumps(pickled_by_name)) is pickled_by_name
    for f in (mx.grad(abs), mx.vmap(abs), mx.checkpoint(abs), mx.custom_function(abs), pickled_by_name):
        assert copy.copy(f) is copy.deepcopy([f])[0] is f
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(mx.grad(abs))
