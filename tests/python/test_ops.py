"""What must hold for every op of the table in opinfo.py."""

import os
import re
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from opinfo import OPS
from samples import EPS, EVERY, FLOATS, LAYOUTS, laid_out, rounded, to_mlx, to_numpy

HERE = Path(__file__).resolve().parent
SMOOTH = [op for op in OPS if op.smooth]
ELEMENTWISE = [op for op in OPS if op.elementwise]


def test_every_elementwise_op_has_a_function_and_a_row_here():
    table = (HERE.parents[1] / "src" / "core" / "elementwise.def").read_text()
    names = set(re.findall(r"^MX_ELEMENTWISE\(\w+, (\w+),", table, re.M))
    names = names - {"rint", "astype"} | {"round", "astype.float32"}  # what users call; a row for each dtype
    assert {name for name in names if not hasattr(mx, name.split(".")[0])} == set()
    assert names - {op.name for op in OPS} == set()


def test_the_samples_have_every_dtype():
    assert {str(v).removeprefix("mlx.core.") for v in vars(mx).values() if isinstance(v, mx.Dtype)} == {
        t.removesuffix("_") for t in EVERY
    }


def of_dtypes(ops):
    return [pytest.param(op, t, id=f"{op}-{t}") for op in ops for t in op.dtypes]


def follows(op, i):
    return not op.follows or i in op.follows


def as_list(r):
    return list(r) if isinstance(r, (tuple, list)) else [r]


def arrays(op, values, dtype, layout="contiguous"):
    """MLX inputs in a layout, and the values they hold."""
    pairs = [laid_out(v, dtype if follows(op, i) else None, layout) for i, v in enumerate(values)]
    return [a for a, _ in pairs], [v for _, v in pairs]


def check_close(op, got, expected):
    """Shape, dtype kind and values, within the row's tolerance."""
    dtype = str(got.dtype).removeprefix("mlx.core.")
    got, expected = to_numpy(got), np.asarray(expected)
    assert got.shape == expected.shape
    if dtype not in EPS:
        np.testing.assert_array_equal(got, expected.astype(got.dtype))
        return
    expected = rounded(expected, dtype)
    tolerance = op.ulps * EPS[dtype]
    np.testing.assert_allclose(
        got.astype(expected.dtype), expected, rtol=tolerance, atol=tolerance * op.scale
    )


def check_against_numpy(op, dtype, inputs, values):
    results = as_list(op.call(*inputs))
    with np.errstate(all="ignore"):
        expected = as_list(op.reference(*values))
    assert len(results) == len(expected)
    for got, want in zip(results, expected, strict=True):
        assert got.dtype == getattr(mx, op.result(dtype))
        check_close(op, got, want)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("op, dtype", of_dtypes(OPS))
def test_agrees_with_numpy_in_every_dtype_and_layout(op, dtype, layout):
    check_against_numpy(op, dtype, *arrays(op, op.samples(dtype), dtype, layout))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 1500)], ids=str)
@pytest.mark.parametrize("op", ELEMENTWISE, ids=str)
def test_elementwise_ops_take_scalars_empty_and_long_arrays(op, shape):
    rng = np.random.default_rng(1)
    dtype = "float32" if "float32" in op.dtypes else "int32"
    values = [rounded(s(rng, shape, dtype), dtype) if follows(op, i) else s(rng, shape, None)
              for i, s in enumerate(op.inputs)]  # fmt: skip
    values = [np.asarray(v) for v in values]
    check_against_numpy(op, dtype, *arrays(op, values, dtype))


