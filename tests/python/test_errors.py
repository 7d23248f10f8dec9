"""Wrong arguments raise the right exception, with the function and what it expected in the text."""

import inspect

import mlx.core as mx
import pytest


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: mx.sum(mx.array([1]), 5), IndexError, ["5"]),
        (lambda: mx.sum(mx.array([1]), 5), ValueError, ["5"]),
        (lambda: mx.sum(mx.array([1]), axis="a"), TypeError, ["sum", "axis"]),
        (lambda: mx.sum(1), TypeError, ["sum", "array"]),
        (lambda: mx.sum(), TypeError, ["sum", "'a'"]),
        (lambda: mx.sum(mx.array([1]), foo=1), TypeError, ["sum", "foo"]),
        (lambda: mx.sum(mx.array([1]), 0, axis=0), TypeError, ["sum", "axis"]),
        (lambda: mx.sum(mx.array([1]), 0, False, 1), TypeError, ["sum", "positional"]),
        (lambda: mx.sum(a=mx.array([1])), TypeError, ["sum"]),
        (lambda: mx.sum(mx.array([1]), keepdims=1), TypeError, ["keepdims", "bool"]),
        (lambda: mx.exp("a"), ValueError, ["exp"]),
        (lambda: mx.exp(mx.array(1), mx.array(2)), TypeError, ["exp"]),
        (lambda: mx.add(mx.array([1]), None), TypeError, ["add"]),
        (lambda: mx.add([1], [2]), ValueError, ["add"]),
        (lambda: mx.add(mx.zeros(3), mx.zeros(4)), ValueError, ["3", "4"]),
        (lambda: mx.reshape(mx.array([1, 2]), (3,)), ValueError, ["reshape", "3"]),
        (lambda: mx.zeros(-1), ValueError, []),
        (lambda: mx.zeros((2,), "a"), TypeError, ["zeros", "dtype"]),
        (lambda: mx.zeros((2.0,)), TypeError, ["zeros", "shape"]),
        (lambda: mx.zeros((2**40, 2**40)), (ValueError, MemoryError), []),
        (lambda: mx.array([[1, 2], [3]]), ValueError, ["ragged"]),
        (lambda: mx.array([1, [2]]), ValueError, []),
        (lambda: mx.array("abc"), ValueError, ["str"]),
        (lambda: mx.array([None]), ValueError, ["NoneType"]),
        (lambda: mx.array(None), TypeError, []),
        (lambda: mx.array(), TypeError, ["array"]),
        (lambda: mx.array(1, "float32"), TypeError, []),
        (lambda: mx.array(1, foo=2), TypeError, []),
        (lambda: mx.array(2**70), (ValueError, OverflowError), []),
        (lambda: mx.array([1, 2], mx.uint8) + 300, ValueError, ["300", "uint8"]),
        (lambda: mx.array([1, 2]) + 2**40, ValueError, ["int32"]),
        (lambda: mx.array([1, 2]) + "a", ValueError, ["str"]),
        (lambda: mx.array([1, 2]) + None, TypeError, []),
        (lambda: mx.array([1, 2]) < "a", ValueError, ["str"]),
        (lambda: mx.array([3.0]) @ 2, TypeError, []),
        (lambda: bool(mx.array([1, 2])), ValueError, ["one element"]),
        (lambda: mx.array([1, 2]).item(), ValueError, ["one element"]),
        (lambda: len(mx.array(1)), TypeError, ["0 dimensions"]),
        (lambda: iter(mx.array(1)), TypeError, ["0 dimensions"]),
        (lambda: [1, 2][mx.array(1.0)], TypeError, ["integer"]),
        (lambda: mx.array([1.0]) << 1, ValueError, []),
        (lambda: -mx.array([True]), ValueError, ["negative"]),
        (lambda: mx.array([1, 2]).mT, ValueError, []),
        (lambda: mx.finfo(mx.int8), ValueError, ["int8"]),
        (lambda: mx.iinfo(mx.float32), ValueError, ["float32"]),
        (lambda: mx.isdtype(mx.float32, "xx"), ValueError, ["xx"]),
        (lambda: mx.concatenate([]), ValueError, ["concatenate"]),
        (lambda: mx.concatenate([1, 2]), TypeError, ["concatenate"]),
        (lambda: mx.stack([mx.zeros(2), mx.zeros(3)]), ValueError, ["stack"]),
        (lambda: mx.clip(mx.array([1]), None, None), ValueError, ["None"]),
        (lambda: mx.pad(mx.array([1]), 1, mode="foo"), ValueError, ["foo"]),
        (lambda: mx.split(mx.arange(4), 3), ValueError, ["3"]),
        (lambda: mx.arange(0, 1, 0), ValueError, ["arange"]),
        (lambda: mx.arange("a"), TypeError, ["arange"]),
        (lambda: mx.arange(float("inf")), ValueError, ["arange"]),
        (lambda: mx.matmul(mx.zeros(2), mx.zeros(3)), ValueError, ["matmul"]),
        (lambda: mx.swapaxes(mx.zeros((2, 3)), 0, 5), IndexError, ["5"]),
        (lambda: mx.expand_dims(mx.zeros(2), 5), IndexError, []),
        (lambda: mx.squeeze(mx.zeros(2), 0), ValueError, ["squeeze"]),
        (lambda: mx.add(1, 1, stream="a"), TypeError, ["stream"]),
        (lambda: mx.load("/nonexistent.npy"), (OSError, RuntimeError), ["nonexistent"]),
        (lambda: mx.load("/nonexistent.foo"), ValueError, ["foo"]),
        (lambda: mx.load(3), TypeError, ["load"]),
        (lambda: mx.random.seed(1.5), TypeError, ["seed"]),
        (lambda: mx.random.categorical(mx.zeros(3), shape=(2,), num_samples=2), ValueError, []),
        (lambda: mx.quantize(mx.ones((2, 64)), mode="foo"), ValueError, ["foo"]),
        (lambda: mx.fast.rms_norm(mx.ones(2), mx.ones(3), 1e-5), ValueError, ["rms_norm"]),
        (lambda: mx.array.__new__(mx.array).__setstate__((b"", (2**62, 8), mx.int32)), ValueError, []),
    ],
)
def test_wrong_arguments_say_what_was_expected(call, error, words):
    with pytest.raises(error) as info:
        result = call()
        mx.eval(result)
    for word in words:
        assert word in str(info.value)


