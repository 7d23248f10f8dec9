"""mlx.array_api against array-api-strict, function by function: names, signatures, dtypes, results, errors."""

import inspect
import re
import warnings

import array_api_strict
import mlx.array_api
import mlx.core as mx
import numpy as np
import pytest
from array_api_cases import BINARY, CASES, UNARY, Case, Dtype

NAMESPACES = {
    "": (mlx.array_api, array_api_strict),
    "linalg": (mlx.array_api.linalg, array_api_strict.linalg),
    "fft": (mlx.array_api.fft, array_api_strict.fft),
}
# What array-api-strict has for itself.
OWN = {
    "ArrayAPIStrictFlags", "Device", "__version__", "get_array_api_strict_flags", "reset_array_api_strict_flags",
    "set_array_api_strict_flags",
}  # fmt: skip
NAMES = [(space, name) for space in NAMESPACES for name in sorted(set(NAMESPACES[space][1].__all__) - OWN)]
FUNCTIONS = [
    (space, name)
    for space, name in NAMES
    if inspect.isfunction(getattr(NAMESPACES[space][1], name)) and not name.startswith("__")
]

# Patterns of a name and of the labels of its cases, where this and array-api-strict may differ, and why.
SKIPPED = [
    ("complex128", "", "MLX has no complex128"),
    (".*", "uint64 int|^int.* uint64", "the standard lets them have no common dtype; MLX gives float32"),
    ("bitwise_.*_shift", "float|complex", "array-api-strict looks at signs of counts before dtypes"),
    ("floor_divide", "float.. special", "the standard allows floor(x1 / x2) of infinities, as MLX has it"),
]

CREATION = {"arange", "asarray", "empty", "eye", "fftfreq", "full", "linspace", "ones", "rfftfreq", "zeros"}
SUMS = {"cumulative_prod", "cumulative_sum", "prod", "sum", "trace"}
DEFAULTS = {"float64": "float32", "int64": "int32"}
SMALL = {"int8": "int32", "int16": "int32", "int32": "int32", "uint8": "uint32", "uint16": "uint32", "uint32": "uint32"}  # fmt: skip


def reason_to_skip(name: str, label: str = "") -> str | None:
    return next((why for n, part, why in SKIPPED if re.fullmatch(n, name) and re.search(part, label)), None)


@pytest.mark.parametrize("space, name", NAMES)
def test_every_name_of_the_standard_exists(space, name):
    if reason_to_skip(name):
        pytest.skip(reason_to_skip(name))
    assert hasattr(NAMESPACES[space][0], name)


def parameters(function) -> list[tuple]:
    """Name, kind and default of each; array-api-strict's marks of defaults that depend on a version are None."""
    return [
        (
            p.name,
            p.kind,
            None if isinstance(p.default, array_api_strict._creation_functions.Undef) else p.default,
        )
        for p in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("space, name", FUNCTIONS)
def test_signatures_are_the_standards(space, name):
    ours, strict = (getattr(n, name) for n in NAMESPACES[space])
    assert parameters(ours) == parameters(strict)
    assert ours.__name__ == name and ours.__doc__


# ---- Results ----
def handed_to(namespace, value):
    """The value as the namespace's arrays and dtypes."""
    if isinstance(value, np.ndarray):
        return namespace.asarray(value, dtype=getattr(namespace, value.dtype.name))
    if isinstance(value, Dtype):
        return getattr(namespace, value.name)
    if isinstance(value, (list, tuple)):
        return type(value)(handed_to(namespace, v) for v in value)
    return value


def plain(value):
    """A result as NumPy arrays and names of dtypes."""
    if isinstance(value, array_api_strict._array_object.Array):
        return value._array
    if isinstance(value, mx.array):
        return np.array(value)
    if isinstance(value, mx.Dtype):
        return str(value).split(".")[-1]
    if isinstance(value, array_api_strict._dtypes.DType):
        return value._np_dtype.name.replace("complex128", "complex64")
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "smallest_normal"):
        return [value.bits, value.eps, value.max, value.min, value.smallest_normal, plain(value.dtype)]
    if hasattr(value, "bits"):
        return [value.bits, value.max, value.min, plain(value.dtype)]
    return value


