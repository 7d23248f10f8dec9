"""A tour of mlx.c: lazy arrays, derivatives, layers, training, compilation, fused kernels and quantisation.

Every section prints what it computed; where it measures, it prints a ratio of two times from the same run.
"""

import math
import sys
import time

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np


def section(title: str) -> None:
    print(f"\n== {title}")


def lazy_arrays() -> None:
    """Operations build a graph; it is computed when its values are asked for: by `print`, `mx.eval` or NumPy."""
    section("Lazy arrays")
    a = mx.array([1, 2, 3])
    b = mx.array([4, 5, 6])
    c = a + b  # a graph: nothing is computed yet
    print("a + b =", c)  # printing evaluates
    mx.eval(c)
    print("on the CPU stream:", mx.multiply(a, b, stream=mx.cpu))
    if mx.is_available(mx.gpu):
        print("on the GPU stream:", mx.multiply(a, b, stream=mx.gpu))
    else:
        try:
            mx.multiply(a, b, stream=mx.gpu)
        except (RuntimeError, ValueError) as error:
            print("without a GPU, mx.gpu is a clear error:", error)


def derivatives() -> None:
    """`mx.grad` makes a function of a function: its derivative. So it can be applied again."""
    section("Derivatives")
    dfdx = mx.grad(mx.sin)
    d2fdx2 = mx.grad(mx.grad(mx.sin))
    x = mx.array(0.5)
    print(f"sin'(0.5)  = {dfdx(x).item():.6f}   cos(0.5)  = {math.cos(0.5):.6f}")
    print(f"sin''(0.5) = {d2fdx2(x).item():.6f}  -sin(0.5) = {-math.sin(0.5):.6f}")


class MLP(nn.Module):
    def __init__(self, dim, h_dim):
        super().__init__()
        self.linear1 = nn.Linear(dim, h_dim)
        self.linear2 = nn.Linear(h_dim, dim)

    def __call__(self, x):
        return self.linear2(nn.relu(self.linear1(x)))


def layers() -> None:
    """A module holds parameters and other modules as attributes, and computes when it is called."""
    section("Layers")
    mlp = MLP(16, 64)
    print(mlp)
    print("output shape for a batch of 2:", mlp(mx.ones((2, 16))).shape)


def progress(step: int, steps: int, text: str) -> None:
    if sys.stdout.isatty() or step == steps:
        filled = 30 * step // steps
        print(
            f"\r[{'#' * filled}{'.' * (30 - filled)}] {text}", end="\n" if step == steps else "", flush=True
        )


def training() -> None:
    """`nn.value_and_grad` differentiates by all parameters of a model; an optimizer moves them downhill."""
    section("Training on handwritten digits")
    from sklearn.datasets import load_digits

    digits = load_digits()  # 1,797 images of 8 x 8 grey values 0..16
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = mx.array((digits.data[order] / 16).astype(np.float32))
    labels = mx.array(digits.target[order].astype(np.int32))
    train_x, train_y, test_x, test_y = images[:1500], labels[:1500], images[1500:], labels[1500:]

    mx.random.seed(0)
    model = MLP(64, 128)  # its first 10 outputs are the classes' logits

    def loss(model, x, y):
        return nn.losses.cross_entropy(model(x)[:, :10], y, reduction="mean")

    optimizer = optim.Adam(learning_rate=2e-3)
    loss_and_grad = nn.value_and_grad(model, loss)
    epochs, batch = 20, 100
    start = time.perf_counter()
    for epoch in range(epochs):
        for i in range(0, len(train_x), batch):
            value, gradients = loss_and_grad(model, train_x[i : i + batch], train_y[i : i + batch])
            optimizer.update(model, gradients)
            mx.eval(model.parameters(), optimizer.state)
        progress(epoch + 1, epochs, f"epoch {epoch + 1:2d}  loss {value.item():.4f}")
    seconds = time.perf_counter() - start
    accuracy = mx.mean(mx.argmax(model(test_x)[:, :10], axis=1) == test_y).item()
    print(f"test accuracy {100 * accuracy:.1f}% after {epochs} epochs in {seconds:.2f} s")
    assert accuracy > 0.9, "the digits were not learned"


