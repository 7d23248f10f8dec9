"""What the array API standard asks of an array object, against array-api-strict: operators, indexing, attributes."""

import copy
import operator

import array_api_strict
import mlx.array_api
import mlx.core as mx
import numpy as np
import pytest
from array_api_cases import DTYPES, FLOATS, INTEGERS, PROMOTIONS, SHAPES, Case, random, special
from programs import run
from test_array_api import assert_same, handed_to, plain

UNARY = ("abs", "invert", "neg", "pos")
BINARY = ("add", "and_", "eq", "floordiv", "ge", "gt", "le", "lshift", "lt", "matmul", "mod", "mul", "ne", "or_", "pow",
          "rshift", "sub", "truediv", "xor")  # fmt: skip
IN_PLACE = (
    "iadd",
    "iand",
    "ifloordiv",
    "ilshift",
    "imod",
    "imul",
    "ior",
    "ipow",
    "irshift",
    "isub",
    "itruediv",
    "ixor",
)


def outcome(namespace, function, args):
    """On copies: in-place operators of array-api-strict write into NumPy's memory."""
    try:
        with np.errstate(all="ignore"):
            return plain(function(*(handed_to(namespace, copy.deepcopy(a)) for a in args)))
    except Exception as error:
        return error


def assert_gives_the_standards_result(function, *args) -> bool:
    """Where array-api-strict gives a result at all: MLX allows more."""
    strict = outcome(array_api_strict, function, args)
    if not isinstance(strict, Exception):
        assert_same("", "", Case("", args), outcome(mlx.array_api, function, args), strict)
    return not isinstance(strict, Exception)


def natural(x: np.ndarray) -> np.ndarray:
    """For exponents and counts of shifts."""
    return np.clip(x, 0, 5).astype(x.dtype) if x.dtype.name in INTEGERS else x


@pytest.mark.parametrize("name", UNARY)
def test_unary_operators(name):
    function, compared = getattr(operator, name), 0
    for dtype in DTYPES:
        for x in (*(random(dtype, shape) for shape in SHAPES), special(dtype)):
            compared += assert_gives_the_standards_result(function, x)
    assert compared


@pytest.mark.parametrize("name", BINARY + IN_PLACE)
def test_binary_operators(name):
    function, compared = getattr(operator, name), 0
    right = natural if name.strip("i_") in ("pow", "lshift", "rshift") else np.asarray
    for dtype in DTYPES:
        x, y = random(dtype, (3, 3)), right(random(dtype, (3, 3), seed=1))
        if name == "matmul" and dtype in INTEGERS:
            continue  # MLX multiplies matrices of floats
        compared += assert_gives_the_standards_result(function, x, y)
        for scalar in (True, 2, 1.5, 1j):
            compared += assert_gives_the_standards_result(function, x, scalar)
            if name not in IN_PLACE:
                compared += assert_gives_the_standards_result(function, scalar, y)
        if dtype in FLOATS and name not in (
            "floordiv",
            "ifloordiv",
            "matmul",
        ):  # of infinities: see test_array_api.py
            compared += assert_gives_the_standards_result(
                function, special(dtype), special(dtype)[::-1].copy()
            )
    for a, b in PROMOTIONS:
        if name not in IN_PLACE and name != "matmul":
            compared += assert_gives_the_standards_result(function, random(a), right(random(b)))
    assert compared


KEYS = [
    (0, 1, 2), (-1, ...), (..., 0), (slice(0, 2), ...), (slice(None, None, -1), ...), (slice(-2, None), ...),
    (slice(3, 0, -2), ...), (None, ...), (0, None, ..., 1), (...,),
    (0, slice(None), -1), (slice(1, 2), slice(None, None, 2), slice(0, 3)), random("bool", (3, 4, 5)),
    *((np.array([2, 0, 1], d), np.array([1], d), 0) for d in INTEGERS),
    *((np.array(2, d), 0, 1) for d in INTEGERS),
]  # fmt: skip


def index(x, key):
    return x[key]


def assign(x, key, value):
    x[key] = value
    return x


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing(key):
    x = random("float32", (3, 4, 5))
    assert assert_gives_the_standards_result(index, x, key)
    assert_gives_the_standards_result(assign, x, key, 2.0)


@pytest.mark.parametrize("key", [(), ..., np.array(True), np.array(False)], ids=str)
def test_indexing_of_0_dimensions(key):
    assert assert_gives_the_standards_result(index, np.array(3.0), key)


