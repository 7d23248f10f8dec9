"""Logistic regression: tells benign tumours from malignant ones by 30 measurements of their cells.

Shows that a gradient has the structure of what it is taken by: the parameters are a dictionary, so their gradients
are one with the same keys, and mlx.utils.tree_map walks over both. The data are scikit-learn's, of 569 patients.

    python examples/python/logistic_regression.py
"""

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from sklearn.datasets import load_breast_cancer
from training import Training, parser

TEST = 169  # patients held back to test on
LEARNING_RATE = 0.5
DECAY = 1e-3  # weight of the penalty |w|^2, which keeps weights small


def load_data(seed: int) -> tuple[mx.array, mx.array, list[str]]:
    """Measurements (569, 30), each with mean 0 and deviation 1; 1 for benign and 0 for malignant (569); their names."""
    data = load_breast_cancer()
    order = np.random.default_rng(seed).permutation(len(data.target))
    x = mx.array(data.data[order].astype(np.float32))
    y = mx.array(data.target[order].astype(np.float32))
    return (x - mx.mean(x, axis=0)) / mx.std(x, axis=0), y, list(data.feature_names)


def logits(parameters: dict, x: mx.array) -> mx.array:
    """x (N, 30) -> (N): the logarithm of the odds for benign"""
    return x @ parameters["weight"] + parameters["bias"]


def loss(parameters: dict, x: mx.array, y: mx.array) -> mx.array:
    """Mean of -log P(y | x), and the penalty. P(1 | x) = 1 / (1 + exp(-z)), so -log P(y | x) = log(1 + exp(z)) - y z."""
    z = logits(parameters, x)
    cross_entropy = mx.mean(mx.logaddexp(0.0, z) - y * z)
    return cross_entropy + DECAY * mx.sum(mx.square(parameters["weight"]))


def main() -> None:
    options = parser(__doc__, steps=200).parse_args()
    x, y, names = load_data(options.seed)
    train_x, train_y, test_x, test_y = x[TEST:], y[TEST:], x[:TEST], y[:TEST]

    loss_and_gradients = mx.value_and_grad(loss)  # by the first argument
    parameters = {"weight": mx.zeros(x.shape[1]), "bias": mx.array(0.0)}
    training = Training(options.steps)
    for _ in training:
        value, gradients = loss_and_gradients(parameters, train_x, train_y)
        parameters = tree_map(lambda p, g: p - LEARNING_RATE * g, parameters, gradients)
        mx.eval(parameters)
        training.record(value.item())

    training.report(options.plot, "Logistic regression: cross entropy")
    benign = logits(parameters, test_x) > 0
    print(f"test accuracy {100 * mx.mean(benign == test_y).item():.1f}%")
    print("            found benign  found malignant")
    for name, truth in [("benign", 1), ("malignant", 0)]:
        found = mx.sum((test_y == truth) & benign).item()
        print(f"{name:10s}  {found:12d}  {mx.sum(test_y == truth).item() - found:15d}")
    strongest = mx.argsort(-mx.abs(parameters["weight"]))[:3].tolist()
    print(
        "strongest signs:", ", ".join(f"{names[i]} {parameters['weight'][i].item():+.2f}" for i in strongest)
    )


if __name__ == "__main__":
    main()
