"""The quantisation formats that the library is built from: its own lists, read from the sources."""

import pathlib
import re

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src"


def rows(path: str, macro: str) -> list[list[str]]:
    """The arguments of each row MACRO(...) of a list."""
    text = re.sub(r"/\*.*?\*/", "", (SOURCES / path).read_text(), flags=re.DOTALL)
    found = re.findall(rf"^{macro}\((.*)\)$", text, flags=re.MULTILINE)
    assert found, f"{path} has no row of {macro}"
    return [[part.strip().strip('"') for part in row.split(",")] for row in found]


# mode: its group sizes
GROUP_SIZES = {
    name: tuple(int(size) for size in sizes.split("|"))
    for _, name, sizes, *_ in rows("core/quant.def", "MX_QUANT_MODE")
}
# mode: its numbers of bits
BITS = {
    name: tuple(int(bits) for _, of, bits, _ in rows("core/quant.def", "MX_QUANT_FORMAT") if of == mode)
    for mode, name, *_ in rows("core/quant.def", "MX_QUANT_MODE")
}
# mode: (group size, bits), of those that have one format
FLOAT_MODES = {name: (GROUP_SIZES[name][0], BITS[name][0]) for name in BITS if name != "affine"}

# GGUF's types: name -> number
GGUF_BLOCKS = {name: int(number) for number, name, *_ in rows("io/gguf_types.def", "GGUF_BLOCKS")}
GGUF_REFUSED = {name: int(number) for number, name in rows("io/gguf_types.def", "GGUF_REFUSED")}
