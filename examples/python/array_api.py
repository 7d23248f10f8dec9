"""Programs written for the array API standard run on mlx.c's arrays: a function of ours, and scikit-learn.

Needs scikit-learn and SciPy, which look for the standard when SCIPY_ARRAY_API is set before they are imported.
"""

import os

os.environ["SCIPY_ARRAY_API"] = "1"

import mlx.core as mx
import sklearn
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def softmax(x, axis=-1):
    """Knows nothing of MLX: it asks the array for the functions that go with it."""
    xp = x.__array_namespace__()
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return e / xp.sum(e, axis=axis, keepdims=True)


def main() -> None:
    print("softmax:", softmax(mx.array([1.0, 2.0, 3.0])))
    print("its derivative:", mx.grad(lambda x: softmax(x)[0])(mx.array([1.0, 2.0, 3.0])))

    sklearn.set_config(array_api_dispatch=True)
    images, digits = load_digits(return_X_y=True)  # 1797 images of 8 x 8 pixels
    x, y = mx.array(images), mx.array(digits)  # float32, int64
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0)
    model = make_pipeline(StandardScaler(), PCA(40, svd_solver="full"), LogisticRegression(max_iter=200))
    model.fit(x_train, y_train)
    predicted = model.predict(x_test)
    print("PCA kept", f"{float(mx.sum(model[1].explained_variance_ratio_)):.0%}", "of the variance")
    print("predictions:", type(predicted).__module__, predicted.dtype, predicted.shape)
    print("accuracy on images not seen:", f"{accuracy_score(y_test, predicted):.3f}")


if __name__ == "__main__":
    main()
