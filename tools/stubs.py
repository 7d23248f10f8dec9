"""Writes the type stubs of mlx.core from the installed extension itself: stubs.py [FOLDER], python/mlx by default.

Functions come from the signatures that their argument parser reads, types from their attributes; what an attribute
gives is asked of a sample. So there is no second list of the API, and tests/python/test_stubs.py tells when a stub is
out of date.
"""

import enum
import keyword
import pathlib
import re
import sys
import types

import mlx.core as mx

HEADER = '''"""Type stubs of {name}, written by tools/stubs.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
'''
ALIASES = """
_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType
"""
KINDS = {
    "array": "array",
    "value": "_Value",
    "operand": "_Value",
    "object": "Any",
    "int": "int",
    "int32": "int",
    "axis": "int",
    "ints": "int | Sequence[int]",
    "axes": "int | Sequence[int]",
    "float": "float",
    "bool": "bool",
    "dtype": "Dtype",
    "str": "str",
    "stream": "_Stream | None",
}
# Parameters and results of the methods that Python's operators and built-in functions call.
UNARY = ("neg", "pos", "abs", "invert")
BINARY = (
    "add sub mul truediv floordiv mod pow matmul lshift rshift and or xor radd rsub rmul rtruediv rfloordiv rmod rpow "
    "rmatmul rlshift rrshift rand ror rxor iadd isub imul itruediv ifloordiv imod ipow imatmul ilshift irshift iand "
    "ior ixor lt le gt ge"
).split()
COMPARISONS = {f"__{name}__" for name in ("eq", "ne", "lt", "le", "gt", "ge")}
PROTOCOL = {
    **{f"__{name}__": "(self) -> array" for name in UNARY},
    **{f"__{name}__": "(self, other: _Value, /) -> array" for name in BINARY},
    **{f"__{name}__": "(self, other: _Value, /) -> array  # type: ignore[override]" for name in ("eq", "ne")},
    "__bool__": "(self) -> bool",
    "__int__": "(self) -> int",
    "__float__": "(self) -> float",
    "__complex__": "(self) -> complex",
    "__index__": "(self) -> int",
    "__len__": "(self) -> int",
    "__hash__": "(self) -> int",
    "__repr__": "(self) -> str",
    "__iter__": "(self) -> Iterator[array]",
    "__next__": "(self) -> array",
    "__getitem__": "(self, key: Any, /) -> array",
    "__setitem__": "(self, key: Any, value: _Value, /) -> None",
    "__call__": "(self, *args: Any, **kwargs: Any) -> Any",
    "__enter__": "(self) -> Any",
    "__exit__": "(self, *args: Any) -> None",
}
SAMPLES = {
    mx.array: mx.array([[1.0, 2.0]]),
    mx.Dtype: mx.float32,
    mx.Device: mx.default_device(),
    mx.Stream: mx.default_stream(mx.default_device()),
    mx.finfo: mx.finfo(mx.float32),
    mx.iinfo: mx.iinfo(mx.int32),
    mx.PrintOptions: mx.get_printoptions(),
}
INDENT = "    "


# ---- Signatures ---- "a: array, /, axis: ints? = None, *rest" of the parser to Python's
def parameter(text: str) -> str:
    if text in ("/", "*"):
        return text
    if text.startswith("*"):
        return f"{text}: Any"
    name, kind, optional, default = re.fullmatch(
        r"(\w+)(?:\s*:\s*(\w+)(\?)?)?(?:\s*=\s*(.*))?", text
    ).groups()
    kind = KINDS[kind or "object"]
    if optional and "None" not in kind and kind not in ("Any", "_Value"):
        kind += " | None"
    if default is None and optional:
        return f"{name}: {kind}"
    known = default and re.fullmatch(r"None|True|False|-?[\d.]+(e-?\d+)?|'.*'", default)
    shown = default.replace("'", '"') if known else "..."
    return f"{name}: {kind}" if default is None else f"{name}: {kind} = {shown}"


def typed(signature: str) -> str:
    return ", ".join(parameter(p.strip()) for p in signature.split(",") if p.strip())


def documentation(text: str, indent: str) -> str:
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    return f'{indent}"""{text}"""' if text else f"{indent}..."


def function(name: str, parameters: str, returns: str, doc: str, indent: str = "") -> str:
    return f"{indent}def {name}({parameters}) -> {returns}:\n{documentation(doc, indent + INDENT)}\n"


# ---- Types ----
def type_name(value: object) -> str:
    if isinstance(value, tuple):
        return "tuple[int, ...]"
    if value is None or type(value).__module__ not in ("builtins", "mlx.core"):
        return "Any"
    return type(value).__name__


