"""Compares dtypes, values and exceptions of every op in tests/python/opinfo.py with those of MLX.

    python tools/compare_with_mlx.py /path/to/python-with-mlx

Both interpreters run the same calls: each op in each dtype, elementwise ops of two inputs in each pair of dtypes and with
each kind of Python scalar on either side. Differences are printed; known ones, with their reasons, are not.
"""

import pathlib
import pickle
import re
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "python"
SCALARS = [True, 3, 2.5, 1 + 2j]
TABLE = TESTS.parent.parent / "src" / "core" / "elementwise.def"
PAIRWISE = re.findall(r"^MX_ELEMENTWISE\(\w+, (\w+), 2,", TABLE.read_text(), re.M)


# Answers that differ on purpose, and why.
KNOWN = {
    r"(bitwise_\w+|left_shift|right_shift)\(.*(float|complex|2\.5|2j)": "ValueError, as for other wrong dtypes",
    r"(bitwise_\w+|left_shift|right_shift)\((int\d+, uint64|uint64, int\d+)\)": "float32 is their common dtype; ValueError",
    r"(bitwise_\w+|left_shift|right_shift) of (float|bfloat|complex)": "ValueError, as for other wrong dtypes",
    r"floor_divide.*(complex|2j)": "TypeError: complex numbers have no floor; MLX's result is not rounded",
    r"nan_to_num of complex64": "refused at once, not at eval",
    r"divmod of bfloat16": "a remainder rounded once",
    r"round.decimals of (float16|bfloat16)": "rounded once, from float32",
    r"softmax.* of (bool|int|uint)": "float32, as every function that is not exact in integers",
    r"logsumexp.* of (bool|uint)": "the maximum is subtracted in float32, which does not wrap around",
    r"einsum.sum of (bool|int|uint)": "integers may be contracted",
    r"gather_mm of (float16|bfloat16|float64)": "MLX's CPU has float32 alone",
    r"segmented_mm of (float16|bfloat16)": "sums in float32",
    r"hadamard_transform of (float64|complex64)": "the dtype stays",
    r"gated_delta.* of (bool|int|uint|complex)": "real floating point dtypes alone",
}


def known(call, there):
    """Does the answer differ on purpose, or has MLX none?"""
    return there == "crash" or any(re.match(pattern, call) for pattern in KNOWN)


def answer(call):
    """(dtype, shape, values) of each result, or the name of the exception."""
    import mlx.core as mx
    import numpy as np

    try:
        results = call()
        results = list(results) if isinstance(results, (list, tuple)) else [results]
        mx.eval(results)
    except Exception as e:
        return type(e).__mro__[0].__name__ if type(e).__name__ != "AxisError" else "IndexError"
    out = []
    for r in results:
        if not isinstance(r, mx.array):
            out.append((type(r).__name__, (), r))
            continue
        wide = r.astype(mx.float32) if r.dtype == mx.bfloat16 else r
        out.append((str(r.dtype), r.shape, np.array(wide)))
    return out


def inputs(op, dtype):
    """The op's sample inputs in any dtype, also one that its row does not have."""
    import mlx.core as mx
    import numpy as np

    base = dtype if dtype in op.dtypes else "float32" if "float32" in op.dtypes else op.dtypes[0]
    out = []
    for i, v in enumerate(op.samples(base)):
        if op.follows and i not in op.follows:
            out.append(mx.array(v))
            continue
        v = v if v.dtype.kind == "c" and dtype == "complex64" else np.real(v).astype(np.float64)
        v = np.abs(v) if dtype.startswith("uint") else v
        out.append(
            mx.array(v.astype(np.complex64 if v.dtype.kind == "c" else np.float32)).astype(getattr(mx, dtype))
        )
    return out


def calls():
    """(text that names the call, the call)."""
    import mlx.core as mx
    import opinfo
    from samples import EVERY

    for op in opinfo.OPS:
        for dtype in EVERY:
            yield f"{op.name} of {dtype}", lambda op=op, dtype=dtype: op.call(*inputs(op, dtype))

    def value(dtype):
        return mx.array([1.0, 2.0, 1.0]).astype(getattr(mx, dtype))

    for name in PAIRWISE:
        f = getattr(mx, name)
        for x in EVERY:
            for y in EVERY:
                yield f"{name}({x}, {y})", lambda f=f, x=x, y=y: f(value(x), value(y))
            for s in SCALARS:
                yield f"{name}({x}, {s})", lambda f=f, x=x, s=s: f(value(x), s)
                yield f"{name}({s}, {x})", lambda f=f, x=x, s=s: f(s, value(x))
        for s in SCALARS:
            for t in SCALARS:
                yield f"{name}({s}, {t})", lambda f=f, s=s, t=t: f(s, t)


def run(skip=(), trace=None):
    """All answers of this interpreter by the call's text; `trace` is a file that tells the call in progress."""
    sys.path.insert(0, str(TESTS))
    answers = {}
    for text, call in calls():
        if trace:
            trace.write_text(text)
        answers[text] = "crash" if text in skip else answer(call)
    return answers


def run_there(python):
    """The answers of the other interpreter, which may crash: then it starts again without that call."""
    skip = []
    with tempfile.TemporaryDirectory() as folder:
        result, trace = pathlib.Path(folder) / "answers", pathlib.Path(folder) / "trace"
        while len(skip) < 100:
            (pathlib.Path(folder) / "skip").write_text("\n".join(skip))
            if subprocess.run([python, __file__, "--run", folder], stderr=subprocess.DEVNULL).returncode == 0:
                return pickle.loads(result.read_bytes())
            skip.append(trace.read_text())
    raise SystemExit("MLX crashes too often")


def same(a, b):
    import numpy as np

    if isinstance(a, str) or isinstance(b, str):
        return a == b
    if [r[:2] for r in a] != [r[:2] for r in b]:
        return False
    with np.errstate(all="ignore"):
        return all(
            np.allclose(
                np.asarray(x[2], np.complex128), np.asarray(y[2], np.complex128), 2e-2, 2e-2, equal_nan=True
            )
            for x, y in zip(a, b)
        )


def short(a):
    return (
        a
        if isinstance(a, str)
        else "; ".join(f"{r[0]}{list(r[1])} {str(r[2]).split(chr(10))[0][:40]}" for r in a)
    )


def main():
    if sys.argv[1] == "--run":
        folder = pathlib.Path(sys.argv[2])
        answers = run((folder / "skip").read_text().split("\n"), folder / "trace")
        (folder / "answers").write_bytes(pickle.dumps(answers))
        return
    here, there = run(), run_there(sys.argv[1])
    different = [k for k in here if not same(here[k], there[k]) and not known(k, there[k])]
    for k in different:
        print(f"{k}: {short(here[k])}  |  MLX: {short(there[k])}")
    print(f"{len(here)} calls, {len(different)} differ")


if __name__ == "__main__":
    main()
