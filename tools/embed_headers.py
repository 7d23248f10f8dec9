"""Writes the device headers into a C file, as text for the runtime compiler: embed_headers.py ROOT OUTPUT HEADER...

Headers are named below ROOT, as sources include them. Comments and blank lines are left out: the text is read
anew by each compilation.
"""

import hashlib
import pathlib
import re
import sys


def plain(text: str) -> str:
    """The text without comments (no string of the headers holds one's beginning), and without empty lines."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines() if line.strip())


def quoted(line: str) -> str:
    return '    "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main(root: str, output: str, *headers: str) -> None:
    texts = {name: plain((pathlib.Path(root) / name).read_text()) for name in headers}
    version = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:16]
    lines = ['#include "cuda/nvrtc.h"', "const struct mxi_cuda_header mxi_cuda_headers[] = {"]
    for name, text in texts.items():
        lines += [f'    {{"{name}",', *map(quoted, text.splitlines()), "    },"]
    lines += [
        "};",
        f'_Static_assert({len(texts)} <= MXI_CUDA_MOST_HEADERS, "nvrtc.h has room for fewer headers");',
        f"const int mxi_cuda_header_count = {len(texts)};",
        f'const char mxi_cuda_headers_version[] = "{version}";',
    ]
    pathlib.Path(output).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
