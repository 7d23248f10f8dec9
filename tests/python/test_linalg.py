"""mx.linalg and mx.random.multivariate_normal: against NumPy and the identities that define each function."""

import os
import subprocess
import sys
import threading

import mlx.core as mx
import numpy as np
import pytest
from devices import with_fork
from samples import LAYOUTS, laid_out, to_mlx, to_numpy

L = mx.linalg
TOLERANCE = {"float32": 2e-5, "complex64": 2e-5, "float64": 1e-13}
SHAPES = [
    (1, 1),
    (2, 2),
    (5, 5),
    (4, 3),
    (3, 4),
    (2, 6, 6),
    (2, 3, 7, 2),
    (33, 33),
    (70, 40),
    (3, 40, 70),
    (150, 200),
    (200, 150),
    (2, 130, 290),
]
SQUARE = [(1, 1), (2, 2), (5, 5), (2, 3, 6, 6), (31, 31), (33, 33), (100, 100), (2, 97, 97), (260, 260)]


def sample(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    if dtype == "complex64":
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype)


def regular(shape, dtype, seed=0):
    """Square matrices whose condition number is moderate."""
    return sample(shape, dtype, seed) + (2 * shape[-1] ** 0.5 * np.eye(shape[-1])).astype(dtype)


def positive(shape, dtype, seed=0):
    a = sample(shape, dtype, seed)
    return a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(shape[-1], dtype=dtype)


def transposed(a):
    return np.swapaxes(np.asarray(a), -1, -2)


def adjoint(a):
    return np.conj(transposed(a))


def close(got, want, dtype, factor=1.0):
    got, want = to_numpy(got), np.asarray(want)
    assert got.shape == want.shape
    size = max(1, got.shape[-1] if got.ndim else 1)
    scale = max(1, np.abs(want).max(initial=0))
    assert np.abs(got - want).max(initial=0) <= TOLERANCE[dtype] * factor * size**0.5 * scale


def dtype_of(a):
    return str(a.dtype).removeprefix("mlx.core.")


# ---- Systems ----
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_a_matrix_times_its_inverse_is_the_identity(shape, dtype):
    a = regular(shape, dtype)
    inverse = L.inv(to_mlx(a, dtype))
    assert dtype_of(inverse) == dtype
    close(a @ to_numpy(inverse), np.broadcast_to(np.eye(shape[-1]), shape), dtype, 10)
    close(inverse, np.linalg.inv(a), dtype, 10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("columns", [1, 3, 150])
def test_solutions_satisfy_their_system(shape, dtype, columns):
    a, b = regular(shape, dtype), sample((*shape[:-1], columns), dtype, 1)
    x = L.solve(to_mlx(a, dtype), to_mlx(b, dtype))
    assert dtype_of(x) == dtype
    close(x, np.linalg.solve(a, b), dtype, 10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_triangular_systems_read_one_triangle(shape, dtype, upper):
    n = shape[-1]
    a = sample(shape, dtype) / n**0.5 + 2 * np.eye(n, dtype=dtype)
    b = sample((*shape[:-1], 5), dtype, 1)
    triangle = (np.triu if upper else np.tril)(a)
    x = L.solve_triangular(to_mlx(a, dtype), to_mlx(b, dtype), upper=upper)
    close(x, np.linalg.solve(triangle, b), dtype, 10)
    inverse = L.tri_inv(to_mlx(a, dtype), upper=upper)
    close(inverse, np.linalg.inv(triangle), dtype, 10)
    assert np.all(to_numpy(inverse) == (np.triu if upper else np.tril)(to_numpy(inverse)))


SYSTEMS = [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3,)), ((2, 3, 3), (3, 2)), ((3, 3), (2, 3, 2)),
           ((3, 3), (4, 2, 3, 2)), ((2, 1, 3, 3), (4, 3, 2)), ((4, 1, 3, 3), (1, 2, 3, 5)), ((3, 3), (0, 3, 2)),
           ((0, 3, 3), (3, 2)), ((3, 3), (3, 0)), ((0, 0), (0, 2)), ((0, 0), (0,)), ((2, 0, 0), (0, 3))]  # fmt: skip


@pytest.mark.parametrize("a, b", SYSTEMS, ids=str)
def test_systems_broadcast_their_batches(a, b):
    a, b = regular(a, "float64"), sample(b, "float64", 1)
    column = b[:, None] if b.ndim == 1 else b
    want = np.linalg.solve(a, column)
    close(
        L.solve(to_mlx(a, "float64"), to_mlx(b, "float64")),
        want[..., 0] if b.ndim == 1 else want,
        "float64",
        10,
    )
    want = np.linalg.solve(np.tril(a), column)
    got = L.solve_triangular(to_mlx(a, "float64"), to_mlx(b, "float64"))
    close(got, want[..., 0] if b.ndim == 1 else want, "float64", 10)


def test_dtypes_of_a_system_promote():
    a, b = mx.array([[2.0, 0], [0, 4]]), mx.array([2, 4])
    assert L.solve(a, b).dtype == mx.float32
    assert L.solve(a, b.astype(mx.float64)).dtype == mx.float64
    assert L.solve(a, b.astype(mx.bfloat16)).tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [2, 40, 300])
