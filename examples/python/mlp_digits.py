"""A multilayer perceptron learns to read handwritten digits.

Shows mlx.nn, mlx.optimizers and mx.compile: the whole step, from the batch to the new parameters, becomes one compiled
function. The data are scikit-learn's: 1,797 images of 8 x 8 pixels, of which 360 are held back to test on.

    python examples/python/mlp_digits.py
"""

from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from sklearn.datasets import load_digits
from training import Training, parser

TEST, BATCH = 360, 64


class MLP(nn.Module):
    """images (N, 64) -> logits (N, 10)"""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = [nn.Linear(64, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 10)]
        self.dropout = nn.Dropout(0.2)  # acts in training only: see model.train() and model.eval()

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers[:-1]:
            x = self.dropout(nn.relu(layer(x)))
        return self.layers[-1](x)


def load_data(seed: int) -> tuple[mx.array, mx.array]:
    """Images (1797, 64) with grey values from 0 to 1, and their digits (1797), in a random order."""
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    return mx.array((data.data[order] / 16).astype(np.float32)), mx.array(data.target[order].astype(np.int32))


def batches(images: mx.array, digits: mx.array):
    """Without end: all examples in a random order, BATCH at a time, then in another order."""
    while True:
        order = mx.random.permutation(len(images))
        for start in range(0, len(images) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield images[chosen], digits[chosen]


def main() -> None:
    options = parser(__doc__, steps=600).parse_args()
    mx.random.seed(options.seed)
    images, digits = load_data(options.seed)
    model = MLP(hidden=128)
    optimizer = optim.AdamW(learning_rate=optim.cosine_decay(3e-3, options.steps), weight_decay=0.01)

    def loss(images: mx.array, digits: mx.array) -> mx.array:
        return nn.losses.cross_entropy(model(images), digits, reduction="mean")

    loss_and_gradients = nn.value_and_grad(model, loss)  # by the model's parameters

    # What a step reads and changes beside its arguments; a compiled function has to be told.
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(images: mx.array, digits: mx.array) -> mx.array:
        value, gradients = loss_and_gradients(images, digits)
        optimizer.update(model, gradients)
        return value

    model.train()
    data = batches(images[TEST:], digits[TEST:])
    training = Training(options.steps)
    for _ in training:
        value = step(*next(data))
        mx.eval(value, state)
        training.record(value.item())

    training.report(options.plot, "Digits: cross entropy of a batch")
    model.eval()
    guesses = mx.argmax(model(images[:TEST]), axis=1)
    right = guesses == digits[:TEST]
    print(f"test accuracy {100 * mx.mean(right).item():.1f}%")
    wrong = [i for i, r in enumerate(right.tolist()) if not r]
    for i in wrong[:1]:
        print(f"one that it got wrong: a {digits[i].item()}, read as {guesses[i].item()}")
        for row in images[i].reshape(8, 8).tolist():
            print("   ", "".join(" .:*#@"[int(5 * grey)] * 2 for grey in row))


if __name__ == "__main__":
    main()