def outcome(root, space: str, name: str, case: Case):
    """What the call gives, or the error that it raises."""
    function = getattr(getattr(root, space) if space else root, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            args = handed_to(root, case.args)
            return plain(function(*args, **{k: handed_to(root, v) for k, v in case.kwargs.items()}))
    except Exception as error:
        return error


def expected_dtype(name: str, case: Case, result: np.ndarray) -> str:
    """array-api-strict's dtype, where the defaults are NumPy's, as it is with MLX's."""
    dtype = result.dtype.name
    if dtype == "complex128":
        return "complex64"
    arrays = [a for a in case.args if isinstance(a, (np.ndarray, Dtype))]
    if "dtype" in case.kwargs:
        return dtype
    if name in SUMS:
        return SMALL.get(arrays[0].dtype.name, dtype)
    if name in CREATION and not arrays:
        fits = dtype != "int64" or result.size == 0 or abs(result).max() < 2**31
        return DEFAULTS.get(dtype, dtype) if fits else dtype
    return dtype


def tolerance(space: str, dtype: str) -> float:
    if dtype == "float64":
        return 1e-11
    return {"": 3e-6, "fft": 1e-5, "linalg": 2e-4}[space]


def assert_same(space: str, name: str, case: Case, ours, strict) -> None:
    if isinstance(strict, Exception):
        # The base classes that the standard's text and Python name.
        kinds = [k for k in (TypeError, ValueError, IndexError, OverflowError) if isinstance(strict, k)]
        assert isinstance(ours, tuple(kinds)), f"expected {strict!r}, got {ours!r}"
    elif isinstance(ours, Exception):
        raise AssertionError(f"unexpected {ours!r}") from ours
    elif isinstance(strict, list):
        assert len(ours) == len(strict)
        for a, b in zip(ours, strict):
            assert_same(space, name, case, a, b)
    elif isinstance(strict, (np.ndarray, np.generic)):
        strict = np.asarray(strict)
        dtype = expected_dtype(name, case, strict)
        assert ours.dtype == dtype and ours.shape == strict.shape, (
            f"{ours.dtype} {ours.shape}, not {dtype} {strict.shape}"
        )
        if name in ("empty", "empty_like"):
            return
        if strict.dtype.kind in "fc":
            near = tolerance(space, ours.dtype.name)
            np.testing.assert_allclose(ours, strict.astype(ours.dtype), rtol=near, atol=near)
        else:
            np.testing.assert_array_equal(ours, strict.astype(ours.dtype))
        signs = name in (*UNARY, *BINARY) and not reason_to_skip(name, f"{case.label}: signs of zeros")
        if strict.dtype.kind == "f" and signs:
            zero = strict == 0
            np.testing.assert_array_equal(np.signbit(ours[zero]), np.signbit(strict[zero]), "sign of zeros")
    else:
        assert ours == strict and type(ours) is type(strict)


def joined(name: str, result):
    """Factors whose signs or directions are free, as what is not: sizes and the product."""
    if isinstance(result, Exception):
        return result
    if name == "qr":
        q, r = result
        return [q @ r, np.abs(np.diagonal(r, 0, -2, -1)), np.conj(np.swapaxes(q, -1, -2)) @ q]
    if name == "svd":
        u, s, vh = result
        k = s.shape[-1]
        return [(u[..., :k] * s[..., None, :]) @ vh[..., :k, :], s, np.conj(np.swapaxes(u, -1, -2)) @ u]
    if name == "eigvals":
        return np.sort_complex(result)
    values, vectors = result
    order = np.argsort(values, -1) if name == "eig" else np.arange(values.shape[-1])
    inverse = np.linalg.inv(vectors)
    return [np.sort_complex(values) if name == "eig" else values, (vectors * values[..., None, :]) @ inverse]


@pytest.mark.parametrize("space, name", FUNCTIONS)
def test_results_dtypes_and_errors_are_the_standards(space, name):
    compared, faults = 0, []
    for case in CASES[space][name]():
        if reason_to_skip(name, case.label):
            continue
        strict = outcome(array_api_strict, space, name, case)
        ours = outcome(mlx.array_api, space, name, case)
        if name in ("eig", "eigh", "eigvals", "qr", "svd"):
            ours, strict = joined(name, ours), joined(name, strict)
        try:
            assert_same(space, name, case, ours, strict)
        except AssertionError as fault:
            faults.append(f"{case.label}: {str(fault).strip()}")
        compared += 1
    assert compared and not faults, f"{len(faults)} of {compared}:\n" + "\n".join(faults)


def test_thousands_of_calls_are_compared():
    labels = [(name, case.label) for space, name in FUNCTIONS for case in CASES[space][name]()]
    assert sum(reason_to_skip(*label) is None for label in labels) > 17_000


# ---- What array-api-strict doesn't have, or does otherwise ----
xp = mlx.array_api
HALF = (mx.float16, mx.bfloat16)
ENDS = [0.0, -0.0, 1.0, -1.5, 6e-8, -6e-8, 65504.0, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("name", ["copysign", "hypot", "nextafter", "remainder"])
def test_halves_are_floats_as_others_are(name):
    x, y = (a.ravel() for a in np.meshgrid(np.array(ENDS, "float16"), np.array(ENDS, "float16")))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    ours = np.array(getattr(xp, name)(mx.array(x), mx.array(y)))
    assert ours.dtype == np.float16
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(expected))
    held = ~np.isnan(expected) & ~((x == 0) & (y == 0))  # the standard says x2, as of other floats
    np.testing.assert_allclose(ours[held], expected[held], rtol=2e-3)
    np.testing.assert_array_equal(np.signbit(ours[held]), np.signbit(expected[held]))


def test_the_neighbours_of_bfloat16_numbers_are_a_unit_of_the_last_place_away():
    x = mx.array([1.0, -1.0, 0.0, 256.0], mx.bfloat16)
    assert xp.nextafter(x, mx.array(np.inf, mx.bfloat16)).tolist() == [
        1.0078125,
        -0.99609375,
        9.183549615799121e-41,
        258.0,
    ]
    assert xp.signbit(mx.array([-0.0, 0.0, -np.nan], mx.bfloat16)).tolist() == [True, False, True]
    assert all(xp.isdtype(t, "real floating") and xp.finfo(t).dtype == t for t in HALF)


def test_quotients_with_infinities_are_those_that_the_standard_allows():
    x, y = (a.ravel() for a in np.meshgrid(np.array(ENDS, "float32"), np.array(ENDS, "float32")))
    with np.errstate(all="ignore"):
        expected = np.floor(x / y)
    np.testing.assert_array_equal(np.array(xp.floor_divide(mx.array(x), mx.array(y))), expected)


def test_expm1_of_complex_numbers_has_the_standards_special_values():
    inf, nan = np.inf, np.nan
    table = [
        (0, 0, 0, 0), (0, -0.0, 0, -0.0), (1.5, inf, nan, nan), (1.5, nan, nan, nan), (inf, 0, inf, 0), (-inf, 2, -1, 0),
        (inf, 2, -inf, inf), (-inf, inf, -1, 0), (inf, inf, inf, nan), (-inf, nan, -1, 0), (inf, nan, inf, nan),
        (nan, 0, nan, 0), (nan, 2, nan, nan),
    ]  # fmt: skip
    ours = np.array(xp.expm1(mx.array([complex(a, b) for a, b, _, _ in table])))
    np.testing.assert_allclose(ours.real, [real for _, _, real, _ in table], rtol=1e-6)
    np.testing.assert_allclose(ours.imag, [imag for _, _, _, imag in table], rtol=1e-6)
    small = np.array([1e-6 + 1e-6j, -1e-6 + 2e-7j], "complex64")
    np.testing.assert_allclose(
        np.array(xp.expm1(mx.array(small))), np.expm1(small.astype("complex128")), rtol=1e-5
    )


def test_isin_inverts_and_knows_no_nan():
    x = mx.array([1.0, np.nan, 2.0])
    assert xp.isin(x, mx.array([np.nan, 2.0])).tolist() == [False, False, True]
    assert xp.isin(x, mx.array([np.nan, 2.0]), invert=True).tolist() == [True, True, False]
    assert xp.isin(mx.array([1j, 2.0]), mx.array([1j])).tolist() == [True, False]
    assert xp.isin(mx.array([True]), mx.zeros((0,), mx.bool_), invert=True).tolist() == [True]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "uint64"])
