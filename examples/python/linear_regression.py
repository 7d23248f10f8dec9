"""Linear regression by gradient descent: finds the weights that made the data, as far as the noise lets it.

Shows mx.value_and_grad and the loop that every training has: the loss, its gradient, a step downhill. The loss is a
parabola, so the exact minimum is known too: it solves the normal equations (X'X) w = X'y.

    python examples/python/linear_regression.py
"""

import mlx.core as mx
from training import Training, parser

EXAMPLES, FEATURES = 1000, 8
NOISE = 0.1  # standard deviation of what is added to each y
LEARNING_RATE = 0.1


def make_data() -> tuple[mx.array, mx.array, mx.array]:
    """x (examples, features), y (examples), and the weights (features) that made y of x."""
    weights = mx.random.normal((FEATURES,))
    x = mx.random.normal((EXAMPLES, FEATURES))
    y = x @ weights + NOISE * mx.random.normal((EXAMPLES,))
    return x, y, weights


def main() -> None:
    options = parser(__doc__, steps=100).parse_args()
    mx.random.seed(options.seed)
    x, y, true_weights = make_data()

    def loss(w: mx.array) -> mx.array:
        """Mean square error"""
        return mx.mean(mx.square(x @ w - y))

    # A function of w that gives the loss and its derivative by w, an array of w's shape.
    loss_and_gradient = mx.value_and_grad(loss)

    w = mx.zeros(FEATURES)
    training = Training(options.steps)
    for _ in training:
        value, gradient = loss_and_gradient(w)
        w = w - LEARNING_RATE * gradient
        mx.eval(w)  # arrays are lazy: up to here nothing was computed
        training.record(value.item())

    training.report(options.plot, "Linear regression: mean square error")
    exact = mx.linalg.solve(x.T @ x, x.T @ y, stream=mx.cpu)
    print("weight   made with  found")
    for i, (true, found) in enumerate(zip(true_weights.tolist(), w.tolist())):
        print(f"{i:6d}  {true:9.4f}  {found:6.4f}")
    print(f"largest error of a weight        {mx.max(mx.abs(w - true_weights)).item():.4f}")
    print(f"largest distance from the exact  {mx.max(mx.abs(w - exact)).item():.1e}")


if __name__ == "__main__":
    main()
