"""A small transformer learns to write like this repository: its pages in docs/, and the comments in src/.

The model reads bytes, so its vocabulary is 256, and predicts each from those before it. Shows attention with a causal
mask, a schedule of the learning rate, a limit on the gradients' norm, and how text is sampled.

    python examples/python/transformer_lm.py
"""

import math
import re
from functools import partial
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from training import Training, parser

ROOT = Path(__file__).resolve().parents[2]
CONTEXT, BATCH = 128, 16  # bytes that the model sees, and pieces of text that it learns from in a step
VOCABULARY = 256
LEARNING_RATE = 3e-3  # at its highest: it rises from near 0 first, then falls along a cosine


class Attention(nn.Module):
    """Each position gathers from itself and those before it: (N, L, dims) -> (N, L, dims)"""

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dims, dims, bias=False) for _ in range(3))
        self.output = nn.Linear(dims, dims, bias=False)
        self.rope = nn.RoPE(dims // heads)  # turns queries and keys by their positions

    def __call__(self, x: mx.array) -> mx.array:
        # (N, L, dims) -> (N, heads, L, dims / heads)
        q, k, v = (
            project(x).reshape(*x.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)
            for project in (self.query, self.key, self.value)
        )
        scale = q.shape[-1] ** -0.5
        y = mx.fast.scaled_dot_product_attention(self.rope(q), self.rope(k), v, scale=scale, mask="causal")
        return self.output(y.transpose(0, 2, 1, 3).reshape(x.shape))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): (N, L, dims) -> (N, L, dims)"""

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.RMSNorm(dims), nn.RMSNorm(dims)
        self.attention = Attention(dims, heads)
        self.mlp = nn.Sequential(nn.Linear(dims, 4 * dims), nn.GELU(), nn.Linear(4 * dims, dims))

    def __call__(self, x: mx.array) -> mx.array:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class LanguageModel(nn.Module):
    """bytes (N, L) -> logits (N, L, 256) of the bytes that follow"""

    def __init__(self, dims: int = 128, heads: int = 4, layers: int = 4) -> None:
        super().__init__()
        self.bytes = nn.Embedding(VOCABULARY, dims)
        self.blocks = [Block(dims, heads) for _ in range(layers)]
        self.norm = nn.RMSNorm(dims)
        self.output = nn.Linear(dims, VOCABULARY)

    def __call__(self, text: mx.array) -> mx.array:
        x = self.bytes(text)
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x))


def load_text(rng: np.random.Generator) -> np.ndarray:
    """The bytes of all paragraphs of the pages and all longer comments, in a random order."""
    pages = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))]
    sources = [path.read_text() for path in sorted((ROOT / "src").rglob("*.[ch]"))]
    paragraphs = [text for page in pages for text in page.split("\n\n")]
    comments = [text for source in sources for text in re.findall(r"/\* (.+?) \*/", source, re.S)]
    texts = [re.sub(r"\s*\n[\s*]*", " ", text) for text in paragraphs + comments if len(text) > 40]
    rng.shuffle(texts)
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def pieces(text: np.ndarray, rng: np.random.Generator) -> mx.array:
    """(BATCH, CONTEXT + 1) bytes from random places"""
    starts = rng.integers(0, len(text) - CONTEXT, BATCH)
    return mx.array(text[starts[:, None] + np.arange(CONTEXT + 1)])


def loss(model: nn.Module, text: mx.array) -> mx.array:
    """Mean of -log P of each byte, given those before it in its row"""
    return nn.losses.cross_entropy(model(text[:, :-1]), text[:, 1:], reduction="mean")


def sample(model: nn.Module, start: str, length: int, temperature: float = 0.6) -> str:
    """`start`, and `length` bytes more, each drawn from what the model expects to follow."""
    text = list(start.encode())
    for _ in range(length):
        logits = model(mx.array([text[-CONTEXT:]]))[:, -1]
        text.append(mx.random.categorical(logits / temperature).item())
    return bytes(text).decode(errors="replace")


def main() -> None:
    options = parser(__doc__, steps=400)
    options.add_argument("--start", default="A derivative ", help="what the sample at the end begins with")
    options.add_argument("--sample", type=int, default=300, help="bytes that the sample has (default 300)")
    options = options.parse_args()
    mx.random.seed(options.seed)
    rng = np.random.default_rng(options.seed)
    text = load_text(rng)
    held_back = len(text) // 20
    train, test = text[held_back:], text[:held_back]

    model = LanguageModel()
    warm_up = options.steps // 12 + 1
    rise = optim.linear_schedule(LEARNING_RATE / warm_up, LEARNING_RATE, warm_up)
    fall = optim.cosine_decay(LEARNING_RATE, options.steps)
    optimizer = optim.AdamW(optim.join_schedules([rise, fall], [warm_up]), betas=(0.9, 0.95))
    loss_and_gradients = nn.value_and_grad(model, loss)
    state = [model.state, optimizer.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(text: mx.array) -> mx.array:
        value, gradients = loss_and_gradients(model, text)
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        return value

    training = Training(options.steps)
    for _ in training:
        value = step(pieces(train, rng))
        mx.eval(value, state)
        training.record(value.item())

    training.report(options.plot, "Transformer on the repository's text: loss of a byte")
    test_loss = sum(loss(model, pieces(test, rng)).item() for _ in range(10)) / 10
    print(f"text held back: {test_loss / math.log(2):.2f} bits a byte")
    print(f"trained on {options.steps * BATCH * CONTEXT / training.seconds:.0f} bytes/s of {len(text)}")
    print(sample(model, options.start, options.sample))


if __name__ == "__main__":
    main()
