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
folder = pathlib.Path(sys.argv[1])
for name, save in saves.items():
    file = io.BytesIO()
    save(file)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.getvalue())

x = mx.ones((4, 4))
functions = {
    "layers": lambda a: mx.softmax(mx.fast.rms_norm(a @ x, None, 1e-5)[:, ::2], axis=-1),
    "parts": lambda a: mx.concatenate([a[1:], mx.take(a, mx.array([1, 0]), axis=0)]).at[0].add(1),
    "sums": lambda a: (mx.cumsum(a), mx.sort(a, axis=0), a.argmax(0), a.astype(mx.int8), mx.pad(a, 1)),
    "gradient": mx.grad(lambda a: mx.conv1d(a[None], mx.ones((2, 2, 4))).sum()),
    "algebra": lambda a: (*mx.linalg.qr(a), mx.fft.rfft(a), mx.linalg.inv(a + mx.eye(4))),
    "quantised": lambda a: mx.quantized_matmul(mx.tile(a, (1, 8)), *mx.quantize(mx.ones((8, 32)), group_size=32), group_size=32),
    "random": lambda a: a + mx.random.uniform(shape=(4, 4), key=mx.random.key(1)),
    "attention": lambda a: mx.fast.scaled_dot_product_attention(*[mx.fast.rope(a[None, None], 4, traditional=True, base=1e4, scale=1.0, offset=1)] * 3, scale=1.0),
}  # fmt: skip
(folder / "function").mkdir(parents=True, exist_ok=True)
for name, function in functions.items():
    mx.export_function(str(folder / "function" / name), function, x)
