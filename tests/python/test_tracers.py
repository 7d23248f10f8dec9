"""Arrays that leave the function in which they were traced: by a global, to another thread, into another trace. Those of
vmap and compile have no value, and say so; those of grad and jvp have one, and keep the derivatives whole."""

import copy
import pickle

import mlx.core as mx
import numpy as np
import pytest
from threads import in_a_thread, outcome_in_a_thread

X = [1.0, 2.0, 3.0]
TRACERS = {
    "vmap": lambda f: mx.vmap(f)(mx.array([X, X])),
    "compile": lambda f: mx.compile(f)(mx.array(X)),
    "vmap of grad": lambda f: mx.vmap(mx.grad(f))(mx.array([X, X])),
    "compile of vmap": lambda f: mx.compile(mx.vmap(f))(mx.array([X, X])),
}
NO_VALUE = r"placeholder"


def leaked(trace):
    """The argument of a traced function and an array made of it."""
    out = []

    def f(a):
        out.extend((a, a * 2))
        return (a * 3).sum()

    mx.eval(TRACERS[trace](f))
    return out


READS = {
    "eval": mx.eval,
    "eval of what depends on it": lambda a: mx.eval(a.sum() + 1),
    "async_eval": mx.async_eval,
    "repr": repr,
    "tolist": lambda a: a.tolist(),
    "item": lambda a: a.sum().item(),
    "bool": lambda a: bool(a.sum()),
    "numpy": np.array,
    "memoryview": memoryview,
    "dlpack": lambda a: a.__dlpack__(),
    "pickle": pickle.dumps,
    "deepcopy": lambda a: copy.deepcopy(a).tolist(),
    "save": lambda a: mx.savez("/dev/null", a),
    "unique": mx.unique,
    "index": lambda a: mx.array(X)[a.astype(mx.int32)].tolist(),
    "vmap": lambda a: mx.eval(mx.vmap(lambda x: x * a)(mx.array([X, X]))),
    "vmap over it": lambda a: mx.eval(mx.vmap(lambda x: x * 2)(a)),
    "vmap to it": lambda a: mx.eval(mx.vmap(lambda x: a)(mx.array([X, X]))),
    "compile": lambda a: mx.eval(mx.compile(lambda x: x * a)(mx.array(X))),
    "compile over it": lambda a: mx.eval(mx.compile(lambda x: x * 2)(a)),
    "compile to it": lambda a: mx.eval(mx.compile(lambda x: a)(mx.array(X))),
    "grad": lambda a: mx.eval(mx.grad(lambda x: (x * a).sum())(mx.array(X))),
    "jvp": lambda a: mx.eval(mx.jvp(lambda x: x * a, [mx.array(X)], [mx.array(X)])),
    "vmap of grad": lambda a: mx.eval(mx.vmap(mx.grad(lambda x: (x * a).sum()))(mx.array([X, X]))),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("trace", TRACERS)
def test_a_placeholder_has_no_value_after_its_trace(trace, read):
    for a in leaked(trace):
        with pytest.raises(ValueError, match=NO_VALUE):
            READS[read](a)
        assert isinstance(outcome_in_a_thread(lambda a=a: READS[read](a)), ValueError)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("trace", TRACERS)
def test_a_placeholder_has_no_value_in_another_thread_during_its_trace(trace, read):
    errors = []

    def f(a):
        errors.extend(outcome_in_a_thread(lambda b=b: READS[read](b)) for b in (a, a * 2))
        return (a * 3).sum()

    expected = TRACERS[trace](lambda a: (a * 3).sum())
    assert mx.array_equal(TRACERS[trace](f), expected)
    assert [type(e) for e in errors] == [ValueError] * len(errors)
    assert all("placeholder" in str(e) for e in errors)


@pytest.mark.parametrize(
    "inner", [t for t in TRACERS if t != "compile"]
)  # which becomes part of the outer one
@pytest.mark.parametrize("outer", TRACERS)
def test_a_placeholder_of_an_inner_trace_has_no_value_in_the_outer_one(outer, inner):
    def f(a):
        return sum((b * a[0]).sum() for b in leaked(inner))

    with pytest.raises(ValueError, match=NO_VALUE):
        mx.eval(TRACERS[outer](f))


DERIVATIVES = {
    "grad": lambda f, x: mx.grad(f)(x),
    "value_and_grad": lambda f, x: mx.value_and_grad(f)(x)[1],
    "vjp": lambda f, x: mx.vjp(f, [x], [mx.array(1.0)])[1][0],
    "jvp": lambda f, x: mx.stack([mx.jvp(f, [x], [one])[1][0] for one in mx.eye(3)]),
}


@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_a_derivative_does_not_depend_on_who_evaluates_in_its_trace(derivative):
    values = []

    def f(a):
        b = a * a * a
        values.append(in_a_thread(b.tolist))
        return (b * 2).sum()

    assert DERIVATIVES[derivative](f, mx.array(X)).tolist() == [6, 24, 54]
    assert values[0] == [1, 8, 27]


def test_threads_that_trace_share_what_they_trace():
    def f(a):
        b = a * a * a
        inner = in_a_thread(lambda: mx.grad(lambda c: (b * c).sum())(mx.array(X)).tolist())
        doubled = in_a_thread(lambda: b * 2)
        in_a_thread(lambda: mx.eval(doubled))
        assert inner == [1, 8, 27]
        return doubled.sum()

    assert mx.grad(f)(mx.array(X)).tolist() == [6, 24, 54]


@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_what_leaves_a_derivative_is_an_ordinary_array(derivative):
    out = []

    def f(a):
        out.append(a * a)
        return out[-1].sum()

    DERIVATIVES[derivative](f, mx.array(X))
    assert out[0].tolist() == [1, 4, 9]
    assert mx.grad(lambda x: (x * out[0]).sum())(mx.array(X)).tolist() == [1, 4, 9]
    assert mx.vmap(lambda x: (x * out[0]).sum())(mx.array([X, X])).tolist() == [36, 36]
    assert mx.compile(lambda x: x * out[0])(mx.array(X)).tolist() == [1, 8, 27]
