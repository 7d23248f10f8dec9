"""Asks a llama model from a GGUF file: chat.py --model FILE --prompt TEXT. Without a prompt, a conversation: a line each.

The same model, template and options as the C program in examples/c/llama; at temperature 0 both choose the same tokens.
--bench P N reads P tokens, then decodes N one by one without sampling; three times, of which the best counts.
Needs the package `tokenizers`.
"""

import argparse
import os
import sys
import time

import mlx.core as mx
import mlx.nn as nn
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers


class Cache:
    """Keys and values of the tokens so far, (1, key heads, capacity, head dim); capacity grows in steps."""

    step = 256

    def __init__(self) -> None:
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.length = 0

    def grow(self, like: mx.array, more: int) -> None:
        """Adds room for `more` positions. Keys and values get arrays of their own: both are assigned to."""
        shape = (1, like.shape[1], more, like.shape[3])
        keys, values = mx.zeros(shape), mx.zeros(shape)
        self.keys = keys if self.keys is None else mx.concatenate([self.keys, keys], axis=2)
        self.values = values if self.values is None else mx.concatenate([self.values, values], axis=2)

    def append(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Adds (1, key heads, T, head dim) and returns all that is filled then."""
        start, end = self.length, self.length + keys.shape[2]
        capacity = 0 if self.keys is None else self.keys.shape[2]
        if end > capacity:
            self.grow(keys, (end + self.step - 1) // self.step * self.step - capacity)
        self.keys[:, :, start:end] = keys
        self.values[:, :, start:end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Block(nn.Module):
    """Attention with rotary positions and grouped heads, then SwiGLU. Attributes are named as in GGUF files."""

    def __init__(self, meta: dict) -> None:
        super().__init__()
        dim, hidden = meta["embedding_length"], meta["feed_forward_length"]
        self.heads = meta["attention.head_count"]
        self.key_heads = meta.get("attention.head_count_kv", self.heads)
        self.head_dim = meta.get("attention.key_length", dim // self.heads)
        self.rope_dims = meta.get("rope.dimension_count", self.head_dim)
        self.rope_base = meta.get("rope.freq_base", 10000.0)
        epsilon = meta["attention.layer_norm_rms_epsilon"]
        self.attn_norm = nn.RMSNorm(dim, epsilon)
        self.attn_q = nn.Linear(dim, self.heads * self.head_dim, bias=False)
        self.attn_k = nn.Linear(dim, self.key_heads * self.head_dim, bias=False)
        self.attn_v = nn.Linear(dim, self.key_heads * self.head_dim, bias=False)
        self.attn_output = nn.Linear(self.heads * self.head_dim, dim, bias=False)
        self.ffn_norm = nn.RMSNorm(dim, epsilon)
        self.ffn_gate = nn.Linear(dim, hidden, bias=False)
        self.ffn_up = nn.Linear(dim, hidden, bias=False)
        self.ffn_down = nn.Linear(hidden, dim, bias=False)
        self._compiled: dict = {}

    def split(self, x: mx.array, heads: int) -> mx.array:
        """(N, T, heads * head dim) -> (N, heads, T, head dim)"""
        return x.reshape(*x.shape[:2], heads, self.head_dim).transpose(0, 2, 1, 3)

    def rotate(self, x: mx.array, position: int) -> mx.array:
        """GGUF stores llama's query and key rows so that neighbouring features turn together ("traditional")."""
        return mx.fast.rope(
            x, self.rope_dims, traditional=True, base=self.rope_base, scale=1.0, offset=position
        )

    def before(self, x: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Queries, keys and values of x (N, T, dim), before their positions turn them."""
        y = self.attn_norm(x)
        return (
            self.split(self.attn_q(y), self.heads),
            self.split(self.attn_k(y), self.key_heads),
            self.split(self.attn_v(y), self.key_heads),
        )

    def after(self, x: mx.array, y: mx.array) -> mx.array:
        """The rest of the block, from the attended values y (N, heads, T, head dim)."""
        x = x + self.attn_output(y.transpose(0, 2, 1, 3).reshape(*x.shape[:2], -1))
        y = self.ffn_norm(x)
        return x + self.ffn_down(nn.silu(self.ffn_gate(y)) * self.ffn_up(y))

    def compile(self) -> None:
        """Keeps the plans of both parts for single tokens, whose shapes are always the same."""
        self._compiled = {1: (mx.compile(self.before), mx.compile(self.after))}

    def __call__(self, x: mx.array, cache: Cache | None) -> mx.array:
        """x (N, T, dim) -> (N, T, dim); N is 1 where a cache holds what came before."""
        before, after = self._compiled.get(x.shape[1], (self.before, self.after))
        q, k, v = before(x)
        start = 0 if cache is None else cache.length
        q, k = self.rotate(q, start), self.rotate(k, start)
        if cache is not None:
            k, v = cache.append(k, v)
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.head_dim**-0.5, mask="causal")
        return after(x, y)


class Llama(nn.Module):
    """tokens (1, T) -> logits (1, vocabulary) of what follows the last one."""

    def __init__(self, meta: dict, vocabulary: int, tied: bool) -> None:
        super().__init__()
        dim = meta["embedding_length"]
        self.token_embd = nn.Embedding(vocabulary, dim)
        self.blk = [Block(meta) for _ in range(meta["block_count"])]
        self.output_norm = nn.RMSNorm(dim, meta["attention.layer_norm_rms_epsilon"])
        if not tied:
            self.output = nn.Linear(dim, vocabulary, bias=False)

    def states(self, tokens: mx.array, caches: list[Cache] | None = None) -> mx.array:
        """tokens (N, T) -> (N, T, dim), of which `logits` makes logits. Without caches nothing came before."""
        x = self.token_embd(tokens)
        for block, cache in zip(self.blk, caches or [None] * len(self.blk)):
            x = block(x, cache)
        return self.output_norm(x)

    def logits(self, states: mx.array) -> mx.array:
        """(..., dim) -> (..., vocabulary)"""
        return self.output(states) if "output" in self else self.token_embd.as_linear(states)

    def __call__(self, tokens: mx.array, caches: list[Cache]) -> mx.array:
        return self.logits(self.states(tokens, caches)[:, -1])


def load(path: str) -> tuple[Llama, dict]:
    """The model, its weights packed as in the file, and the file's metadata."""
    weights, meta = mx.load(path, format="gguf", return_metadata=True)
    if meta.get("general.architecture") != "llama":
        raise ValueError(
            f"expected the architecture 'llama' in {path}, got {meta.get('general.architecture')}"
        )
    numbers = {k: v.item() for k, v in meta.items() if isinstance(v, mx.array) and v.size == 1}
    sizes = {k.removeprefix("llama."): v for k, v in numbers.items() if k.startswith("llama.")}
    model = Llama(sizes, weights["token_embd.weight"].shape[0], tied="output.weight" not in weights)

    def format_of(name: str, module: nn.Module) -> bool | dict:
        packed, scales = weights.get(f"{name}.weight"), weights.get(f"{name}.scales")
        if scales is None:
            return False
        columns = module.weight.shape[-1]
        return {"group_size": columns // scales.shape[-1], "bits": 32 * packed.shape[-1] // columns}

    nn.quantize(model, class_predicate=format_of)
    for part in ("scales", "biases"):  # an embedding has its scales' dtype: activations are to be float32
        if f"token_embd.{part}" in weights:
            weights[f"token_embd.{part}"] = weights[f"token_embd.{part}"].astype(mx.float32)
    model.load_weights(list(weights.items()))
    for block in model.blk:
        block.compile()  # when the weights are there: they become constants of the plans
    return model, meta


def load_tokenizer(meta: dict) -> Tokenizer:
    """Byte-level BPE from the file's vocabulary; types 3 and 4 are tokens of their own."""
    texts, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"].tolist()
    merges = [tuple(merge.split(" ")) for merge in meta["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(texts)}, merges=merges))
    steps = [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if meta.get("tokenizer.ggml.pre") == "smollm":
        steps.insert(0, pre_tokenizers.Digits(individual_digits=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True) for text, kind in zip(texts, types) if kind in (3, 4)]
    )
    tokenizer.encode_special_tokens = True  # marks in what the user writes stay plain text
    return tokenizer


class Chat:
    """A conversation in ChatML: <|im_start|>ROLE, a new line, the text, <|im_end|>, a new line."""

    usual_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

    def __init__(self, path: str, temperature: float, top_p: float, system: str | None) -> None:
        self.model, meta = load(path)
        self.tokenizer = load_tokenizer(meta)
        self.temperature, self.top_p = temperature, top_p
        self.caches = [Cache() for _ in self.model.blk]
        self.end = meta["tokenizer.ggml.eos_token_id"].item()
        has_usual = self.usual_system in meta.get("tokenizer.chat_template", "")
        self.system = system or (self.usual_system if has_usual else None)

    def text(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def message(self, role: str, text: str) -> list[int]:
        start, end = self.tokenizer.token_to_id("<|im_start|>"), self.tokenizer.token_to_id("<|im_end|>")
        return [start, *self.text(f"{role}\n{text}"), end, *self.text("\n")]

    def turn(self, text: str) -> list[int]:
        """The tokens up to the answer; a later turn first ends the answer before it."""
        if self.caches[0].length:
            opening = [self.tokenizer.token_to_id("<|im_end|>"), *self.text("\n")]
        else:
            opening = self.message("system", self.system) if self.system else []
        start = self.tokenizer.token_to_id("<|im_start|>")
        return [*opening, *self.message("user", text), start, *self.text("assistant\n")]

    def choose(self, logits: mx.array) -> int:
        """The likeliest token at temperature 0; else a sample from the likeliest ones with probability top_p together."""
        if self.temperature <= 0:
            return mx.argmax(logits, axis=-1).item()
        logits = logits * (1 / self.temperature)
        if not 0 < self.top_p < 1:
            return mx.random.categorical(logits).item()
        probabilities = mx.softmax(logits, axis=-1, precise=True)
        order = mx.argsort(probabilities, axis=-1)
        ascending = mx.take_along_axis(probabilities, order, axis=-1)
        kept = mx.where(mx.cumsum(ascending, axis=-1) > 1 - self.top_p, ascending, 0.0)
        place = mx.random.categorical(mx.log(kept))
        return mx.take_along_axis(order, place[:, None], axis=-1).item()

    def say(self, text: str, max_tokens: int) -> None:
        prompt = self.turn(text)
        start = time.perf_counter()
        token = self.choose(prefill(self.model, self.caches, prompt))
        middle = time.perf_counter()
        stream, count = decoders.DecodeStream(skip_special_tokens=True), 0
        while count < max_tokens and token != self.end:
            print(stream.step(self.tokenizer, token) or "", end="", flush=True)
            count += 1
            token = self.choose(self.model(mx.array([[token]]), self.caches))
        seconds = time.perf_counter() - middle
        print()
        print(
            f"[prompt: {len(prompt)} tokens, {len(prompt) / (middle - start):.1f} tok/s; "
            f"answer: {count} tokens, {count / seconds:.1f} tok/s]",
            file=sys.stderr,
        )


def prefill(model: Llama, caches: list[Cache], tokens: list[int], piece: int = 512) -> mx.array:
    """Reads tokens, in pieces that bound the memory; the logits (1, vocabulary) after the last."""
    for i in range(0, len(tokens), piece):
        logits = model(mx.array([tokens[i : i + piece]]), caches)
        mx.eval(logits)
    return logits


def speed(model: Llama, prompt: int, decode: int) -> tuple[float, float]:
    """Tokens per second of reading `prompt` tokens, and of decoding `decode` more one by one, without sampling."""
    vocabulary = model.token_embd.num_embeddings
    tokens = [(i * 7919 + 100) % vocabulary for i in range(prompt + decode)]
    caches = [Cache() for _ in model.blk]
    start = time.perf_counter()
    if prompt:
        prefill(model, caches, tokens[:prompt])
    middle = time.perf_counter()
    for token in tokens[prompt:]:
        mx.eval(model(mx.array([[token]]), caches))
    end = time.perf_counter()
    return prompt / (middle - start), decode / (end - middle)


def bench(model: Llama, prompt: int, decode: int) -> None:
    runs = [speed(model, prompt, decode) for _ in range(3)]
    print(f"prefill {max(r[0] for r in runs):.1f} tok/s, decode {max(r[1] for r in runs):.1f} tok/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--prompt")
    parser.add_argument("--system")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--temp", type=float, default=0.2)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--bench", type=int, nargs=2, metavar=("P", "N"))
    options = parser.parse_args()
    if options.threads:
        os.environ["MLX_NUM_THREADS"] = str(options.threads)  # read when the first array is evaluated
    chat = Chat(options.model, options.temp, options.top_p, options.system)
    mx.random.seed(options.seed)  # after the layers, whose first weights are random
    if options.bench:
        bench(chat.model, *options.bench)
    elif options.prompt is not None:
        chat.say(options.prompt, options.max_tokens)
    else:
        print("> ", end="", file=sys.stderr, flush=True)
        for line in sys.stdin:
            if line.strip():
                chat.say(line.rstrip("\n"), options.max_tokens)
            print("> ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