SPECIAL = [0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if not op.follows], ids=str)
def test_zeros_infinities_and_nans_come_out_as_in_numpy(op, dtype):
    if dtype not in op.dtypes or op.name.startswith("astype"):
        return
    largest = float(mx.finfo(getattr(mx, dtype)).max)
    points = rounded(np.array([*SPECIAL, largest, -largest]), dtype)
    values = [v.ravel() for v in np.meshgrid(*[points] * len(op.inputs))]
    inputs = [to_mlx(v, dtype) for v in values]
    with np.errstate(all="ignore"):
        want = rounded(np.asarray(op.reference(*values)), dtype if op.result(dtype) == dtype else "bool_")
    got = to_numpy(op.call(*inputs))
    where = ", ".join(str(v) for v in zip(*[v[~same_class(got, want)] for v in values], got[~same_class(got, want)],
                                          want[~same_class(got, want)], strict=True))  # fmt: skip
    assert not where, f"(inputs, got, expected): {where}"


def same_class(got, want):
    """Both NaN, the same infinity, or finite and close."""
    with np.errstate(all="ignore"):
        close = np.abs(got.astype(np.float64) - want) <= 1e-2 * np.abs(want)
    return np.isnan(got) & np.isnan(want) | (got == want) | (np.isfinite(got) & np.isfinite(want) & close)


@pytest.mark.parametrize("name, dtype, value", [
    ("sum", "float32", 0), ("prod", "float32", 1), ("all", "bool_", True), ("any", "bool_", False),
    ("mean", "float32", np.nan), ("var", "float32", np.nan),
])  # fmt: skip
def test_reductions_over_nothing_give_the_neutral_element(name, dtype, value):
    a = mx.zeros((3, 0), getattr(mx, dtype))
    np.testing.assert_array_equal(np.array(getattr(mx, name)(a, axis=1)), np.full(3, value))
    assert getattr(mx, name)(mx.zeros((0, 3), getattr(mx, dtype)), axis=1).shape == (0,)


@pytest.mark.parametrize("shape", [(1,), (5000,), (300, 4), (4, 3000), (3, 50, 40), (40, 1, 50)], ids=str)
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_sums_and_extremes_of_every_shape_agree_with_numpy(shape, axis):
    values = np.random.default_rng(2).integers(-50, 50, shape).astype(np.float32)
    for layout in LAYOUTS:
        a, held = laid_out(values, "float32", layout)
        for name in ("sum", "max", "min", "mean"):
            got, want = (
                np.array(getattr(mx, name)(a, axis=axis)),
                getattr(np, name)(held.astype(np.float64), axis=axis),
            )
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


# ---- Derivatives, in float64 ----
def problem(op):
    """f (differentiable inputs -> scalar: a random weighting of the results), their values, random directions."""
    rng = np.random.default_rng(3)
    values = op.samples("float64", small=True)
    inputs = arrays(op, values, "float64")[0]
    results = as_list(op.call(*inputs))
    weights = [to_mlx(rng.normal(size=r.shape), "float64") for r in results]

    def outputs(*xs):
        full = list(inputs)
        for i, x in zip(op.smooth, xs, strict=True):
            full[i] = x
        return as_list(op.call(*full))

    def f(*xs):
        return sum(mx.sum(w * r) for w, r in zip(weights, outputs(*xs), strict=True))

    points = [inputs[i] for i in op.smooth]
    directions = [to_mlx(rng.normal(size=p.shape), "float64") for p in points]
    return outputs, f, points, directions, weights


def slope_by_differences(f, points, directions, h=1e-5):
    moved = [f(*[p + s * h * d for p, d in zip(points, directions, strict=True)]).item() for s in (1, -1)]
    return (moved[0] - moved[1]) / (2 * h)


def slope(f):
    """The directional derivative through grad."""

    def along(*points_and_directions):
        n = len(points_and_directions) // 2
        points, directions = points_and_directions[:n], points_and_directions[n:]
        g = as_list(mx.grad(f, argnums=tuple(range(n)))(*points))
        return sum(mx.sum(a * d) for a, d in zip(g, directions, strict=True))

    return along


