"""Writes small good files for the fuzzers of the loaders, a folder for each format: fuzz_seeds.py FOLDER."""

import io
import pathlib
import sys

import mlx.core as mx

arrays = {"a": mx.arange(3), "b": mx.ones((2, 2), mx.float16).T}
saves = {
    "npz/plain": lambda f: mx.savez(f, **arrays),
    "npz/deflated": lambda f: mx.savez_compressed(f, **arrays),
    "safetensors/file": lambda f: mx.save_safetensors(f, arrays, {"k": "v"}),
    "gguf/file": lambda f: mx.save_gguf(f, arrays, {"k": "v", "l": ["a", "b"], "n": mx.arange(2)}),
    "npy/file": lambda f: mx.save(f, arrays["b"]),
}
for name, save in saves.items():
    file = io.BytesIO()
    save(file)
    path = pathlib.Path(sys.argv[1]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.getvalue())