def best_time(function, repeats: int = 7) -> float:
    """Seconds of the fastest of several runs; function must evaluate what it makes."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def gelu(x):
    return x * (1 + mx.erf(x / math.sqrt(2))) / 2


def step_by_step_gelu(x):
    y = x / math.sqrt(2)
    mx.eval(y)
    y = mx.erf(y)
    mx.eval(y)
    y = 1 + y
    mx.eval(y)
    y = x * y
    mx.eval(y)
    y = y / 2
    mx.eval(y)


def compilation() -> None:
    """Chains of elementwise operations run in one pass over memory. `mx.compile` keeps the plan for later calls."""
    section("Compilation")
    compiled = mx.compile(gelu)
    x = mx.random.normal((4 << 20,))
    mx.eval(x)
    same = mx.array_equal(gelu(x), compiled(x)).item()
    plain_time = best_time(lambda: mx.eval(gelu(x)))
    compiled_time = best_time(lambda: mx.eval(compiled(x)))
    step_time = best_time(lambda: step_by_step_gelu(x))
    print(f"gelu of 4M floats, one op at a time: {step_time * 1e3:6.2f} ms")
    print(
        f"the same, fused at eval:             {plain_time * 1e3:6.2f} ms  ({plain_time / step_time:.2f} of it)"
    )
    print(
        f"compiled:                            {compiled_time * 1e3:6.2f} ms  ({compiled_time / step_time:.2f} of it)"
    )
    print("plain and compiled agree bit for bit:", same)
    assert same


def fast_kernels() -> None:
    """What models need most is there as one operation each, in `mx.fast`."""
    section("Fused kernels")
    x = mx.random.normal((2048, 2048))
    weight = mx.random.normal((2048,))
    eps = 1e-5
    mx.eval(x, weight)

    def naive():
        return x * mx.rsqrt(mx.mean(x * x, axis=-1, keepdims=True) + eps) * weight

    def fused():
        return mx.fast.rms_norm(x, weight, eps)

    difference = mx.max(mx.abs(naive() - fused())).item()
    naive_time, fused_time = best_time(lambda: mx.eval(naive())), best_time(lambda: mx.eval(fused()))
    print(f"rms_norm 2048 x 2048: naive {naive_time * 1e3:.2f} ms, fast.rms_norm {fused_time * 1e3:.2f} ms, "
          f"ratio {fused_time / naive_time:.2f}")  # fmt: skip
    print(f"largest difference {difference:.1e}")


def quantisation() -> None:
    """Weights in 4 bits take a sixth of the memory; a product with few rows is the faster, the less it reads."""
    section("Quantisation")
    weight = mx.random.normal((1024, 1024))
    wq, scales, biases = mx.quantize(weight, bits=4)
    error = mx.abs(mx.dequantize(wq, scales, biases, bits=4) - weight)
    bytes_quantised = wq.nbytes + scales.nbytes + biases.nbytes
    print(f"4 bits: {weight.nbytes} bytes -> {bytes_quantised}, largest error {mx.max(error).item():.3f}")
    model = MLP(1024, 1024)
    x = mx.random.normal((1, 1024))
    before = model(x)
    mx.eval(before)
    full = best_time(lambda: mx.eval(model(x)))
    nn.quantize(model, bits=4)
    mx.eval(model.parameters())
    quantised = best_time(lambda: mx.eval(model(x)))
    correlation = mx.sum(before * model(x)) / mx.sqrt(mx.sum(before**2) * mx.sum(model(x) ** 2))
    print(model)
    print(f"MLP on one row: float32 {full * 1e6:.0f} us, 4-bit {quantised * 1e6:.0f} us, "
          f"ratio {quantised / full:.2f}; outputs correlate {correlation.item():.4f}")  # fmt: skip


def main() -> None:
    lazy_arrays()
    derivatives()
    layers()
    training()
    compilation()
    fast_kernels()
    quantisation()


if __name__ == "__main__":
    main()