@pytest.mark.parametrize("op", SMOOTH, ids=str)
def test_gradient_is_the_limit_of_differences(op):
    _, f, points, directions, _ = problem(op)
    assert all(g.dtype == p.dtype and g.shape == p.shape
               for g, p in zip(as_list(mx.grad(f, tuple(range(len(points))))(*points)), points, strict=True))  # fmt: skip
    got, want = slope(f)(*points, *directions).item(), slope_by_differences(f, points, directions)
    assert got == pytest.approx(want, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("op", [op for op in SMOOTH if op.order > 1], ids=str)
def test_second_gradient_is_the_limit_of_differences(op):
    _, f, points, directions, _ = problem(op)

    def first(*xs):
        return slope(f)(*xs, *directions)

    got, want = slope(first)(*points, *directions).item(), slope_by_differences(first, points, directions)
    assert got == pytest.approx(want, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("op", SMOOTH, ids=str)
def test_jvp_is_the_transpose_of_vjp(op):
    outputs, _, points, directions, weights = problem(op)
    _, forward = mx.jvp(outputs, points, directions)
    _, backward = mx.vjp(outputs, points, weights)
    left = sum(mx.sum(w * t) for w, t in zip(weights, forward, strict=True)).item()
    right = sum(mx.sum(g * d) for g, d in zip(backward, directions, strict=True)).item()
    assert left == pytest.approx(right, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("dtype", [t for t in FLOATS if t != "float64"])
@pytest.mark.parametrize("op", SMOOTH, ids=str)
def test_gradients_keep_the_dtype_of_their_input(op, dtype):
    if dtype not in op.dtypes:
        return
    inputs = arrays(op, op.samples(dtype), dtype)[0]
    results = as_list(op.call(*inputs))

    def call(*xs):
        full = list(inputs)
        for i, x in zip(op.smooth, xs, strict=True):
            full[i] = x
        return as_list(op.call(*full))

    gradients = mx.vjp(call, [inputs[i] for i in op.smooth], [mx.ones_like(r) for r in results])[1]
    assert [g.dtype for g in gradients] == [getattr(mx, dtype)] * len(gradients)
    mx.eval(gradients)


def test_second_derivative_of_a_complex_magnitude_is_the_limit_of_differences():
    """The gradient of sum(w |z|) is w z / |z|; its real part along v, differentiated by both parts of z."""
    rng = np.random.default_rng(6)
    z, v, t = (rng.normal(size=7) + 1j * rng.normal(size=7) for _ in range(3))
    w = rng.normal(size=7)
    points, along, direction, weights = (to_mlx(a, "complex64") for a in (z, v, t, w))
    weights = mx.real(weights)

    def first(x):
        gradient = mx.grad(lambda x: mx.sum(weights * mx.abs(x)))(x)
        return mx.sum(mx.real(mx.conjugate(along) * gradient))

    def difference(d, h=1e-6):
        ends = [np.sum(np.real(np.conj(v) * w * x / np.abs(x))) for x in (z + h * d, z - h * d)]
        return (ends[0] - ends[1]) / (2 * h)

    want = [difference(e) + 1j * difference(1j * e) for e in np.eye(7)]
    np.testing.assert_allclose(np.array(mx.grad(first)(points)), want, atol=1e-5)
    np.testing.assert_allclose(mx.jvp(first, [points], [direction])[1][0].item(), difference(t), atol=1e-5)
    assert mx.all(mx.grad(first)(mx.zeros_like(points)) == 0).item()


# ---- The same bits ----
def bits(results):
    return [np.array(mx.view(mx.contiguous(r).reshape(-1), mx.uint8)).tobytes() for r in results]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "complex64"])
@pytest.mark.parametrize("op", OPS, ids=str)
def test_compiled_gives_the_same_bits(op, dtype):
    if dtype not in op.dtypes:
        return
    inputs = arrays(op, op.samples(dtype), dtype)[0]
    compiled = mx.compile(lambda *a: as_list(op.call(*a)))
    for _ in range(2):
        assert bits(compiled(*inputs)) == bits(as_list(op.call(*inputs)))


@pytest.mark.parametrize("op", SMOOTH, ids=str)
def test_compiled_gradients_give_the_same_bits(op):
    _, f, points, _, _ = problem(op)
    gradient = mx.grad(f, tuple(range(len(points))))
    compiled = mx.compile(gradient)
    for _ in range(2):
        assert bits(as_list(compiled(*points))) == bits(as_list(gradient(*points)))


def in_another_process(function, tmp_path, **environment):
    """What test_ops.`function`() returns, a dict of arrays, under other settings."""
    path = tmp_path / "outputs.npz"
    code = f"import numpy, test_ops; numpy.savez({str(path)!r}, **test_ops.{function}())"
    subprocess.run([sys.executable, "-c", code], cwd=HERE, env=os.environ | environment, check=True)
    with np.load(path) as outputs:
        return dict(outputs)


def random_expressions():
    """Graphs of random ops over a few arrays of several layouts and dtypes, some ending in a reduction."""
    results = {}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        shape = [(7, 300), (5, 6, 64), (1, 2049), (33,)][seed % 4]
        dtype = ["float32", "float16", "bfloat16", "int32"][seed // 4 % 4]
        values = [laid_out(rng.integers(1, 9, shape) / (1 if dtype == "int32" else 4), dtype, LAYOUTS[rng.integers(4)])[0]
                  for _ in range(3)]  # fmt: skip
        values.append(values[0][:1])
        unary = [mx.exp, mx.tanh, mx.sqrt, mx.abs, mx.sin, mx.sigmoid, mx.square, mx.negative, mx.rsqrt,
                 lambda a: a.astype(mx.float16), lambda a: a.astype(mx.int32), lambda a: a > 1]  # fmt: skip
        binary = [mx.add, mx.multiply, mx.maximum, mx.divide, mx.minimum, lambda a, b: mx.where(a > b, a, b)]
        for _ in range(25):
            a, b = (values[rng.integers(len(values))] for _ in range(2))
            f = binary[rng.integers(len(binary))] if rng.random() < 0.6 else unary[rng.integers(len(unary))]
            if f is mx.negative and a.dtype == mx.bool_:
                continue
            values.append(f(a, b) if f in binary else f(a))
        last = values[-1]
        outputs = [last, mx.sum(last, axis=-1), mx.max(values[-2]), mx.sum(values[-3], axis=0)]
        for i, r in enumerate(outputs):
            results[f"{seed}.{i}"] = to_numpy(r)
    return results


def large_operations():
    rng = np.random.default_rng(5)
    a = mx.array(rng.normal(size=(700, 1100)).astype(np.float32))
    b = mx.array(rng.normal(size=(1100, 300)).astype(np.float32))
    i = mx.array(rng.integers(0, 700, 5000).astype(np.int32))
    results = {
        "exp": mx.exp(a), "sum": a.sum(), "sum0": a.sum(0), "sum1": a.sum(1), "sumT": a.T.sum(1), "fused": mx.sum(mx.exp(a) * a),
        "var": mx.var(a), "softmax": mx.softmax(a, 0), "logsumexp": mx.logsumexp(a), "cumsum": mx.cumsum(a),
        "cumsum0": mx.cumsum(a, 0), "sort": mx.sort(a, 1), "argmax": mx.argmax(a, 0), "matmul": a @ b,
        "half": a.astype(mx.bfloat16) @ b.astype(mx.bfloat16), "vector": b.T @ a[0], "scatter": mx.zeros((700, 1100)).at[i].add(a[i]),
        "rms": mx.fast.rms_norm(a, a[0], 1e-5), "random": mx.random.normal((500, 500), key=mx.random.key(1)),
        "attention": mx.fast.scaled_dot_product_attention(*[a[:, :1024].reshape(1, 700, 16, 64).swapaxes(1, 2)] * 3, scale=0.1),
        "quantized": mx.quantized_matmul(a[:, :1024], *mx.quantize(b.T[:, :1024]), transpose=True),
    }  # fmt: skip
    return {k: to_numpy(v) for k, v in results.items()}


def whole_table():
    results = {}
    for op in OPS:
        for dtype in op.dtypes:
            if dtype in EPS:
                outputs = as_list(op.call(*arrays(op, op.samples(dtype), dtype)[0]))
                results |= {f"{op} {dtype} {i}": to_numpy(r) for i, r in enumerate(outputs)}
    return results


def check_same_bits(here, there):
    assert here.keys() == there.keys()
    assert [k for k in here if here[k].tobytes() != there[k].tobytes()] == []


def test_fusion_never_changes_a_bit(tmp_path):
    check_same_bits(
        random_expressions(), in_another_process("random_expressions", tmp_path, MLX_DISABLE_FUSION="1")
    )


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_number_of_threads_never_changes_a_bit(tmp_path, threads):
    check_same_bits(
        large_operations(), in_another_process("large_operations", tmp_path, MLX_NUM_THREADS=threads)
    )


@pytest.mark.parametrize("isa", ["v2", "v3"])
def test_every_instruction_set_gives_close_results(tmp_path, isa):
    here, there = whole_table(), in_another_process("whole_table", tmp_path, MLX_CPU_ISA=isa)
    assert here.keys() == there.keys()
    rows = {str(op): op for op in OPS}
    for key, mine in here.items():
        name, dtype, _ = key.rsplit(" ", 2)
        tolerance = 2 * rows[name].ulps * EPS[dtype]
        np.testing.assert_allclose(
            there[key], mine, rtol=tolerance, atol=tolerance * rows[name].scale, err_msg=key
        )


def test_every_instruction_set_keeps_fusion_exact(tmp_path):
    for isa in ("v2", "v3"):
        fused = in_another_process("random_expressions", tmp_path, MLX_CPU_ISA=isa)
        check_same_bits(
            fused, in_another_process("random_expressions", tmp_path, MLX_CPU_ISA=isa, MLX_DISABLE_FUSION="1")
        )


# ---- Creation ----
@pytest.mark.parametrize("dtype", EVERY)
def test_creation_agrees_with_numpy(dtype):
    t, n = getattr(mx, dtype), np.float32 if dtype == "bfloat16" else np.dtype(dtype.rstrip("_"))
    pairs = [
        (mx.zeros((3, 4), t), np.zeros((3, 4), n)), (mx.ones((3,), t), np.ones(3, n)), (mx.zeros((), t), np.zeros((), n)),
        (mx.ones((0, 2), t), np.ones((0, 2), n)), (mx.full((2, 5), True, t), np.full((2, 5), 1, n)),
        (mx.eye(3, 5, 1, t), np.eye(3, 5, 1, n)), (mx.identity(4, t), np.identity(4, n)),
        (mx.tri(3, 4, -1, t), np.tri(3, 4, -1, n)),
    ]  # fmt: skip
    if dtype != "bool_":
        pairs.append((mx.arange(2, 11, 3, t), np.arange(2, 11, 3).astype(n)))
        pairs.append((mx.linspace(0, 8, 5, dtype=t), np.linspace(0, 8, 5).astype(n)))
    for got, want in pairs:
        assert got.dtype == t and got.shape == want.shape
        np.testing.assert_array_equal(to_numpy(got), want)


@pytest.mark.parametrize(
    "arguments", [(5,), (2, 7), (0, 10, 3), (10, 0, -3), (0.0, 1.0, 0.25), (5, 2), (0, 1, 0.3)], ids=str
)
def test_arange_agrees_with_numpy(arguments):
    np.testing.assert_allclose(np.array(mx.arange(*arguments)), np.arange(*arguments), rtol=1e-6)
