"""Times the library on an NVIDIA GPU, and PyTorch beside it where it is installed: gpu.py [--only TEXT] [--json FILE]

Each row is the median of several rounds; a round submits the op so often that it takes some 20 ms, and waits. A rate counts
each input read once and each result written once, or the operations of the product, so it can be held against what the
device's memory and matrix units can do; the first row, a copy, measures the memory.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

try:
    import torch
except ImportError:
    torch = None

ROUNDS, SECONDS = 7, 0.02
GIGA, TERA = 1e9, 1e12


@dataclass
class Case:
    name: str
    ours: Callable[[], Callable[[], object]]  # makes the inputs, gives what is timed
    peer: Callable[[], Callable[[], object]] | None = None
    bytes: float = 0
    flops: float = 0


CASES: list[Case] = []


def case(name: str, *, bytes: float = 0, flops: float = 0):
    """Registers a pair of functions: make(xp), where xp is "ours" or "torch", gives what is timed."""

    def register(make):
        peer = (lambda: make("torch")) if torch is not None else None
        CASES.append(Case(name, lambda: make("ours"), peer, bytes, flops))
        return make

    return register


def seconds(f: Callable[[], object], submit: Callable[[object], None], wait: Callable[[], None]) -> float:
    for _ in range(3):
        submit(f())
    wait()
    start = time.perf_counter()
    submit(f())
    wait()
    once = max(time.perf_counter() - start, 1e-6)
    n = max(3, min(2000, math.ceil(SECONDS / once)))
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(n):
            submit(f())
        wait()
        times.append((time.perf_counter() - start) / n)
    return statistics.median(times)


def time_ours(f) -> float:
    return seconds(f, mx.async_eval, mx.synchronize)


def time_torch(f) -> float:
    with torch.no_grad():
        return seconds(f, lambda _: None, torch.cuda.synchronize)


# ---- Inputs ----
TORCH = {"bf16": "bfloat16", "f16": "float16", "f32": "float32", "c64": "complex64"}
MLX = {"bf16": mx.bfloat16, "f16": mx.float16, "f32": mx.float32, "c64": mx.complex64}
BYTES = {"bf16": 2, "f16": 2, "f32": 4, "c64": 8}


def normal(xp: str, shape, dtype: str):
    if xp == "torch":
        return torch.randn(shape, device="cuda", dtype=getattr(torch, TORCH[dtype]))
    if dtype == "c64":
        a = mx.random.normal(shape) + 1j * mx.random.normal(shape)
    else:
        a = mx.random.normal(shape).astype(MLX[dtype])
    mx.eval(a)
    return a


N = 1 << 28


@case("copy-like: x + 1, bf16 2^28", bytes=4 * N)
def _(xp):
    x = normal(xp, (N,), "bf16")
    return lambda: x + 1


@case("x + y, f32 2^27", bytes=12 * (N // 2))
def _(xp):
    x, y = normal(xp, (N // 2,), "f32"), normal(xp, (N // 2,), "f32")
    return lambda: x + y


@case("exp, f32 2^27", bytes=8 * (N // 2))
def _(xp):
    x = normal(xp, (N // 2,), "f32")
    return (lambda: mx.exp(x)) if xp == "ours" else (lambda: torch.exp(x))


def gelu(m, x):
    return 0.5 * x * (1 + m.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


@case("gelu by tanh, plain, bf16 16384x8192", bytes=4 * 16384 * 8192)
def _(xp):
    x = normal(xp, (16384, 8192), "bf16")
    return (lambda: gelu(mx, x)) if xp == "ours" else (lambda: gelu(torch, x))


@case("gelu by tanh, compiled, bf16 16384x8192", bytes=4 * 16384 * 8192)
def _(xp):
    x = normal(xp, (16384, 8192), "bf16")
    if xp == "ours":
        f = mx.compile(lambda x: gelu(mx, x))
        return lambda: f(x)
    g = torch.compile(lambda x: gelu(torch, x))
    return lambda: g(x)


@case("sum of all, bf16 16384x8192", bytes=2 * 16384 * 8192)
def _(xp):
    x = normal(xp, (16384, 8192), "bf16")
    return lambda: x.sum()


for axis in (0, 1):

    @case(f"sum of axis {axis}, bf16 16384x8192", bytes=2 * 16384 * 8192)
    def _(xp, axis=axis):
        x = normal(xp, (16384, 8192), "bf16")
        return lambda: x.sum(axis)


@case("softmax, bf16 16384x8192", bytes=4 * 16384 * 8192)
def _(xp):
    x = normal(xp, (16384, 8192), "bf16")
    return (lambda: mx.softmax(x, -1)) if xp == "ours" else (lambda: torch.softmax(x, -1))


@case("rms_norm, bf16 16384x4096", bytes=4 * 16384 * 4096)
def _(xp):
    x, w = normal(xp, (16384, 4096), "bf16"), normal(xp, (4096,), "bf16")
    if xp == "ours":
        return lambda: mx.fast.rms_norm(x, w, 1e-5)
    return lambda: torch.nn.functional.rms_norm(x, (4096,), w, 1e-5)


@case("layer_norm, bf16 16384x4096", bytes=4 * 16384 * 4096)
def _(xp):
    x, w, b = normal(xp, (16384, 4096), "bf16"), normal(xp, (4096,), "bf16"), normal(xp, (4096,), "bf16")
    if xp == "ours":
        return lambda: mx.fast.layer_norm(x, w, b, 1e-5)
    return lambda: torch.nn.functional.layer_norm(x, (4096,), w, b, 1e-5)


@case("transposed copy, f32 8192^2", bytes=8 * 8192 * 8192)
def _(xp):
    x = normal(xp, (8192, 8192), "f32")
    return (lambda: mx.contiguous(x.T)) if xp == "ours" else (lambda: x.T.contiguous())


@case("take of 65536 rows of 4096, bf16", bytes=4 * 65536 * 4096)
def _(xp):
    x = normal(xp, (32768, 4096), "bf16")
    if xp == "ours":
        i = mx.random.randint(0, 32768, (65536,))
        mx.eval(i)
        return lambda: x[i]
    i = torch.randint(0, 32768, (65536,), device="cuda")
    return lambda: x[i]


for n in (1024, 2048, 4096, 8192):

    @case(f"matmul bf16 {n}", flops=2 * n**3)
    def _(xp, n=n):
        a, b = normal(xp, (n, n), "bf16"), normal(xp, (n, n), "bf16")
        return lambda: a @ b


@case("matmul f32 4096, exact", flops=2 * 4096**3)
def _(xp):
    a, b = normal(xp, (4096, 4096), "f32"), normal(xp, (4096, 4096), "f32")
    return lambda: a @ b


@case("vector x 14336x4096, bf16", bytes=2 * 14336 * 4096)
def _(xp):
    a = normal(xp, (1, 4096), "bf16")
    ws = [normal(xp, (14336, 4096), "bf16") for _ in range(4)]
    turn = iter(range(1 << 40))
    return lambda: a @ ws[next(turn) % 4].T


for m in (1, 8, 64, 512, 4096):

    @case(f"4-bit g64 n=14336 k=4096, m={m}", bytes=14336 * 4096 * (0.5 + 4 / 64) if m < 128 else 0,
          flops=2 * m * 14336 * 4096 if m >= 128 else 0)  # fmt: skip
    def _(xp, m=m):
        x = normal(xp, (m, 4096), "bf16")
        if xp == "torch":
            ws = [normal(xp, (14336, 4096), "bf16") for _ in range(4)]
            turn = iter(range(1 << 40))
            return lambda: x @ ws[next(turn) % 4].T
        ws = [mx.quantize(normal(xp, (14336, 4096), "bf16"), 64, 4) for _ in range(8)]
        mx.eval(ws)
        turn = iter(range(1 << 40))

        def product():
            w, s, b = ws[next(turn) % 8]
            return mx.quantized_matmul(x, w, s, b, True, 64, 4)

        return product


@case("dequantize 4-bit g64 14336x4096 to bf16", bytes=14336 * 4096 * (0.5 + 4 / 64 + 2))
def _(xp):
    if xp == "torch":
        return None
    ws = [mx.quantize(normal(xp, (14336, 4096), "bf16"), 64, 4) for _ in range(4)]
    mx.eval(ws)
    turn = iter(range(1 << 40))
    return lambda: mx.dequantize(*ws[next(turn) % 4], 64, 4)


for mode, bits, group in (("affine", 4, 32), ("affine", 8, 64), ("mxfp4", 4, 32), ("mxfp8", 8, 32)):

    @case(f"{mode} {bits}-bit g{group} n=4096 k=14336, m=1", bytes=14336 * 4096 * (bits / 8 + (4 if mode == "affine" else 1) / group))  # fmt: skip
    def _(xp, mode=mode, bits=bits, group=group):
        if xp == "torch":
            return None
        x = normal(xp, (1, 14336), "bf16")
        ws = [mx.quantize(normal(xp, (4096, 14336), "bf16"), group, bits, mode) for _ in range(6)]
        mx.eval(ws)
        turn = iter(range(1 << 40))
        return lambda: mx.quantized_matmul(x, *ws[next(turn) % 6], group_size=group, bits=bits, mode=mode)


for length in (2000, 2048, 4096, 8192):  # 2000: not a length that is worth a plan of cuDNN

    @case(f"attention causal bf16 32 heads of 128, {length}", flops=2 * 32 * length**2 * 128)
    def _(xp, length=length):
        q, k, v = (normal(xp, (1, 32, length, 128), "bf16") for _ in range(3))
        if xp == "ours":
            return lambda: mx.fast.scaled_dot_product_attention(q, k, v, scale=128**-0.5, mask="causal")
        f = torch.nn.functional.scaled_dot_product_attention
        return lambda: f(q, k, v, is_causal=True)


for length in (1024, 8192, 32768):

    @case(f"decode attention 32/8 heads of 128, L={length}", bytes=2 * 2 * 8 * length * 128)
    def _(xp, length=length):
        q = normal(xp, (1, 32, 1, 128), "bf16")
        k, v = (normal(xp, (1, 8, length, 128), "bf16") for _ in range(2))
        if xp == "ours":
            return lambda: mx.fast.scaled_dot_product_attention(q, k, v, scale=128**-0.5)
        f = torch.nn.functional.scaled_dot_product_attention
        return lambda: f(q, k, v, enable_gqa=True)


@case("normal f32 2^28", bytes=4 * N)
def _(xp):
    if xp == "ours":
        return lambda: mx.random.normal((N,))
    return lambda: torch.randn((N,), device="cuda")


@case("sort f32 64Mi", bytes=8 * (64 << 20))
def _(xp):
    x = normal(xp, (64 << 20,), "f32")
    return (lambda: mx.sort(x)) if xp == "ours" else (lambda: torch.sort(x))


@case("fft2 c64 4096^2", bytes=16 * 4096 * 4096)
def _(xp):
    x = normal(xp, (4096, 4096), "c64")
    return (lambda: mx.fft.fft2(x)) if xp == "ours" else (lambda: torch.fft.fft2(x))


@case("conv2d bf16 64x56x56x64, 3x3", flops=2 * 64 * 56 * 56 * 64 * 64 * 9)
def _(xp):
    if xp == "ours":
        x, w = normal(xp, (64, 56, 56, 64), "bf16"), normal(xp, (64, 3, 3, 64), "bf16")
        return lambda: mx.conv2d(x, w, padding=1)
    x = normal(xp, (64, 64, 56, 56), "bf16").to(memory_format=torch.channels_last)
    w = normal(xp, (64, 64, 3, 3), "bf16").to(memory_format=torch.channels_last)
    return lambda: torch.nn.functional.conv2d(x, w, padding=1)


@case("one small eager op in a chain of 1,000")
def _(xp):
    x = normal(xp, (8,), "f32")

    def chain():
        y = x
        for _ in range(1000):
            y = y + 1
            if xp == "ours":
                mx.async_eval(y)
        return y

    return chain


def training_step(xp):
    """An Adam step of the MLP 784-1024-1024-10, batch 256."""
    if xp == "torch":
        layers = [torch.nn.Linear(784, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 1024), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers, torch.nn.Linear(1024, 10)).cuda()
        optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
        x, y = torch.randn(256, 784, device="cuda"), torch.randint(0, 10, (256,), device="cuda")

        @torch.compile
        def forward_backward():
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        def step():
            with torch.enable_grad():
                optimizer.zero_grad()
                loss = forward_backward()
                optimizer.step()
            return loss

        return step
    import mlx.optimizers as optim

    layers = [nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)]
    model = nn.Sequential(*layers)
    optimizer = optim.Adam(1e-3)
    x, y = mx.random.normal((256, 784)), mx.random.randint(0, 10, (256,))
    loss_and_grad = nn.value_and_grad(
        model, lambda m, x, y: nn.losses.cross_entropy(m(x), y, reduction="mean")
    )
    state = [model.state, optimizer.state]
    optimizer.init(model.trainable_parameters())
    mx.eval(state)

    def step(x, y):
        loss, grads = loss_and_grad(model, x, y)
        optimizer.update(model, grads)
        return loss

    compiled = mx.compile(step, inputs=state, outputs=state)

    def run():
        loss = compiled(x, y)
        mx.async_eval(state)
        return loss

    return run


CASES.append(
    Case("MLP 784-1024-1024-10, batch 256, Adam step, compiled", lambda: training_step("ours"),
         (lambda: training_step("torch")) if torch is not None else None)
)  # fmt: skip


def measure(c: Case, peers: bool) -> dict:
    row: dict = {"name": c.name}
    for who, make, clock in (("ours", c.ours, time_ours), ("torch", c.peer, time_torch)):
        if make is None or (who == "torch" and not peers):
            continue
        try:
            f = make()
            if f is not None:  # else it has no such op
                row[who] = clock(f)
        except Exception as e:  # a row that fails must not end the others
            row[who + "_error"] = f"{type(e).__name__}: {e}"[:200]
        mx.clear_cache()
        if torch is not None:
            torch.cuda.empty_cache()
    return row


def rate(c: Case, s: float) -> str:
    if c.bytes:
        return f"{c.bytes / s / TERA:6.2f} TB/s"
    return f"{c.flops / s / TERA:6.0f} TFLOP/s" if c.flops else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose names have this text")
    parser.add_argument("--json", help="a file for the numbers")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    mx.set_default_device(mx.gpu)
    print(mx.device_info(), torch.__version__ if torch is not None else "no PyTorch", flush=True)
    rows = []
    for c in CASES:
        if options.only not in c.name:
            continue
        row = measure(c, not options.no_peers)
        rows.append(row)
        ours, peer = row.get("ours"), row.get("torch")
        text = f"{c.name:52}"
        text += f"{ours * 1e6:10.1f} us {rate(c, ours):16}" if ours else f"  {row.get('ours_error', '')} "
        if peer:
            text += f"  torch {peer * 1e6:10.1f} us"
            text += f"  ratio {ours / peer:5.2f}" if ours else ""
        elif "torch_error" in row:
            text += "  torch: " + row["torch_error"]
        print(text, flush=True)
    if options.json:
        with open(options.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    main()
