"""Every snippet of the README and of docs/ runs and prints what the page says."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNIPPET = re.compile(r"```(python|c)\n(.*?)```\n(?:```output\n(.*?)```)?", re.S)


def snippets():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, match in enumerate(SNIPPET.finditer(page.read_text()), 1):
            language, code, output = match.groups()
            if output is not None:
                yield pytest.param(language, code, output, id=f"{page.name}-{number}")


def run_python(code, folder):
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def run_c(code, folder):
    """Compiled against the installed package, as a user would."""
    package = Path(sysconfig.get_path("platlib")) / "mlx"
    (folder / "snippet.c").write_text(code)
    subprocess.run(
        ["cc", "-Wall", "-Werror", "snippet.c", f"-I{package / 'include'}", f"-L{package / 'lib'}", "-lmlxc",
         f"-Wl,-rpath,{package / 'lib'}", "-o", "snippet"],
        cwd=folder, check=True,
    )  # fmt: skip
    return subprocess.run([folder / "snippet"], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("language, code, output", list(snippets()))
def test_snippet_prints_what_the_page_says(language, code, output, tmp_path):
    result = (run_python if language == "python" else run_c)(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == output
