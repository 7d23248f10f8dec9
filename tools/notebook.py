"""Writes a program made of sections as a Jupyter notebook, with what its cells print: notebook.py PROGRAM.py OUT.ipynb

A section is a function that begins with section("Its title"). Its title and docstring become a cell of text, its body a
cell of code; functions and classes above it go before the body. `section` itself and `main` are left out.
"""

import ast
import contextlib
import inspect
import io
import json
import sys
import textwrap
from pathlib import Path

LEFT_OUT = {"section", "main"}


def title_of(node: ast.stmt) -> str | None:
    """The title, if the node is a section."""
    for statement in getattr(node, "body", []):
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Name(id="section"), args=[ast.Constant(value=title)])):
                return title
    return None


def text_cell(text: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code_cell(source: str) -> dict:
    return {"cell_type": "code", "metadata": {}, "source": source, "execution_count": None, "outputs": []}


def cells_of(program: str) -> list[dict]:
    """The notebook's cells; those of code have no outputs yet."""
    lines = program.splitlines()
    tree = ast.parse(program)

    def source(first: ast.stmt, last: ast.stmt) -> str:
        decorators = getattr(first, "decorator_list", [])
        start = min([first.lineno, *(d.lineno for d in decorators)])
        return textwrap.dedent("\n".join(lines[start - 1 : last.end_lineno]))

    headline, _, rest = inspect.cleandoc(ast.get_docstring(tree)).partition("\n")
    cells = [text_cell(f"# {headline}\n{rest}".strip())]
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    cells.append(code_cell(source(imports[0], imports[-1])))
    helpers = []
    for node in tree.body:
        title = title_of(node)
        if title:
            cells.append(text_cell(f"## {title}\n\n{ast.get_docstring(node)}"))
            # The body follows the line of section(...), so that its comments come along.
            after = next(i for i, statement in enumerate(node.body) if title_of(ast.Module([statement], [])))
            body = textwrap.dedent("\n".join(lines[node.body[after].end_lineno : node.end_lineno]))
            cells.append(code_cell("\n\n\n".join([*helpers, body])))
            helpers = []
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name not in LEFT_OUT:
            helpers.append(source(node, node))
    return cells


def run(cells: list[dict]) -> list[str]:
    """What each cell of code prints, run one after the other in one namespace."""
    namespace, printed = {"__name__": "notebook"}, []
    for cell in cells:
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(cell["source"], f"<cell {len(printed) + 1}>", "exec"), namespace)
            printed.append(out.getvalue())
    return printed


def notebook(cells: list[dict]) -> dict:
    """The notebook, in version 4.5 of its format."""
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    for number, (cell, text) in enumerate(zip(codes, run(cells)), 1):
        cell["execution_count"] = number
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
    for number, cell in enumerate(cells, 1):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def main() -> None:
    program, out = map(Path, sys.argv[1:])
    text = json.dumps(notebook(cells_of(program.read_text())), indent=1, ensure_ascii=False)
    out.write_text(text + "\n")


if __name__ == "__main__":
    main()