def test_long_products_of_integers_are_exact_modulo_their_width(dtype):
    info = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(info.min, info.max, (2, (1 << 20) + 3), dtype, endpoint=True)
    assert np.array_equal(np.array(xp.matmul(mx.array(x), mx.array(x.T))), x @ x.T)
    assert np.array_equal(np.array(xp.matmul(mx.array(x), mx.array(x[0]))), x @ x[0])


def test_functions_can_be_differentiated_compiled_and_mapped():
    x, y = mx.array([3.0, -5.0]), mx.array([4.0, 12.0])
    by_x, by_y = mx.grad(lambda x, y: xp.sum(xp.hypot(x, y)), argnums=(0, 1))(x, y)
    np.testing.assert_allclose(np.array(by_x), [3 / 5, -5 / 13], rtol=1e-6)
    np.testing.assert_allclose(np.array(by_y), [4 / 5, 12 / 13], rtol=1e-6)
    assert mx.grad(lambda x: xp.sum(xp.copysign(x, y)))(x).tolist() == [1.0, -1.0]
    standardised = lambda x: (x - xp.mean(x)) / xp.std(x, correction=1)  # noqa: E731
    assert mx.compile(standardised)(x).tolist() == standardised(x).tolist()
    assert mx.vmap(lambda a, b: xp.nextafter(a, b))(x, y).tolist() == xp.nextafter(x, y).tolist()


