"""Decodes with a model of Llama 8B's shapes, random weights, through mlx-lm's own loop: gpu_llama.py [--layers N] [--tokens N]

Prints tokens a second of decoding after a short prompt, and of reading a prompt of 2,048 tokens, in bfloat16 and in 4 bits.
"""

from __future__ import annotations

import argparse
import time

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map
from mlx_lm.generate import generate_step
from mlx_lm.models import llama


def make_model(layers: int) -> llama.Model:
    args = llama.ModelArgs(
        model_type="llama",
        hidden_size=4096,
        num_hidden_layers=layers,
        intermediate_size=14336,
        num_attention_heads=32,
        num_key_value_heads=8,
        rms_norm_eps=1e-5,
        vocab_size=128256,
        rope_theta=500000.0,
        tie_word_embeddings=False,
    )
    model = llama.Model(args)
    model.update(
        tree_map(lambda p: (mx.random.normal(p.shape) * 0.02).astype(mx.bfloat16), model.parameters())
    )
    mx.eval(model.parameters())
    return model


def measure(model: llama.Model, name: str, tokens: int, prefill: int) -> None:
    prompt = mx.random.randint(0, 128000, (prefill,))
    for _ in generate_step(prompt[:64], model, max_tokens=8):
        pass
    for _ in generate_step(prompt, model, max_tokens=1):
        pass
    start = time.perf_counter()
    first = next(iter(generate_step(prompt, model, max_tokens=1, prefill_step_size=prefill)))
    del first
    read = time.perf_counter() - start
    times = []
    last = None
    for _ in generate_step(prompt[:64], model, max_tokens=tokens):
        now = time.perf_counter()
        if last is not None:
            times.append(now - last)
        last = now
    times = times[len(times) // 4 :]
    decode = len(times) / sum(times)
    print(
        f"{name:8} decode {decode:7.1f} tok/s   prefill of {prefill} {prefill / read:9.0f} tok/s", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--prefill", type=int, default=2048)
    options = parser.parse_args()
    mx.set_default_device(mx.gpu)
    model = make_model(options.layers)
    measure(model, "bfloat16", options.tokens, options.prefill)
    nn.quantize(model, 64, 4)
    mx.eval(model.parameters())
    mx.clear_cache()
    measure(model, "4-bit", options.tokens, options.prefill)


if __name__ == "__main__":
    main()
