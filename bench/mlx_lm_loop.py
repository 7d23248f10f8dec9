"""The speed of mlx-lm's own loop, Python, sampling and decoding of the text included, on SmolLM2."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def installed() -> bool:
    return importlib.util.find_spec("mlx_lm") is not None


def load(gguf: str) -> Callable[[int, int], tuple[float, float]]:
    """A function of the tokens of a prompt and those to generate after the first, that gives tokens a second of both."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
    import mlx_lm
    from smol_model import write_model

    with tempfile.TemporaryDirectory() as folder:
        write_model(folder, gguf)
        model, tokenizer = mlx_lm.load(folder)
    tokenizer.eos_token_ids = set()  # it goes on

    def speeds(prompt: int, decode: int) -> tuple[float, float]:
        tokens = [100 + i % 1000 for i in range(prompt)]
        times = [time.perf_counter()]
        for _ in mlx_lm.stream_generate(model, tokenizer, tokens, max_tokens=decode + 1):
            times.append(time.perf_counter())
        return prompt / (times[1] - times[0]), decode and decode / (times[-1] - times[1])

    return speeds
