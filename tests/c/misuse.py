"""Writes a C function for each public function of include/mlx: it draws every argument, calls, and checks the result.

usage: misuse.py COMPILER... INCLUDE_FOLDER OUTPUT DEPFILE

An argument's type, and where that says too little its name, chooses the generator draw_X in test_misuse.c. A type
without one doesn't compile, so that no new function is forgotten.
"""

import pathlib
import re
import subprocess
import sys

# Their arguments' meaning is not in their types; test_misuse.c calls them by hand.
BY_HAND = {
    "mx_array_foreign",  # memory of a size that the shape says
    "mx_array_from",
    "mx_error_set",  # printf's arguments
    "mx_free",  # what the library allocated
    "mx_release",  # a reference of the caller's
    "mx_scope_close",
    "mx_scope_drain",
    "mx_stream_pop",
}

SIMPLE = {
    "_Bool": "bool",
    "double": "double",
    "int": "int",
    "int64_t": "int64",
    "size_t": "size",
    "uint64_t": "uint64",
    "void *": "context",
    "const char *": "text",
    "const char *const *": "texts",
    "const double *": "doubles",
    "const int *": "axes_list",
    "const int64_t *": "int64_list",
    "const mx_array *": "arrays",
    "const mx_ints *": "shapes",
    "const mx_meta *": "metas",
    "mx_array *": "out",
    "int64_t *": "int64_out",
    "double *": "double_out",
    "void (*)(void)": "callback",
}
COUNTS = {"n", "nmeta", "nnames", "ndependencies", "ncotangents", "max_out", "nout", "parts"}


def prototypes(compiler, folder):
    source = subprocess.run(
        [
            *compiler,
            "-E",
            "-P",
            "-DMX_API=MX_PUBLIC",
            "-I",
            folder,
            "-include",
            f"{folder}/mlx/mlx.h",
            "-x",
            "c",
            "-",
        ],
        input="",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    source = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", "MX_PUBLIC", source)
    flat = " ".join(source.split())
    for match in re.finditer(
        r"MX_PUBLIC ((?:const )?\w+(?: \w+)*? ?\*?)(mx_\w+)\((.*?)\)(?: MX_PUBLIC)?;", flat
    ):
        yield match.group(1).strip(), match.group(2), match.group(3)


def split_arguments(text):
    """At the commas outside parentheses."""
    parts, depth = [""], 0
    for c in text:
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip() not in ("", "void")]


def generator(argument):
    """The type and the name of the generator of one argument."""
    function = re.match(r"(.*\(\*)(\w+)(\).*)", argument)
    if function:
        return re.sub(r"\w+(?=[,)])", "", argument), "callback"
    match = re.match(r"(.*?[ *])(\w+)$", argument)
    kind, name = match.group(1).strip(), match.group(2)
    if kind == "int" and name in COUNTS:
        return kind, "count"
    return kind, SIMPLE.get(kind, re.sub(r"\W+", "_", kind).strip("_"))


def main():
    compiler, (folder, output, depfile) = sys.argv[1:-3], sys.argv[-3:]
    lines, names = [], []
    for result, name, arguments in prototypes(compiler, folder):
        names.append(name)
        if name in BY_HAND:
            continue
        kinds = [generator(a) for a in split_arguments(arguments)]
        lines.append(f"static void call_{name}(void) {{")
        lines += [f"  __auto_type a{i} = draw_{draw}();" for i, (_, draw) in enumerate(kinds)]
        call = f"{name}({', '.join(f'a{i}' for i in range(len(kinds)))})"
        check = re.sub(r"\W+", "_", SIMPLE.get(result, result)).strip("_")
        lines.append(f"  {call};" if result == "void" else f"  check_{check}({call});")
        lines.append("}")
    assert len(names) > 300 and BY_HAND <= set(names), "the headers were not understood"
    lines.append("static const struct call {\n  const char *name;\n  void (*call)(void);\n} calls[] = {")
    lines += [f'  {{"{n}", call_{n}}},' for n in names if n not in BY_HAND]
    lines.append("};")
    with open(output, "w") as f:
        f.write("\n".join(lines) + "\n")
    headers = sorted(str(p) for p in pathlib.Path(folder, "mlx").glob("*.h"))
    pathlib.Path(depfile).write_text(f"{output}: {' '.join(headers)}\n")


main()
