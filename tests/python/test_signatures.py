"""Every call that MLX's signatures allow is allowed here: signatures.tsv holds their parameters' names, kinds and defaults.

Here more may be allowed: a keyword where MLX wants a position, a default where it has none, a parameter more.
"""

import ast
import inspect
import pathlib

import mlx.core as mx
import pytest

ROWS = [
    line.split("\t") for line in (pathlib.Path(__file__).parent / "signatures.tsv").read_text().splitlines()
]
DTYPES = {"float32", "int32", "bfloat16"}  # text signatures have no literal for a Dtype: None stands for it
# What differs, and why.
DIFFERENCES = {
    "fft.fft2": "axes: None stands for the last two", "fft.ifft2": "as fft2", "fft.rfft2": "as fft2", "fft.irfft2": "as fft2",
    "custom_function.vjp": "f by position alone", "custom_function.jvp": "as vjp", "custom_function.vmap": "as vjp",
}  # fmt: skip


def parameters(text):
    """{name: (by position, by keyword, default text or None)} and whether * and ** are taken."""
    args = ast.parse(f"def f{text}: pass").body[0].args
    positional = args.posonlyargs + args.args
    defaults = [None] * (len(positional) - len(args.defaults)) + args.defaults
    found = {}
    for i, (a, d) in enumerate(zip(positional, defaults)):
        found[a.arg] = (i, i >= len(args.posonlyargs), d and ast.unparse(d))
    for a, d in zip(args.kwonlyargs, args.kw_defaults):
        found[a.arg] = (None, True, d and ast.unparse(d))
    return found, args.vararg is not None, args.kwarg is not None


def find(name):
    found = mx
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


@pytest.mark.parametrize("name, theirs", ROWS, ids=[name for name, _ in ROWS])
def test_a_call_as_mlx_has_it_is_allowed(name, theirs):
    function = find(name)
    ours, star, stars = parameters(str(inspect.signature(function)))
    want, needs_star, needs_stars = parameters(theirs)
    if name in DIFFERENCES:
        assert set(ours) == set(want)
        return
    assert star >= needs_star and stars >= needs_stars
    for parameter, (position, keyword, default) in want.items():
        assert parameter in ours, parameter
        at, by_name, our_default = ours[parameter]
        assert position is None or at == position, parameter
        assert by_name >= keyword or parameter == "self", parameter
        if default is not None:
            assert our_default == ("None" if default in DTYPES else default), parameter
    assert all(default is not None for p, (_, _, default) in ours.items() if p not in want)


def test_arange_takes_its_stop_alone_or_start_and_stop():
    assert mx.arange(3).tolist() == mx.arange(stop=3).tolist() == mx.arange(0, 3).tolist() == [0, 1, 2]
    assert mx.arange(1, 6, 2).tolist() == mx.arange(start=1, stop=6, step=2).tolist() == [1, 3, 5]
