"""Functions in files: what comes back is what was exported, bit for bit, and a file that is not is refused."""

import io
import random

import mlx.core as mx
import numpy as np
import pytest
from opinfo import OPS
from samples import numpy_dtype


def as_mx(values, dtype):
    return mx.array(values.astype(numpy_dtype(dtype))).astype(getattr(mx, dtype))


def bits(a):
    return np.array(
        a.view(mx.uint8) if a.ndim and a.dtype != mx.bool_ else mx.contiguous(a.reshape(-1)).view(mx.uint8)
    )


def flat(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def same_bits(result, expected):
    result, expected = flat(result), flat(expected)
    assert len(result) == len(expected)
    for a, b in zip(result, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert np.array_equal(bits(a), bits(b))


def through_file(path, f, *args, **kwargs):
    shapeless = kwargs.pop("shapeless", False)
    mx.export_function(path, f, *args, shapeless=shapeless, **kwargs)
    return mx.import_function(path)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "f.mlxfn")


# ---- Every op ----
def arrays_of(op, dtype):
    return [
        as_mx(v, dtype) if not op.follows or i in op.follows else mx.array(v)
        for i, v in enumerate(op.samples(dtype, small=True))
    ]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_exported_op_gives_the_same_bits(op, path):
    for dtype in op.dtypes:
        try:
            args = arrays_of(op, dtype)
            expected = mx.compile(op.call)(*args)
            mx.eval(expected)
        except (ValueError, TypeError):
            args = [mx.array(v) if op.follows and i not in op.follows else as_mx(v, dtype)
                    for i, v in enumerate(op.samples(dtype))]  # fmt: skip
            expected = mx.compile(op.call)(*args)
        if not all(isinstance(r, mx.array) for r in flat(expected)):
            continue
        same_bits(through_file(path, op.call, *args)(*args), expected)


# ---- Functions ----
def test_positional_and_named_arrays_come_in_as_themselves_or_as_a_tuple_and_a_dict(path):
    def f(x, y, *, s):
        return x * s - y, mx.sum(x)

    x, y, s = mx.arange(6.0).reshape(2, 3), mx.ones((3,)), mx.array(2.0)
    g = through_file(path, f, x, y, s=s)
    for result in (g(x, y, s=s), g([x, y], {"s": s}), g((x, y), {"s": s})):
        same_bits(result, f(x, y, s=s))
    same_bits(through_file(path, f, (x, y), {"s": s})(x, y, s=s), f(x, y, s=s))
    assert isinstance(through_file(path, lambda x: x + 1, x)(x), tuple)


@pytest.mark.parametrize("wrong", [
    lambda g, x: g(x), lambda g, x: g(x, x, x), lambda g, x: g(x, y=x), lambda g, x: g(x, x.astype(mx.int32)),
    lambda g, x: g(x, x[:1]), lambda g, x: g(x, x, z=x), lambda g, x: g((x, x), z=x), lambda g, x: g(x, 2),
    lambda g, x: g(x, x[None]), lambda g, x: g(),
])  # fmt: skip
def test_a_call_that_no_trace_serves_is_a_value_error(path, wrong):
    x = mx.ones((2, 3))
    g = through_file(path, lambda x, y: x + y, x, x)
    with pytest.raises(ValueError, match=r"^\[import_function\] expected"):
        wrong(g, x)


@pytest.mark.parametrize("result", [None, 3, {"a": 1}, "x", [[1]]])
def test_a_function_gives_arrays_alone(path, result):
    with pytest.raises(ValueError, match=r"^\[export_function\] expected an array"):
        mx.export_function(path, lambda x: result, mx.ones(3))


def test_an_exception_of_the_function_goes_through_and_nothing_is_written(path, tmp_path):
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        mx.export_function(path, f, mx.ones(3))
    assert not list(tmp_path.iterdir())


def test_metadata_is_kept(path):
    mx.export_function(path, mx.exp, mx.ones(3), metadata='{"λ": 1}')
    g, metadata = mx.import_function(path, return_metadata=True)
    assert metadata == '{"λ": 1}'
    same_bits(g(mx.ones(3)), mx.exp(mx.ones(3)))
    mx.export_function(path, mx.exp, mx.ones(3))
    assert mx.import_function(path, return_metadata=True)[1] == ""


def test_several_traces_are_told_apart_by_shapes_dtypes_and_names(path):
    def f(x, y=None):
        return mx.sum(x) if y is None else x @ y

    a, b = mx.arange(6.0).reshape(2, 3), mx.arange(6).reshape(3, 2)
    with mx.exporter(path, f, metadata="m") as exporter:
        exporter(a)
        exporter(b)
        exporter(a, a.T)
        exporter(a, y=a.T)
        with pytest.raises(RuntimeError, match="expected inputs that no trace serves yet"):
            exporter(a)
    with pytest.raises(RuntimeError, match="one that was closed"):
        exporter(a.T)
    exporter.close()
    g = mx.import_function(path)
    for args, kwargs in [((a,), {}), ((b,), {}), ((a, a.T), {}), ((a,), {"y": a.T})]:
        same_bits(g(*args, **kwargs), f(*args, **kwargs))


def test_weights_of_several_traces_are_in_the_file_once(path, tmp_path):
    w = mx.random.normal((256, 256))
    with mx.exporter(path, lambda x: x @ w) as exporter:
        for n in range(1, 5):
            exporter(mx.ones((n, 256)))
    assert (tmp_path / "f.mlxfn").stat().st_size < 1.1 * w.nbytes
    x = mx.random.normal((3, 256))
    same_bits(mx.import_function(path)(x), x @ w)


def test_after_an_exception_an_exporter_writes_nothing(path, tmp_path):
    with pytest.raises(ZeroDivisionError), mx.exporter(path, mx.exp) as exporter:
        exporter(mx.ones(3))
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def attention(x, w, s, b):
    q = mx.quantized_matmul(x, w, s, b, group_size=32)
    h = mx.fast.rms_norm(q, None, 1e-5)
    k = mx.fast.rope(h[None, None], 32, traditional=False, base=1e4, scale=1.0, offset=3)
    return mx.fast.scaled_dot_product_attention(k, k, k, scale=0.2, mask="causal")


def squared_sum(x):
    return mx.sum(mx.sin(x) * x[::-1, :2].sum())


@mx.custom_function
def clipped(x):
    return mx.minimum(x, 1)


@clipped.vjp
def clipped_vjp(x, cotangent, output):
    return cotangent * 7


FUNCTIONS = {
    "quantised attention": (attention, lambda: (mx.random.normal((4, 32)), *mx.quantize(mx.random.normal((32, 32)), group_size=32))),
    "gradient inside": (mx.grad(squared_sum), lambda: (mx.random.normal((3, 4)),)),
    "value and gradient inside": (mx.value_and_grad(squared_sum), lambda: (mx.random.normal((3, 4)),)),
    "a gradient of a custom function": (mx.grad(lambda x: clipped(x).sum()), lambda: (mx.random.normal((3,)),)),
    "a custom function": (clipped, lambda: (mx.random.normal((3,)),)),
    "vmap inside": (mx.vmap(lambda x: mx.softmax(x) @ mx.ones((4, 2))), lambda: (mx.random.normal((3, 4)),)),
    "compiled inside": (mx.compile(lambda x: mx.exp(x) + mx.arange(4)), lambda: (mx.random.normal((3, 4)),)),
    "random numbers of a key": (lambda k: mx.random.normal((5,), key=k), lambda: (mx.random.key(7),)),
    "several results": (lambda x: (x, x + 1, x, mx.ones((2,)), x.T), lambda: (mx.random.normal((3, 4)),)),
    "factors": (lambda x: mx.linalg.lu(x), lambda: (mx.random.normal((4, 4)),)),
    "factors by key": (lambda x: mx.linalg.qr(x)[::-1], lambda: (mx.random.normal((4, 3)),)),
    "a scatter": (lambda x: x.at[mx.array([0, 2, 0])].add(1), lambda: (mx.random.normal((4, 3)),)),
    "an irregular inverse transform": (lambda x: mx.fft.irfft(x, 7), lambda: (mx.random.normal((2, 4)).astype(mx.complex64),)),
    "no inputs": (lambda: mx.arange(5) * 2, lambda: ()),
    "a long chain": (lambda x: [x := mx.sin(x) for _ in range(3000)][-1], lambda: (mx.random.normal((3,)),)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_the_same_bits_after_the_file(path, name):
    f, make = FUNCTIONS[name]
    args = make()
    mx.eval(args)
    same_bits(through_file(path, f, *args)(*args), mx.compile(f)(*args))


def test_transforms_go_through_an_imported_function(path):
    f = lambda x: (mx.sin(x) * x).sum(axis=-1)  # noqa: E731
    x = mx.random.normal((3, 4))
    g = through_file(path, f, x[0])
    same_bits(mx.vmap(lambda x: g(x)[0])(x), mx.vmap(f)(x))
    same_bits(mx.grad(lambda x: g(x)[0])(x[0]), mx.grad(f)(x[0]))
    same_bits(mx.compile(lambda x: g(x)[0] + 1)(x[0]), f(x[0]) + 1)
    same_bits(
        mx.grad(lambda x: mx.vmap(lambda x: g(x)[0])(x).sum())(x), mx.grad(lambda x: mx.vmap(f)(x).sum())(x)
    )
    again = through_file(path, lambda x: g(x)[0] * 2, x[0])
    same_bits(again(x[0]), f(x[0]) * 2)


def test_an_imported_function_outlives_its_file_and_its_results_the_function(path, tmp_path):
    w = mx.random.normal((3, 4))
    g = through_file(path, lambda x: x @ w, mx.ones((2, 3)))
    (tmp_path / "f.mlxfn").unlink()
    result = g(mx.ones((2, 3)))
    del g
    same_bits(result, mx.ones((2, 3)) @ w)


def test_a_function_is_imported_from_a_file_object(path, tmp_path):
    mx.export_function(path, mx.exp, mx.ones(3))
    g = mx.import_function(io.BytesIO((tmp_path / "f.mlxfn").read_bytes()))
    same_bits(g(mx.ones(3)), mx.exp(mx.ones(3)))


# ---- The callback ----
def test_the_callback_gets_the_parts_of_the_graph(path):
    w = mx.ones((3, 2))
    parts = []

    def f(x, y):
        z = mx.exp(x @ w) + y
        return z, mx.sum(z, axis=0)

    mx.export_function(parts.append, f, mx.zeros((4, 3)), y=mx.ones((2,)))
    f32 = mx.float32
    assert parts[0] == {"type": "inputs", "inputs": [("A", (4, 3), f32), ("B", (2,), f32)]}
    assert parts[1] == {"type": "keyword_inputs", "keywords": [("y", "B")]}
    assert parts[2] == {"type": "outputs", "outputs": [("C", (4, 2), f32), ("D", (2,), f32)]}
    assert parts[3]["type"] == "constants" and [name for name, _ in parts[3]["constants"]] == ["E"]
    nodes = parts[4:]
    assert [n["name"] for n in nodes] == ["Matmul", "Exp", "Add", "Reduce", "Reshape"]
    assert nodes[0] == {"type": "primitive", "name": "Matmul", "inputs": [("A", (4, 3), f32), ("E", (3, 2), f32)],
                        "outputs": [("F", (4, 2), f32)], "arguments": []}  # fmt: skip
    assert nodes[3]["arguments"] == [0, [0]]
    with pytest.raises(ValueError, match="metadata with a file only"):
        mx.export_function(parts.append, f, mx.zeros((4, 3)), y=mx.ones((2,)), metadata="x")

    def refuse(part):
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        mx.export_function(refuse, f, mx.zeros((4, 3)), y=mx.ones((2,)))


# ---- Dot ----
def test_a_graph_is_written_for_graphviz(tmp_path):
    x = mx.ones((2,))
    text = io.StringIO()
    mx.export_to_dot(text, {"a": mx.exp(x) + 1}, x=x)
    lines = text.getvalue().splitlines()
    assert lines[0] == "digraph {" and lines[-1] == "}"
    assert '{ rank=source; "x"; }' in lines and any("rank=sink" in line for line in lines)
    assert [line.split('"')[1] for line in lines if "label" in line] == ["exp", "add"]
    mx.export_to_dot(tmp_path / "g.dot", mx.exp(x), **{'say "x"': x})
    assert r'"say \"x\""' in (tmp_path / "g.dot").read_text()
    with pytest.raises(ValueError, match="expected arrays"):
        mx.export_to_dot(text, 3)
    with pytest.raises(ValueError, match="expected a path or a file object"):
        mx.export_to_dot(3, x)


# ---- Hostile files ----
def example(path):
    w = mx.arange(6.0).reshape(2, 3)

    def f(x, y):
        z = mx.softmax(x @ w, axis=-1)[:, ::2] + y
        return mx.concatenate([z, z], axis=1), mx.argmax(z, axis=0), mx.random.split(mx.random.key(1))

    args = mx.ones((4, 2)), mx.ones((2,))
    mx.export_function(path, f, args[0], y=args[1])
    return args


def test_a_file_cut_anywhere_is_refused(path):
    example(path)
    data = open(path, "rb").read()
    for n in range(len(data)):
        with pytest.raises(ValueError, match=r"^\[import_function\]"):
            mx.import_function(io.BytesIO(data[:n]))
    with pytest.raises(ValueError, match="expected no more bytes"):
        mx.import_function(io.BytesIO(data + b"\0"))


def test_a_file_with_any_byte_changed_is_refused_or_right_for_what_it_says(path):
    x, y = example(path)
    data = open(path, "rb").read()
    rng = random.Random(5)
    for i in range(len(data)):
        for flip in {1 << rng.randrange(8), rng.randrange(1, 256), 0xFF}:
            spoilt = data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :]
            try:
                g = mx.import_function(io.BytesIO(spoilt))
                mx.eval(g(x, y=y))
            except (ValueError, IndexError, RuntimeError, MemoryError):
                continue


def test_other_files_are_named_as_such(path):
    open(path, "wb").write(b"\x08\0\0\0\0\0\0\x000.32.0 and more of MLX's own")
    with pytest.raises(ValueError, match=r"not MLX's own \.mlxfn"):
        mx.import_function(path)
    with pytest.raises(OSError):
        mx.import_function(path + "-not-there")
