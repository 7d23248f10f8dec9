"""Writes small good files for the fuzzer of the loaders: fuzz_seeds.py FOLDER. The first byte names the format."""

import io
import pathlib
import sys

import mlx.core as mx

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
arrays = {"a": mx.arange(3), "b": mx.ones((2, 2), mx.float16).T}
saves = {
    "npz": lambda f: mx.savez(f, **arrays),
    "npz-deflated": lambda f: mx.savez_compressed(f, **arrays),
    "safetensors": lambda f: mx.save_safetensors(f, arrays, {"k": "v"}),
    "gguf": lambda f: mx.save_gguf(f, arrays, {"k": "v", "l": ["a", "b"], "n": mx.arange(2)}),
    "npy": lambda f: mx.save(f, arrays["b"]),
}
first = {"npz": 0, "npz-deflated": 0, "safetensors": 1, "gguf": 2, "npy": 3}
for name, save in saves.items():
    file = io.BytesIO()
    save(file)
    (folder / name).write_bytes(bytes([first[name]]) + file.getvalue())
