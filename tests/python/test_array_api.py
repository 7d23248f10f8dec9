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
        if strict.dtype.kind == "f" and name in (*UNARY, *BINARY):
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