def attribute(name: str, owner: type) -> str:
    sample = SAMPLES.get(owner)
    try:
        kind = "Any" if sample is None else type_name(getattr(sample, name))
    except (AttributeError, ValueError):
        kind = "Any"
    return f"{INDENT}@property\n{INDENT}def {name}(self) -> {kind}: ...\n"


def method(name: str, value: object, owner: type, rows: dict) -> str | None:
    if name in PROTOCOL and value is not None:
        if owner is mx.array:
            signature, _, comment = PROTOCOL[name].partition("  #")
            return f"{INDENT}def {name}{signature}: ...{'  #' + comment if comment else ''}\n"
        if name in COMPARISONS:
            return None  # object's own, by its type
        returns = "Any" if name == "__getitem__" else PROTOCOL[name].rpartition("-> ")[2]
        return f"{INDENT}def {name}{PROTOCOL[name].rpartition('-> ')[0]}-> {returns}: ...\n"
    if name in rows:
        signature, returns, doc = rows[name]
        parameters = typed(signature)
        first, _, rest = parameters.partition(", ")
        parameters = ", ".join(p for p in ("self", rest.removeprefix("/, ") if rest != "/" else "") if p)
        return function(name, parameters, returns, doc, INDENT)
    if callable(value) and (not name.startswith("_") or isinstance(value, types.MethodDescriptorType)):
        if name in dir(object) and name != "__format__":
            return None
        return f"{INDENT}def {name}(self, *args: Any, **kwargs: Any) -> Any: ...\n"
    return None


def class_stub(name: str, owner: type, rows: dict) -> str:
    if issubclass(owner, enum.Enum):
        members = "".join(f"{INDENT}{m.name} = {m.value!r}\n" for m in owner)
        return f"class {name}(enum.Enum):\n{members}"
    bases = ", ".join(b.__name__ for b in owner.__bases__ if b is not object)
    lines = [f"class {name}({bases}):\n" if bases else f"class {name}:\n"]
    if doc := (owner.__doc__ or "").strip():
        lines.append(documentation(doc, INDENT) + "\n")
    if "__new__" in vars(owner) or "__init__" in vars(owner):
        lines.append(f"{INDENT}def __init__(self, *args: Any, **kwargs: Any) -> None: ...\n")
    for attribute_name, value in sorted(vars(owner).items()):
        if isinstance(value, types.GetSetDescriptorType | types.MemberDescriptorType | property):
            if not attribute_name.startswith("__"):
                lines.append(attribute(attribute_name, owner))
        elif stub := method(attribute_name, value, owner, rows):
            lines.append(stub)
    return "".join(lines) if len(lines) > 1 else lines[0] + f"{INDENT}...\n"


# ---- Modules ----
def constant(name: str, value: object) -> str:
    return f"{name}: None\n" if value is None else f"{name}: {type_name(value)}\n"


def module_stub(module: types.ModuleType, tables: dict) -> str:
    core = module is mx
    parts = [HEADER.format(name=module.__name__)]
    submodules = [n for n in sorted(vars(module)) if isinstance(getattr(module, n), types.ModuleType)]
    if core:
        parts[0] = parts[0].replace("\nfrom coll", "\nimport enum\nfrom coll")
        parts.append(f"\nfrom . import {', '.join(f'{n} as {n}' for n in submodules)}\n{ALIASES}")
    else:
        parts.append(
            "\nfrom . import DeviceType, Device, Dtype, Stream, ThreadLocalStream, array\n" + ALIASES
        )
    rows = tables.get(module.__name__, {})
    for name, value in sorted(vars(module).items()):
        if name in submodules or (name.startswith("__") and name != "__version__") or keyword.iskeyword(name):
            continue
        if isinstance(value, type):
            parts.append(class_stub(name, value, tables.get(f"{module.__name__}.{name}", {})))
        elif name in rows:
            signature, returns, doc = rows[name]
            parts.append(function(name, typed(signature), returns, doc))
        elif callable(value) and not isinstance(value, mx.Dtype):
            parts.append(f"def {name}(*args: Any, **kwargs: Any) -> Any: ...\n")
        else:
            parts.append(constant(name, value))
    return "\n".join(parts)


def stubs() -> dict[str, str]:
    """File names, beside the package's sources, and their texts."""
    tables: dict[str, dict] = {}
    for owner, name, signature, returns, doc in mx._signatures():
        tables.setdefault(owner, {})[name] = (signature, returns, doc)
    files = {"core/__init__.pyi": module_stub(mx, tables)}
    for name, value in vars(mx).items():
        if isinstance(value, types.ModuleType):
            files[f"core/{name}.pyi"] = module_stub(value, tables)
    return files


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "python/mlx")
    for name, text in stubs().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
