"""The type stubs of mlx.core: up to date with the extension, valid, complete, and installed."""

import ast
import importlib.util
import pathlib
import types

import mlx.core as mx
import pytest

ROOT = pathlib.Path(__file__).parents[2]


def generated() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "tools" / "stubs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.stubs()


STUBS = generated()
MODULES = [mx] + [v for v in vars(mx).values() if isinstance(v, types.ModuleType)]


def file_of(module: types.ModuleType) -> str:
    return "core/__init__.pyi" if module is mx else f"core/{module.__name__.rpartition('.')[2]}.pyi"


def tree(module: types.ModuleType) -> ast.Module:
    return ast.parse(STUBS[file_of(module)])


@pytest.mark.parametrize("name", STUBS)
def test_stubs_are_up_to_date(name):
    kept = ROOT / "python" / "mlx" / name
    assert kept.exists() and kept.read_text() == STUBS[name], "out of date: run make stubs"


def test_stubs_are_installed():
    installed = pathlib.Path(mx.__file__).parent
    assert (installed / "py.typed").exists()
    for name in STUBS:
        assert (installed / name).read_text() == (ROOT / "python" / "mlx" / name).read_text()


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_every_public_name_has_a_stub(module):
    names = set()
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    assert {n for n in vars(module) if not n.startswith("_")} <= names


def test_every_method_of_array_has_a_stub():
    array = next(n for n in tree(mx).body if isinstance(n, ast.ClassDef) and n.name == "array")
    names = {n.name for n in array.body if isinstance(n, ast.FunctionDef)}
    assert {n for n in vars(mx.array) if not n.startswith("_")} <= names
    assert {"__add__", "__getitem__", "__eq__", "__len__", "__array__"} <= names


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_types_in_stubs_are_defined(module):
    known = {n.name for n in ast.walk(tree(mx)) if isinstance(n, ast.ClassDef)}
    known |= set(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
    known |= {"Any", "Callable", "Iterator", "Sequence", "enum", "property", "_Value", "_Scalar", "_Stream"}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Name):
            assert node.id in known or node.id in vars(module), node.id


def test_signatures_keep_kinds_defaults_and_results():
    functions = {n.name: ast.unparse(n) for n in tree(mx).body if isinstance(n, ast.FunctionDef)}
    assert functions["sum"].startswith(
        "def sum(a: array, /, axis: int | Sequence[int] | None=None, keepdims: bool=False"
    )
    assert "(file: Any, *args: Any, **kwargs: Any) -> None" in functions["savez"]
    assert "-> list[array]" in functions["split"] and "-> array" in functions["add"]
    assert functions["meshgrid"].count("indexing: str | None='xy'") == 1