def test_bounds_of_slices_may_be_integer_arrays():
    x, two = mx.arange(5), mx.array(2)
    assert x[:two].tolist() == [0, 1] and x[two:].tolist() == [2, 3, 4] and x[::two].tolist() == [0, 2, 4]
    x[two:4] = 7
    assert x.tolist() == [0, 1, 7, 7, 4]
    for wrong in (mx.array([2]), mx.array(2.0), mx.array(True)):
        with pytest.raises(ValueError, match="expected ints or None in a slice"):
            x[:wrong]
    with pytest.raises(ValueError, match="placeholder"):
        mx.compile(lambda n: x[:n])(two)


@pytest.mark.parametrize("convert", [bool, int, float, complex, operator.index], ids=lambda f: f.__name__)
def test_conversions(convert):
    assert sum(assert_gives_the_standards_result(convert, random(dtype, ())) for dtype in DTYPES) >= 8


@pytest.mark.parametrize("name", ["dtype", "mT", "ndim", "shape", "size", "T"])
def test_attributes(name):
    for shape in ((3, 4), (2, 3, 4), (3,), ()):
        assert_gives_the_standards_result(operator.attrgetter(name), random("float32", shape))


def test_arrays_have_all_that_the_standard_names():
    public = {n for n in dir(array_api_strict.ones(1)) if not n.startswith("_")}
    special_methods = {f"__{n.strip('_')}__" for n in UNARY + BINARY + IN_PLACE} | {
        "__array_namespace__", "__bool__", "__complex__", "__dlpack__", "__dlpack_device__", "__float__", "__getitem__",
        "__index__", "__int__", "__setitem__",
    }  # fmt: skip
    assert (public | special_methods) - set(dir(mx.array)) == set()


def test_where_arrays_differ_from_the_standard_they_are_as_the_page_says():
    """docs/array-api.md; what it lists as open to every library is left out."""
    a, flags, x = mx.array([1, 2]), mx.array([True, False]), mx.ones((2, 3, 4))
    assert (a / a).dtype == mx.float32 and (a + 1.5).dtype == mx.float32 and (flags + 1).dtype == mx.int32
    for refused in (
        lambda: a @ a,
        lambda: -flags,
        lambda: x & x,
        lambda: a.astype(mx.int8) + 1000,
        lambda: x[0, 0, 0, 0],
    ):
        with pytest.raises(ValueError):
            refused()
    with pytest.raises(IndexError):
        x[2]
    other = a
    a += 0.5
    assert other is a and a.dtype == mx.float32
    row = x[0]
    row[0] = 7
    assert mx.max(x).item() == 1
    assert x.T.shape == (4, 3, 2) and int(mx.array([[3]])) == 3


# ---- Namespace and device ----
@pytest.mark.parametrize("version", [None, "2021.12", "2022.12", "2023.12", "2024.12"])
def test_an_array_gives_its_namespace(version):
    assert mx.ones(3).__array_namespace__(api_version=version) is mlx.array_api
    assert mlx.array_api.__array_api_version__ == "2024.12"


@pytest.mark.parametrize("version", ["2020.1", "2099.12", ""])
def test_a_version_that_is_not_there_is_refused(version):
    with pytest.raises(ValueError, match="expected an API version"):
        mx.ones(3).__array_namespace__(api_version=version)


def test_the_namespace_is_imported_when_an_array_is_asked_for_it():
    printed = run(
        "import sys, mlx.core as mx\n"
        "x = mx.ones(3)\n"
        "print('mlx.array_api' in sys.modules)\n"
        "x.__array_namespace__()\n"
        "print('mlx.array_api' in sys.modules, 'numpy' in sys.modules)"
    )
    assert printed.split() == ["False", "True", "False"]


def test_an_array_is_on_the_default_device_and_moves_to_any():
    x = mx.ones(3)
    assert x.device == mx.default_device() and hash(x.device) == hash(mx.default_device())
    for device in (x.device, mx.cpu, mx.Device(mx.cpu)):
        moved = x.to_device(device)
        assert moved.tolist() == x.tolist() and moved.dtype == x.dtype
    assert x.to_device(x.device, stream=None) is not x
    with pytest.raises(TypeError):
        x.to_device("cpu")
    with pytest.raises(AttributeError):
        x.device = mx.cpu


def test_dlpack_goes_both_ways():
    x = random("float64", (3, 4))
    ours = mlx.array_api.from_dlpack(x)
    assert ours.dtype == mx.float64 and np.array_equal(np.from_dlpack(ours), x)
    assert np.array_equal(np.from_dlpack(mlx.array_api.from_dlpack(ours, copy=True)), x)