def test_singular_matrices_are_an_error_when_evaluated(n, dtype):
    a = regular((3, n, n), dtype)
    a[1, -1] = 0
    x = to_mlx(a, dtype)
    for name, y in {
        "inv": L.inv(x), "solve": L.solve(x, x), "solve_triangular": L.solve_triangular(x, x), "tri_inv": L.tri_inv(x),
        "cholesky_inv": L.cholesky_inv(x),
    }.items():  # fmt: skip
        label = name if name in ("inv", "solve") else "solve_triangular"
        with pytest.raises(RuntimeError, match=rf"\[{label}\] expected invertible .*number 1\)"):
            mx.eval(y)
    close(L.inv(x[0]), np.linalg.inv(a[0]), dtype, 10)  # others are not harmed


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pseudo_inverses_have_their_four_properties(shape, dtype):
    a = sample(shape, dtype)
    a[..., -1, :] = a[..., 0, :]  # short of full rank
    p = to_numpy(L.pinv(to_mlx(a, dtype)))
    assert p.shape == (*shape[:-2], shape[-1], shape[-2])
    close(a @ p @ a, a, dtype, 20)
    close(p @ a @ p, p, dtype, 20)
    close(a @ p, transposed(a @ p), dtype, 20)
    close(p @ a, transposed(p @ a), dtype, 20)