@pytest.mark.skipif(mx.is_available(mx.gpu), reason="there is a GPU")
def test_an_absent_gpu_says_so():
    for call in (
        lambda: mx.default_stream(mx.gpu),
        lambda: mx.add(1, 1, stream=mx.gpu),
        lambda: mx.stream(mx.gpu),
    ):
        with pytest.raises(ValueError, match="gpu|GPU"):
            call()


def test_an_error_leaves_everything_usable():
    for _ in range(100):
        with pytest.raises(ValueError):
            mx.add(mx.zeros(3), mx.zeros(4))
    assert (mx.zeros(3) + 1).tolist() == [1, 1, 1]


def test_a_failed_eval_can_be_tried_again():
    bad = mx.take(mx.arange(3), mx.array([7]))
    for _ in range(2):
        with pytest.raises(IndexError):
            mx.eval(bad)
    assert (mx.arange(3) + 1).tolist() == [1, 2, 3]


def test_deeply_nested_lists_do_not_crash():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises((ValueError, RecursionError)):
        mx.array(nested)
    with pytest.raises(RecursionError):
        mx.eval(nested)
    while nested:
        nested = nested[0]


def test_a_list_that_refers_to_itself_does_not_crash():
    cycle = [1]
    cycle[0] = cycle
    with pytest.raises((ValueError, RecursionError)):
        mx.array(cycle)
    with pytest.raises(RecursionError):
        mx.eval(cycle)


def test_every_function_tells_its_signature():
    for module in (mx, mx.array, mx.random, mx.fast):
        for name, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type) and not name.startswith("_"):
                inspect.signature(value)
                assert value.__doc__, name