class OnlyDLPack:
    """As tensors of libraries that have no buffers."""

    def __init__(self, x: np.ndarray):
        self.x = x

    def __dlpack__(self, **kwargs):
        return self.x.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


@pytest.mark.parametrize(
    "make", [mx.array, mx.asarray, xp.asarray], ids=["mx.array", "mx.asarray", "xp.asarray"]
)
@pytest.mark.parametrize("wrap", [np.asarray, OnlyDLPack], ids=["buffer", "DLPack"])
def test_an_array_is_a_copy_that_the_source_does_not_change(make, wrap):
    source = np.arange(3, dtype="float32")
    x = make(wrap(source))
    shared = xp.asarray(wrap(source), copy=False)
    source[0] = 7
    assert x.tolist() == [0, 1, 2] and shared.tolist() == [7, 1, 2]


def test_asarray_keeps_the_dtype_of_a_buffer():
    for dtype in ("float64", "float32", "int16", "bool", "complex64"):
        assert str(xp.asarray(np.ones(2, dtype)).dtype).endswith(dtype)
    assert xp.asarray(np.ones(2, "complex128")).dtype == mx.complex64
    x = mx.ones(2)
    assert xp.asarray(x) is x and xp.asarray(x, copy=True) is not x
    with pytest.raises(ValueError):
        xp.asarray(x, dtype=mx.float64, copy=False)


def test_what_a_function_gives_is_an_object_of_its_own():
    """An in-place operator on it mustn't reach the argument."""
    x = mx.array([1.0, 2.0])
    for same in (
        xp.positive(x),
        xp.astype(x, x.dtype),
        xp.reshape(x, (2,)),
        xp.clip(x),
        xp.floor(x),
        xp.real(x),
    ):
        same += 1
    assert x.tolist() == [1.0, 2.0]


def test_the_namespace_tells_of_itself():
    info = xp.__array_namespace_info__()
    assert info.default_device() in info.devices() and info.default_device() == mx.ones(1).device
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 32,
    }
    assert info.default_dtypes(device=info.default_device()) == {
        "real floating": xp.ones(1).dtype,
        "complex floating": xp.full(1, 1j).dtype,
        "integral": xp.asarray(1).dtype,
        "indexing": xp.argmax(xp.ones(3)).dtype,
    }
    assert set(info.dtypes()) == {
        d for d in array_api_strict.__array_namespace_info__().dtypes() if d != "complex128"
    }
    assert info.dtypes(kind=("bool", "complex floating")) == {"bool": xp.bool, "complex64": xp.complex64}
    for wrong in ({"kind": "nonsense"}, {"kind": ("bool", "nonsense")}, {"device": "nowhere"}):
        with pytest.raises(ValueError):
            info.dtypes(**wrong)


def test_creation_takes_a_device():
    for make in (xp.ones, xp.zeros, xp.empty, xp.eye):
        assert make(2, device=mx.Device(mx.cpu)).device == mx.default_device()
        with pytest.raises(ValueError):
            make(2, device="cpu")