# ---- Factorisations ----
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES + SQUARE, ids=str)
def test_lu_factors_make_the_matrix(shape, dtype):
    a, k = sample(shape, dtype), min(shape[-2:])
    rows, lower, upper = L.lu(to_mlx(a, dtype))
    assert rows.dtype == mx.uint32 and rows.shape == shape[:-1]
    lower, upper = to_numpy(lower), to_numpy(upper)
    assert np.all(lower == np.tril(lower)) and np.all(upper == np.triu(upper))
    assert np.all(np.diagonal(lower, axis1=-2, axis2=-1) == 1) and np.abs(lower).max() <= 1
    order = np.broadcast_to(np.array(rows)[..., None], shape).astype(np.int64)
    close(np.take_along_axis(lower @ upper, order, -2), a, dtype, 4)

    packed, pivots = L.lu_factor(to_mlx(a, dtype))
    assert pivots.dtype == mx.uint32 and pivots.shape == (*shape[:-2], k)
    packed = to_numpy(packed)
    assert np.array_equal(np.tril(packed, -1)[..., :k], np.tril(lower, -1))
    assert np.array_equal(np.triu(packed)[..., :k, :], upper)
    for swaps, places in zip(np.array(pivots).reshape(-1, k), np.array(rows).reshape(-1, shape[-2])):
        moved = list(range(shape[-2]))
        for i, p in enumerate(swaps):
            moved[i], moved[p] = moved[p], moved[i]
        assert [places[m] for m in moved] == list(range(shape[-2]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_determinants_agree_with_numpy(shape, dtype):
    a = sample(shape, dtype) / shape[-1] ** 0.5
    sign, log = L.slogdet(to_mlx(a, dtype))
    want_sign, want_log = np.linalg.slogdet(a.astype(np.float64))
    close(sign, want_sign, dtype)
    close(log, want_log, dtype, 40 * shape[-1] ** 0.5)
    close(L.det(to_mlx(a, dtype)), np.linalg.det(a.astype(np.float64)), dtype, 40 * shape[-1] ** 0.5)


def test_determinants_of_integers_and_singular_matrices():
    a = mx.array([[1, 2], [2, 4]])
    assert L.det(a).dtype == mx.float32 and L.det(a).item() == 0
    sign, log = L.slogdet(a)
    assert (sign.item(), log.item()) == (0, -np.inf)
    assert L.det(mx.zeros((2, 0, 0))).tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_cholesky_factors_make_the_matrix(shape, dtype):
    a = positive(shape, dtype)
    for upper in (False, True):
        triangle = (np.triu if upper else np.tril)(a)  # what is read
        factor = to_numpy(L.cholesky(to_mlx(triangle, dtype), upper=upper))
        assert np.all(factor == (np.triu if upper else np.tril)(factor))
        close(transposed(factor) @ factor if upper else factor @ transposed(factor), a, dtype)
        inverse = to_numpy(L.cholesky_inv(to_mlx(factor, dtype), upper=upper))
        close(inverse @ a, np.broadcast_to(np.eye(shape[-1]), shape), dtype, 200 * shape[-1])


@pytest.mark.parametrize("value", [-1.0, 0.0, np.nan])
def test_cholesky_needs_positive_definite_matrices(value):
    a = np.stack([np.eye(3), np.diag([1, value, 1])])
    with pytest.raises(RuntimeError, match=r"\[cholesky\] expected positive definite .*number 1"):
        mx.eval(L.cholesky(mx.array(a)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES + SQUARE, ids=str)
def test_qr_has_orthonormal_columns_and_a_triangle(shape, dtype):
    a, k = sample(shape, dtype), min(shape[-2:])
    q, r = (to_numpy(x) for x in L.qr(to_mlx(a, dtype)))
    assert q.shape == (*shape[:-1], k) and r.shape == (*shape[:-2], k, shape[-1])
    assert q.dtype == r.dtype == dtype and np.all(r == np.triu(r))
    close(q @ r, a, dtype)
    close(transposed(q) @ q, np.broadcast_to(np.eye(k), (*shape[:-2], k, k)), dtype)
    want = np.linalg.qr(a)
    close(q, want[0], dtype, 20 * k)
    close(r, want[1], dtype, 20 * k)


@pytest.mark.parametrize("shape", [(8, 8), (40, 20), (200, 150)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_qr_of_elements_far_from_one(shape, dtype):
    a = sample(shape, dtype)
    big = 1e30 if dtype == "float32" else 1e300
    for scale in (big, 1 / big, np.where(np.arange(shape[-1]) % 2, 1, 1 / big), np.arange(shape[-1]) % 3):
        scaled = (a * scale).astype(dtype)
        q, r = (to_numpy(x) for x in L.qr(to_mlx(scaled, dtype)))
        size = np.abs(scaled).max()
        close(q @ (r / size), scaled / size, dtype)
        close(q.T @ q, np.eye(q.shape[1]), dtype)


# ---- Spectra ----
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", SHAPES + SQUARE, ids=str)
def test_singular_vectors_make_the_matrix(shape, dtype):
    a, (m, n) = sample(shape, dtype), shape[-2:]
    k = min(m, n)
    u, s, vt = (to_numpy(x) for x in L.svd(to_mlx(a, dtype)))
    assert (u.dtype, vt.dtype, s.dtype) == (dtype, dtype, "float64" if dtype == "float64" else "float32")
    close((u[..., :k] * s[..., None, :]) @ vt[..., :k, :], a, dtype)
    close(u @ adjoint(u), np.broadcast_to(np.eye(m), (*shape[:-2], m, m)), dtype)
    close(vt @ adjoint(vt), np.broadcast_to(np.eye(n), (*shape[:-2], n, n)), dtype)
    want = np.linalg.svd(a, compute_uv=False)
    close(s, want, dtype)
    close(L.svd(to_mlx(a, dtype), compute_uv=False), want, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("uplo", ["L", "U", "l", "u"])
@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_eigenvectors_of_hermitian_matrices(shape, dtype, uplo):
    n = shape[-1]
    a = sample(shape, dtype)
    a = (a + adjoint(a)) / 2
    half = (np.triu if uplo in "Uu" else np.tril)(a) + (np.tril if uplo in "Uu" else np.triu)(
        np.full_like(a, 99), -1 if uplo in "Uu" else 1
    )
    w, v = (to_numpy(x) for x in L.eigh(to_mlx(half, dtype), uplo))
    assert v.dtype == dtype and w.dtype == ("float64" if dtype == "float64" else "float32")
    assert np.all(np.diff(w, axis=-1) >= 0)
    close((v * w[..., None, :]) @ adjoint(v), a, dtype, 2)
    close(adjoint(v) @ v, np.broadcast_to(np.eye(n), shape), dtype, 2)
    close(w, np.linalg.eigvalsh(a), dtype, 2)
    close(L.eigvalsh(to_mlx(half, dtype), uplo), w, dtype, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (2, 3, 6, 6), (33, 33)], ids=str)
def test_eigenvectors_of_any_matrix(shape, dtype):
    a = sample(shape, dtype)
    w, v = L.eig(to_mlx(a, dtype))
    assert w.dtype == v.dtype == mx.complex64
    w, v = to_numpy(w), to_numpy(v)
    close(a @ v, v * w[..., None, :], "complex64", 10)
    close(np.linalg.norm(v, axis=-2), np.ones(shape[:-1]), "complex64")
    values = to_numpy(L.eigvals(to_mlx(a, dtype)))
    close(np.sort(values.real, -1), np.sort(np.linalg.eigvals(a).real, -1), "complex64", 20)


def test_conjugate_pairs_keep_their_order():
    w, v = L.eig(mx.array([[0.0, -1.0], [1.0, 0.0]]))
    assert w.tolist() == [1j, -1j]
    np.testing.assert_allclose(np.array(v), np.array([[1, 1], [-1j, 1j]]) / 2**0.5, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["svd", "eigh", "eigvalsh", "eig", "eigvals", "pinv"])
@pytest.mark.parametrize("n", [1, 3, 40])
def test_spectra_of_what_is_not_finite_are_an_error(name, value, n):
    a = np.stack([np.eye(n), np.eye(n)]).astype(np.float32)
    a[1, -1, 0] = value
    label = {"eigvalsh": "eigh", "eigvals": "eig"}.get(name, name)
    with pytest.raises(ValueError, match=rf"\[{label}\] expected finite elements, got .* number 1"):
        mx.eval(getattr(L, name)(mx.array(a)))


@pytest.mark.parametrize("n", [3, 40, 100])
def test_nan_passes_through_direct_methods(n):
    a = np.eye(n, dtype=np.float32)
    a[-1, 0] = np.nan
    for y in (L.inv(mx.array(a)), *L.qr(mx.array(a)), L.lu_factor(mx.array(a))[0], L.det(mx.array(a))):
        assert np.isnan(np.array(y)).any()


# ---- Large matrices take ways of their own ----
LARGE = 300


def special(kind, n, rng):
    """Symmetric matrices whose eigenvalues are multiple, close, many zeros, or far apart; or far from 1."""
    q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    i = np.arange(n)
    return {
        "zero": lambda: np.zeros((n, n)), "identity": lambda: np.eye(n), "ones": lambda: np.ones((n, n)),
        "diagonal": lambda: np.diag(i[::-1] - n / 3), "one block": lambda: np.kron(np.eye(n // 2), [[2, 1], [1, 2]]),
        "multiple": lambda: q @ np.diag(i % 3 - 1.0) @ q.T, "close": lambda: np.diag(i % 3 * 1.0) + 1e-3 * np.ones((n, n)),
        "low rank": lambda: q[:, :5] @ q[:, :5].T, "graded": lambda: q @ np.diag(10.0 ** (-i / 30)) @ q.T,
        "chain": lambda: 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1),
        "wilkinson": lambda: np.diag(np.abs(i - n / 2)) + np.eye(n, k=1) + np.eye(n, k=-1),
        "huge": lambda: 1e30 * q @ np.diag(i - n / 2) @ q.T, "tiny": lambda: 1e-30 * q @ np.diag(i - n / 2) @ q.T,
    }[kind]()  # fmt: skip


KINDS = ["zero", "identity", "ones", "diagonal", "one block", "multiple", "close", "low rank", "graded", "chain",
         "wilkinson", "huge", "tiny"]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_large_spectra_of_special_matrices(kind, dtype):
    a = special(kind, LARGE, np.random.default_rng(5))
    a = ((a + a.T) / 2).astype(dtype)
    scale = np.abs(np.linalg.eigvalsh(a.astype(np.float64))).max() or 1
    unit, eye = (a / scale).astype(np.float64), np.eye(LARGE)
    w, v = (to_numpy(x).astype(np.float64) for x in L.eigh(to_mlx(a, dtype)))
    close(w / scale, np.linalg.eigvalsh(unit), dtype)
    close((v * (w / scale)) @ v.T, unit, dtype)
    close(v.T @ v, eye, dtype)
    u, s, vt = (to_numpy(x).astype(np.float64) for x in L.svd(to_mlx(a, dtype)))
    close(s / scale, np.linalg.svd(unit, compute_uv=False), dtype)
    close((u * (s / scale)) @ vt, unit, dtype)
    close(u @ u.T, eye, dtype)
    close(vt @ vt.T, eye, dtype)


@pytest.mark.parametrize("n", [129, 256, 257, 513, 700])
def test_large_eigenvectors_at_the_edges_of_blocks(n):
    a = sample((n, n), "float64")
    w, v = (to_numpy(x) for x in L.eigh(to_mlx(a + a.T, "float64")))
    close((v * w) @ v.T, a + a.T, "float64", 4)
    close(v.T @ v, np.eye(n), "float64", 4)


# ---- Shapes and layouts ----
CALLS = {
    "inv": L.inv, "tri_inv": L.tri_inv, "solve": lambda a: L.solve(a, a), "pinv": L.pinv, "lu": L.lu, "det": L.det,
    "lu_factor": L.lu_factor, "qr": L.qr, "svd": L.svd, "svdvals": lambda a: L.svd(a, False), "eigh": L.eigh,
    "eigvalsh": L.eigvalsh, "eig": L.eig, "slogdet": L.slogdet, "nuc": lambda a: L.norm(a, "nuc", (-2, -1)),
    "solve_triangular": lambda a: L.solve_triangular(a, a, upper=True),
    "cholesky": lambda a: L.cholesky(a + mx.swapaxes(a, -1, -2) + 9 * mx.eye(a.shape[-1])), "cholesky_inv": L.cholesky_inv,
}  # fmt: skip


def as_list(y):
    return list(y) if isinstance(y, (list, tuple)) else [y]


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if x != "broadcast"])
@pytest.mark.parametrize("name", CALLS)
def test_layouts_change_nothing(name, layout):
    values = regular((2, 5, 5), "float32")
    a, _ = laid_out(values, "float32", layout)
    for got, want in zip(as_list(CALLS[name](a)), as_list(CALLS[name](mx.array(values)))):
        assert np.array_equal(to_numpy(got), to_numpy(want))


@pytest.mark.parametrize("name", CALLS)
def test_a_broadcast_batch_is_a_batch(name):
    one = regular((6, 6), "float32")
    for got, want in zip(
        as_list(CALLS[name](mx.broadcast_to(mx.array(one), (3, 6, 6)))), as_list(CALLS[name](mx.array(one)))
    ):
        assert np.array_equal(to_numpy(got), np.broadcast_to(to_numpy(want), got.shape))


@pytest.mark.parametrize("name", CALLS)
def test_large_batches_agree_with_single_matrices(name):
    a = regular((700, 4, 4), "float32")
    together = as_list(CALLS[name](mx.array(a)))
    for i in (0, 123, 699):
        for got, want in zip(together, as_list(CALLS[name](mx.array(a[i])))):
            assert np.array_equal(to_numpy(got)[i], to_numpy(want))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)], ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_empty_square_matrices(name, shape):
    results = as_list(CALLS[name](mx.zeros(shape)))
    mx.eval(results)
    for r in results:
        assert r.shape[: len(shape) - 2] == shape[:-2]


@pytest.mark.parametrize("m, n", [(0, 3), (3, 0)])
def test_empty_rectangles(m, n):
    a = mx.zeros((2, m, n))
    u, s, vt = L.svd(a)
    assert np.array_equal(u, np.broadcast_to(np.eye(m), (2, m, m))) and s.shape == (2, 0)
    assert np.array_equal(vt, np.broadcast_to(np.eye(n), (2, n, n)))
    q, r = L.qr(a)
    assert (q.shape, r.shape) == ((2, m, 0), (2, 0, n))
    rows, lower, upper = L.lu(a)
    assert np.array_equal(rows, np.broadcast_to(np.arange(m), (2, m)))
    assert (lower.shape, upper.shape) == ((2, m, 0), (2, 0, n))
    assert L.pinv(a).shape == (2, n, m)
    assert L.norm(a, "fro", axis=(1, 2)).tolist() == [0, 0]


# ---- Norms ----
VECTOR_ORDS = [None, 0, 1, -1, 2, -2, 3, -3, 0.5, np.inf, -np.inf]
MATRIX_ORDS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("ord", VECTOR_ORDS)
def test_vector_norms_agree_with_numpy(ord, dtype, keepdims):
    a = sample((3, 4, 5), dtype)
    for axis in (0, -2, 2):
        got = L.norm(to_mlx(a, dtype), ord, axis=axis, keepdims=keepdims)
        assert dtype_of(got) == ("float32" if dtype == "complex64" else dtype)
        close(got, np.linalg.norm(a, ord, axis=axis, keepdims=keepdims), dtype, 4)
    close(L.norm(to_mlx(a[0, 0], dtype), ord), np.linalg.norm(a[0, 0], ord), dtype, 4)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("ord", MATRIX_ORDS)
def test_matrix_norms_agree_with_numpy(ord, dtype, keepdims):
    a = sample((3, 4, 5), dtype)
    for axis in ((0, 1), (1, 0), (-1, 0), (1, -1)):
        got = L.norm(to_mlx(a, dtype), ord, axis=axis, keepdims=keepdims)
        assert dtype_of(got) == ("float32" if dtype == "complex64" else dtype)
        close(got, np.linalg.norm(a, ord, axis=axis, keepdims=keepdims), dtype, 4)
    close(L.norm(to_mlx(a[0], dtype), ord), np.linalg.norm(a[0], ord), dtype, 4)


def test_norms_of_all_axes_and_of_other_dtypes():
    a = sample((3, 4, 5), "float32")
    close(L.norm(mx.array(a)), np.linalg.norm(a), "float32")
    assert L.norm(mx.array(a), keepdims=True).shape == (1, 1, 1)
    assert L.norm(mx.array([3, -4])).item() == 5 and L.norm(mx.array([3, -4])).dtype == mx.float32
    assert L.norm(mx.array([3, -4]).astype(mx.bfloat16), 1).dtype == mx.bfloat16
    assert L.norm(mx.array([[3, 0], [0, 4]]), "f").item() == 5
    assert L.norm(mx.array([[3, 0], [0, 4]]), 2).item() == pytest.approx(4)
    assert L.norm(mx.array(-3.0)).item() == 3 and L.norm(mx.zeros((0,))).item() == 0


@pytest.mark.parametrize("ord, shape, axis", [
    ("fro", (3,), None), ("nuc", (2, 3, 4), None), ("fro", (2, 3), 0), (0, (2, 3), None), (3, (2, 3), (0, 1)),
    (2, (2, 3, 4), None), (1, (), None), ("spectral", (2, 3), None), ("inf", (3,), None), (1, (2, 3, 4), (0, 1, 2)),
    (None, (2, 3), (0, 0)), (None, (2, 3), 2), (2, (2, 3), -3),
])  # fmt: skip
def test_norms_that_are_not_defined_are_errors(ord, shape, axis):
    with pytest.raises(ValueError, match=r"\[norm\] expected"):
        L.norm(mx.zeros(shape), ord, axis=axis)


def test_an_ord_of_another_kind_is_a_type_error():
    with pytest.raises(TypeError):
        L.norm(mx.zeros((3,)), [1])


# ---- Cross products ----
@pytest.mark.parametrize("a, b, axis", [
    ((3,), (3,), -1), ((4, 3), (3,), -1), ((3, 4), (3, 1), 0), ((3, 4), (3, 4), -2), ((2, 3, 4), (3, 1), 1), ((5, 1, 3), (2, 3), -1),
])  # fmt: skip
def test_cross_products_agree_with_numpy(a, b, axis):
    a, b = sample(a, "float32"), sample(b, "float32", 1)
    last = axis if axis < 0 else axis - max(a.ndim, b.ndim)
    close(L.cross(mx.array(a), mx.array(b), axis), np.cross(a, b, axis=last), "float32")


def test_a_third_component_may_be_missing():
    a, b = mx.array([[1, 2], [3, 4]]), mx.array([[5, 6, 7], [8, 9, 10]])
    assert L.cross(a, a + 1).tolist() == [[0, 0, -1], [0, 0, -1]]
    assert L.cross(a, b).tolist() == [[14, -7, -4], [40, -30, -5]]
    assert L.cross(b, a).tolist() == [[-14, 7, 4], [-40, 30, 5]]


# ---- Errors before evaluation ----
NEED_SQUARE = [
    "inv",
    "tri_inv",
    "cholesky",
    "cholesky_inv",
    "eigvals",
    "eig",
    "eigvalsh",
    "eigh",
    "det",
    "slogdet",
]


@pytest.mark.parametrize("name", NEED_SQUARE + ["qr", "svd", "pinv", "lu", "lu_factor"])
def test_wrong_shapes_and_dtypes_are_errors(name):
    f = getattr(L, name)
    for shape in ((), (3,)):
        with pytest.raises(ValueError, match=rf"\[{name}\] expected matrices, .* got shape"):
            f(mx.zeros(shape))
    if name in NEED_SQUARE:
        with pytest.raises(ValueError, match=rf"\[{name}\] expected square matrices, got shape \(2,3,4\)"):
            f(mx.zeros((2, 3, 4)))
    for dtype in (mx.float16, mx.bfloat16, mx.int32, mx.bool_):
        if name in ("det", "slogdet") and dtype in (mx.int32, mx.bool_):
            continue
        with pytest.raises(ValueError, match=rf"\[{name}\] expected float32"):
            f(mx.zeros((3, 3), dtype))
    if name not in ("svd", "eigvals", "eig", "eigvalsh", "eigh"):
        with pytest.raises(ValueError, match="complex64"):
            f(mx.zeros((3, 3), mx.complex64))


@pytest.mark.parametrize("name", ["solve", "solve_triangular"])
def test_wrong_systems_are_errors(name):
    f, z = getattr(L, name), mx.zeros
    for a, b in [((3,), (3,)), ((3, 4), (3,)), ((3, 3), ()), ((3, 3), (4,)), ((3, 3), (4, 3)), ((2, 3, 3), (4, 3, 1)),
                 ((4, 3, 3), (4, 3))]:  # fmt: skip
        with pytest.raises(ValueError, match=rf"\[{name}\] expected"):
            f(z(a), z(b))
    for t in (mx.int32, mx.float16, mx.complex64):
        with pytest.raises(ValueError, match=rf"\[{name}\] expected dtypes"):
            f(z((3, 3), t), z((3,), t))


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match="UPLO"):
        L.eigh(mx.eye(2), "X")
    with pytest.raises(ValueError, match="size 2 or 3"):
        L.cross(mx.zeros((4,)), mx.zeros((4,)))
    with pytest.raises(ValueError, match="size 2 or 3"):
        L.cross(mx.zeros((3, 4)), mx.zeros((4,)), 0)
    with pytest.raises(IndexError):
        L.cross(mx.zeros((3,)), mx.zeros((3,)), 2)
    with pytest.raises(ValueError, match="broadcast"):
        L.cross(mx.zeros((4, 3)), mx.zeros((5, 3)))
    with pytest.raises(TypeError):
        L.inv([[1.0]])


# ---- Derivatives, in float64 ----
def symmetric(x):
    return x @ mx.swapaxes(x, -1, -2) + mx.eye(x.shape[-1], dtype=mx.float64)


def signed(v):
    """Vectors up to their sign: products of two elements."""
    return mx.expand_dims(v, -2) * mx.expand_dims(v, -3)


def eigen(a):
    w, v = L.eigh(a)
    return w, signed(v)


def singular(a):
    """Vectors in ways that their signs, and a turn of those that a does not determine, leave alone."""
    u, s, vt = L.svd(a)
    k = s.shape[-1]
    u1, v1 = u[..., :k], mx.swapaxes(vt[..., :k, :], -1, -2)
    rest = u[..., k:] @ mx.swapaxes(u[..., k:], -1, -2), mx.swapaxes(vt[..., k:, :], -1, -2) @ vt[..., k:, :]
    return (signed(u1), s, signed(v1), mx.expand_dims(u1, -2) * mx.expand_dims(v1, -3), *rest)


def triangular(a):
    return mx.tril(a) + 3 * mx.eye(a.shape[-1], dtype=mx.float64)


N, TALL, WIDE = (2, 4, 4), (5, 3), (2, 3, 5)
SMOOTH = {
    "inv": (L.inv, [N], 2), "tri_inv": (lambda a: L.tri_inv(triangular(a)), [N], 2), "tri_inv upper": (lambda a: L.tri_inv(mx.swapaxes(triangular(a), -1, -2), upper=True), [N], 2),
    "solve": (L.solve, [N, (2, 4, 3)], 2), "solve vector": (L.solve, [N, (4,)], 2), "solve many": (L.solve, [(4, 4), (2, 4, 3)], 2),
    "solve_triangular": (lambda a, b: L.solve_triangular(triangular(a), b), [N, (2, 4, 3)], 2),
    "solve_triangular upper": (lambda a, b: L.solve_triangular(mx.swapaxes(triangular(a), -1, -2), b, upper=True), [N, (4, 3)], 2),
    "det": (L.det, [N], 2), "slogdet": (lambda a: L.slogdet(a)[1], [N], 2), "slogdet both": (L.slogdet, [N], 1),
    "lu": (lambda a: L.lu(a)[1:], [N], 2), "lu_factor": (lambda a: L.lu_factor(a)[0], [N], 2),
    "cholesky": (lambda a: L.cholesky(symmetric(a)), [N], 2),
    "cholesky upper": (lambda a: L.cholesky(symmetric(a), upper=True), [N], 1),
    "cholesky_inv": (lambda a: L.cholesky_inv(triangular(a)), [N], 1),
    "cholesky_inv upper": (lambda a: L.cholesky_inv(mx.swapaxes(triangular(a), -1, -2), upper=True), [N], 1),
    "qr": (L.qr, [N], 2), "qr tall": (L.qr, [TALL], 2), "qr wide": (L.qr, [WIDE], 2),
    "qr r": (lambda a: L.qr(a)[1], [TALL], 1), "qr q": (lambda a: L.qr(a)[0], [TALL], 1),
    "svd values": (lambda a: L.svd(a, False), [WIDE], 2), "svd values tall": (lambda a: L.svd(a)[1], [TALL], 2),
    "svd": (singular, [N], 2), "svd tall": (singular, [TALL], 2), "svd wide": (singular, [WIDE], 2),
    "svd u": (lambda a: signed(L.svd(a)[0]), [N], 1), "svd vt": (lambda a: signed(mx.swapaxes(L.svd(a)[2], -1, -2)), [N], 1),
    "eigvalsh": (lambda a: L.eigvalsh(symmetric(a)), [N], 2), "eigh": (lambda a: eigen(symmetric(a)), [N], 2),
    "eigh v": (lambda a: signed(L.eigh(symmetric(a))[1]), [N], 1),
    "pinv": (L.pinv, [N], 2), "pinv tall": (L.pinv, [TALL], 2), "pinv wide": (L.pinv, [WIDE], 2),
    "cross": (L.cross, [(4, 3), (3,)], 2), "cross of two": (L.cross, [(4, 2), (4, 3)], 2),
    "norm": (L.norm, [WIDE], 2), "norm 3": (lambda a: L.norm(a, 3, axis=1), [WIDE], 2),
    "norm inf": (lambda a: L.norm(a, np.inf, axis=-1), [WIDE], 1), "norm 1": (lambda a: L.norm(a, 1, axis=(0, 2)), [WIDE], 1),
    "norm 2": (lambda a: L.norm(a, 2, axis=(1, 2)), [WIDE], 2), "norm nuc": (lambda a: L.norm(a, "nuc", axis=(0, 2)), [WIDE], 2),
}  # fmt: skip


def problem(name):
    """f (inputs -> scalar: a random weighting of the results), the inputs, directions."""
    call, shapes, _ = SMOOTH[name]
    rng = np.random.default_rng(7)
    points = [to_mlx(rng.normal(size=s), "float64") for s in shapes]
    directions = [to_mlx(rng.normal(size=s), "float64") for s in shapes]
    weights = [to_mlx(rng.normal(size=r.shape), "float64") for r in as_list(call(*points))]

    def f(*xs):
        return sum(mx.sum(w * r) for w, r in zip(weights, as_list(call(*xs)), strict=True))

    return f, points, directions, weights


def by_differences(f, points, directions, h=1e-5):
    up, down = (f(*[p + s * h * d for p, d in zip(points, directions)]).item() for s in (1, -1))
    return (up - down) / (2 * h)


def slope(f, directions):
    def along(*points):
        gradients = as_list(mx.grad(f, argnums=tuple(range(len(points))))(*points))
        return sum(mx.sum(g * d) for g, d in zip(gradients, directions, strict=True))

    return along


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_the_limit_of_differences(name):
    f, points, directions, _ = problem(name)
    want = by_differences(f, points, directions)
    assert slope(f, directions)(*points).item() == pytest.approx(want, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", [n for n, (_, _, order) in SMOOTH.items() if order > 1])
def test_second_gradients_are_the_limit_of_differences(name):
    f, points, directions, _ = problem(name)
    first = slope(f, directions)
    want = by_differences(first, points, directions)
    assert slope(first, directions)(*points).item() == pytest.approx(want, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", SMOOTH)
def test_tangents_agree_with_gradients(name):
    f, points, directions, weights = problem(name)
    _, tangents = mx.jvp(lambda *xs: as_list(SMOOTH[name][0](*xs)), points, directions)
    got = sum(mx.sum(w * t) for w, t in zip(weights, tangents, strict=True)).item()
    assert got == pytest.approx(slope(f, directions)(*points).item(), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name", SMOOTH)
def test_compiled_results_and_gradients_are_the_same(name):
    f, points, _, _ = problem(name)
    for g in (f, mx.grad(f)):
        assert mx.array_equal(mx.compile(g)(*points), g(*points)).item()


def test_complex_gradients():
    a = to_mlx(sample((3, 4), "complex64"), "complex64")
    h = to_mlx(positive((3, 3), "complex64"), "complex64")
    g = to_numpy(mx.grad(lambda x: mx.sum(L.svd(x)[1]))(a))
    u, _, vt = np.linalg.svd(to_numpy(a), full_matrices=False)
    np.testing.assert_allclose(g, u @ vt, atol=1e-5)
    g = to_numpy(mx.grad(lambda x: L.eigvalsh(x)[-1])(h))
    v = np.linalg.eigh(to_numpy(h))[1][:, -1:]
    np.testing.assert_allclose(g, v @ adjoint(v), atol=1e-5)
    with pytest.raises(NotImplementedError, match="svd of complex64"):
        mx.grad(lambda x: mx.sum(mx.abs(L.svd(x)[0])))(a)


def test_what_has_no_derivative_says_so():
    with pytest.raises(NotImplementedError, match="eig"):
        mx.grad(lambda a: mx.sum(mx.abs(L.eigvals(a))))(mx.eye(2))
    with pytest.raises(NotImplementedError, match="square"):
        mx.grad(lambda a: mx.sum(L.lu_factor(a)[0]))(mx.ones((2, 3)))


# ---- Multivariate normal ----
def test_multivariate_normal_has_the_covariance():
    cov = positive((3, 3), "float32")
    mean = mx.array([1.0, -2, 3])
    x = np.array(mx.random.multivariate_normal(mean, mx.array(cov), [200_000], key=mx.random.key(0)))
    assert x.shape == (200_000, 3) and x.dtype == np.float32
    np.testing.assert_allclose(x.mean(0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.1)


def test_multivariate_normal_gives_the_numbers_of_its_key():
    cov, key = mx.array([[2.0, 0.5], [0.5, 1]]), mx.random.key(3)
    x = mx.random.multivariate_normal(mx.array([1.0, 2]), cov, key=key)
    np.testing.assert_allclose(np.array(x), [0.8442057, 2.0153198], rtol=1e-5)
    z = mx.random.normal((4, 3, 2), key=key)
    u, s, vt = L.svd(cov)
    want = z @ ((u * mx.sqrt(s)) @ vt)
    got = mx.random.multivariate_normal(mx.zeros((3, 2)), cov, [4, 3], key=key)
    np.testing.assert_allclose(np.array(got), np.array(want), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mean, cov, shape, result", [
    ((2,), (2, 2), [], (2,)), ((3, 2), (2, 2), [], (3, 2)), ((2,), (3, 2, 2), [3], (3, 2)), ((4, 1, 2), (3, 2, 2), [], (4, 3, 2)),
    ((3, 2), (2, 2), [5, 3], (5, 3, 2)), ((0,), (0, 0), [2], (2, 0)), ((2,), (2, 2), [0], (0, 2)),
])  # fmt: skip
def test_shapes_of_multivariate_normal(mean, cov, shape, result):
    cov = mx.broadcast_to(mx.eye(cov[-1]), cov)
    x = mx.random.multivariate_normal(mx.zeros(mean), cov, shape)
    assert x.shape == result and x.dtype == mx.float32
    mx.eval(x)


def test_multivariate_normal_refuses_what_it_cannot_do():
    f, z = mx.random.multivariate_normal, mx.zeros
    for mean, cov, shape in [((), (2, 2), []), ((2,), (2,), []), ((2,), (2, 3), []), ((3,), (2, 2), []), ((3, 2), (2, 2), [4]),
                             ((3, 2), (4, 2, 2), []), ((2,), (2, 2), [-1])]:  # fmt: skip
        with pytest.raises(ValueError, match=r"\[multivariate_normal\] expected"):
            f(z(mean), z(cov), shape)
    with pytest.raises(ValueError, match="dtype float32, got float64"):
        f(z((2,)), mx.eye(2), dtype=mx.float64)


# ---- Threads and processes ----
def everything(n, batch=()):
    a = regular((*batch, n, n), "float32")
    s = positive((*batch, n, n), "float32")
    x, y = mx.array(a), mx.array(s)
    return [
        L.inv(x),
        L.solve(x, y),
        L.cholesky(y),
        *L.qr(x),
        *L.svd(x),
        *L.eigh(y),
        *L.eig(x),
        *L.lu_factor(x),
    ]


def bits(arrays):
    return [to_numpy(x).tobytes() for x in arrays]


def test_many_threads_get_the_same_bits():
    want = {size: bits(everything(*size)) for size in ((90,), (5, (60,)))}
    wrong = []

    def work():
        for size, expected in want.items():
            if bits(everything(*size)) != expected:
                wrong.append(size)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=os.path.dirname(__file__), env=os.environ | environment, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_number_of_threads_changes_no_bit(threads):
    code = "import hashlib, test_linalg as t; print(hashlib.sha256(b''.join(t.bits(t.everything(150) + t.everything(9, (50,))))).hexdigest())"
    results = [run_python(code, MLX_NUM_THREADS=n) for n in (threads, "2")]
    assert results[0].stdout and results[0].stdout == results[1].stdout, results[0].stderr


@with_fork
def test_a_forked_child_computes_too():
    want = bits(everything(80))
    pid = os.fork()
    if pid == 0:
        os._exit(0 if bits(everything(80)) == want else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert bits(everything(80)) == want


def test_a_missing_library_is_one_clear_error():
    code = "import mlx.core as mx; mx.eval(mx.linalg.inv(mx.eye(3))); mx.eval(mx.linalg.svd(mx.eye(3)))"
    result = run_python(code, MLX_LAPACK="/nowhere/liblapack.so")
    assert (
        "RuntimeError: [lapack] expected a LAPACK library at MLX_LAPACK=/nowhere/liblapack.so"
        in result.stderr
    )
    code = "import mlx.core as mx; mx.eval(mx.linalg.svd(mx.eye(3)))"
    result = run_python(code, MLX_LAPACK="libm.so.6")
    assert "expected a LAPACK library with the function sgeqrf, got none" in result.stderr
