"""scikit-learn on arrays of MLX and of NumPy, through the array API standard; a program, for SciPy wants to know before
it is imported. usage: estimators.py DTYPE. Prints a line for each call: its name, "same" or what differs, and the types
of what it gave."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"

import sys
import warnings

import mlx.core as mx
import numpy as np
import sklearn
from sklearn import (
    datasets,
    decomposition,
    discriminant_analysis,
    kernel_approximation,
    linear_model,
    metrics,
    mixture,
    model_selection,
    naive_bayes,
    pipeline,
    preprocessing,
)
from sklearn.metrics import pairwise

RIDGE = {"alpha": 1.0, "solver": "svd"}


def transformed(make):
    return lambda x, labels, y: make().fit_transform(x)


def there_and_back(make):
    def both_ways(x, labels, y):
        estimator = make()
        return estimator.inverse_transform(estimator.fit_transform(x))

    return both_ways


def components(**options):
    """Their signs are free."""
    return lambda x, labels, y: abs(decomposition.PCA(3, random_state=0, **options).fit_transform(x))


def classes(make):
    return lambda x, labels, y: make().fit(x, labels).predict(x)


def values(make):
    return lambda x, labels, y: make().fit(x, y).predict(x)


def chances(make):
    return lambda x, labels, y: make().fit(x, labels).predict_proba(x)


def of_labels(metric, **options):
    return lambda x, labels, y: metric(labels, x[:, 0] > 0, **options)


def of_values(metric):
    return lambda x, labels, y: metric(abs(y) + 1, abs(y + x[:, 0]) + 1)


def of_rows(metric):
    return lambda x, labels, y: metric(abs(x[:20, :]), abs(x[20:50, :]))


def of_pairs(metric):
    return lambda x, labels, y: metric(x[:20, :], x[20:40, :])


def steps():
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        decomposition.PCA(4, svd_solver="full"),
        linear_model.Ridge(**RIDGE),
    )


CALLS = {
    "StandardScaler": transformed(preprocessing.StandardScaler),
    "StandardScaler and back": there_and_back(preprocessing.StandardScaler),
    "MinMaxScaler": transformed(preprocessing.MinMaxScaler),
    "MinMaxScaler and back": there_and_back(preprocessing.MinMaxScaler),
    "MaxAbsScaler": transformed(preprocessing.MaxAbsScaler),
    "MaxAbsScaler and back": there_and_back(preprocessing.MaxAbsScaler),
    "Normalizer": transformed(preprocessing.Normalizer),
    "Binarizer": transformed(preprocessing.Binarizer),
    "PolynomialFeatures": transformed(preprocessing.PolynomialFeatures),
    "KernelCenterer": lambda x, labels, y: preprocessing.KernelCenterer().fit_transform(x @ x.T),
    "LabelEncoder": lambda x, labels, y: preprocessing.LabelEncoder().fit_transform(labels),
    "LabelBinarizer": lambda x, labels, y: preprocessing.LabelBinarizer().fit_transform(labels),
    "PCA full": components(svd_solver="full"),
    "PCA full, whitened": components(svd_solver="full", whiten=True),
    "PCA covariance_eigh": components(svd_solver="covariance_eigh"),
    "PCA randomized": components(svd_solver="randomized", power_iteration_normalizer="QR"),
    "PCA of as many as are likely": lambda x, labels, y: decomposition.PCA("mle").fit(x).explained_variance_,
    "Nystroem": transformed(lambda: kernel_approximation.Nystroem(n_components=5, random_state=0)),
    "Ridge": values(lambda: linear_model.Ridge(**RIDGE)),
    "Ridge coefficients": lambda x, labels, y: linear_model.Ridge(**RIDGE).fit(x, y).coef_,
    "RidgeCV": values(linear_model.RidgeCV),
    "RidgeClassifier": classes(lambda: linear_model.RidgeClassifier(solver="svd")),
    "RidgeClassifierCV": classes(linear_model.RidgeClassifierCV),
    "LogisticRegression": chances(lambda: linear_model.LogisticRegression(solver="lbfgs")),
    "LinearDiscriminantAnalysis": classes(discriminant_analysis.LinearDiscriminantAnalysis),
    "GaussianNB": chances(naive_bayes.GaussianNB),
    # With full covariances scikit-learn writes into a slice for the whole array to see, which is never so here.
    "GaussianMixture of diagonal covariances": lambda x, labels, y: mixture.GaussianMixture(
        2, covariance_type="diag", init_params="random", random_state=0
    ).fit(x).means_,
    "GaussianMixture of one covariance": lambda x, labels, y: mixture.GaussianMixture(
        2, covariance_type="tied", init_params="random", random_state=0
    ).fit(x).means_,
    "pipeline": values(steps),
    "train_test_split": lambda x, labels, y: model_selection.train_test_split(
        x, labels, random_state=0, stratify=labels
    ),
    "cross_val_predict": lambda x, labels, y: model_selection.cross_val_predict(steps(), x, y),
    "cross_val_score": lambda x, labels, y: model_selection.cross_val_score(steps(), x, y),
    "GridSearchCV": lambda x, labels, y: model_selection.GridSearchCV(
        linear_model.Ridge(**RIDGE), {"alpha": [0.1, 10.0]}
    ).fit(x, y).best_score_,
    **{
        name: of_labels(getattr(metrics, name))
        for name in (
            "accuracy_score", "balanced_accuracy_score", "cohen_kappa_score", "confusion_matrix", "f1_score",
            "hamming_loss", "jaccard_score", "multilabel_confusion_matrix", "precision_recall_fscore_support",
            "precision_score", "recall_score", "zero_one_loss",
        )
    },
    "fbeta_score": of_labels(metrics.fbeta_score, beta=2.0),
    "log_loss": lambda x, labels, y: metrics.log_loss(labels, 1 / (1 + abs(x[:, 0]))),
    "brier_score_loss": lambda x, labels, y: metrics.brier_score_loss(labels, 1 / (1 + abs(x[:, 0]))),
    "average_precision_score": lambda x, labels, y: metrics.average_precision_score(labels, x[:, 0]),
    "det_curve": lambda x, labels, y: metrics.det_curve(labels, x[:, 0]),
    "precision_recall_curve": lambda x, labels, y: metrics.precision_recall_curve(labels, x[:, 0]),
    **{
        name: of_values(getattr(metrics, name))
        for name in (
            "d2_absolute_error_score", "d2_pinball_score", "d2_tweedie_score", "explained_variance_score", "max_error",
            "mean_absolute_error", "mean_absolute_percentage_error", "mean_gamma_deviance", "mean_pinball_loss",
            "mean_poisson_deviance", "mean_squared_error", "mean_squared_log_error", "mean_tweedie_deviance",
            "median_absolute_error", "r2_score", "root_mean_squared_error", "root_mean_squared_log_error",
        )
    },
    **{
        name: of_rows(getattr(pairwise, name))
        for name in (
            "additive_chi2_kernel", "chi2_kernel", "cosine_distances", "cosine_similarity", "euclidean_distances",
            "laplacian_kernel", "linear_kernel", "manhattan_distances", "pairwise_distances", "polynomial_kernel",
            "rbf_kernel", "sigmoid_kernel",
        )
    },
    "paired_cosine_distances": of_pairs(pairwise.paired_cosine_distances),
    "paired_euclidean_distances": of_pairs(pairwise.paired_euclidean_distances),
}  # fmt: skip


def difference(ours, numpys, dtype: str) -> str:
    if isinstance(ours, (tuple, list)):
        return next(
            (d for d in (difference(a, b, dtype) for a, b in zip(ours, numpys, strict=True)) if d != "same"),
            "same",
        )
    ours, numpys = np.asarray(ours), np.asarray(numpys)
    near = 2e-3 if dtype == "float32" else 1e-6
    if ours.shape == numpys.shape and np.allclose(ours, numpys, rtol=near, atol=near):
        return "same"
    return f"{ours.shape} {ours.ravel()[:5]} for {numpys.shape} {numpys.ravel()[:5]}"


def kinds(result) -> str:
    return ",".join(type(r).__name__ for r in (result if isinstance(result, (tuple, list)) else [result]))


def main(dtype: str) -> None:
    sklearn.set_config(array_api_dispatch=True)
    warnings.simplefilter("ignore")
    x, labels = datasets.make_classification(200, 8, n_informative=6, n_redundant=0, random_state=0)
    x = x.astype(dtype)
    y = x @ np.arange(8, dtype=dtype) + np.random.default_rng(0).normal(size=200).astype(dtype)
    arrays = [mx.from_dlpack(a) for a in (x, labels, y)]
    for name, call in CALLS.items():
        try:
            ours = call(*arrays)
            found = difference(ours, call(x, labels, y), dtype), kinds(ours)
        except Exception as error:
            found = f"{type(error).__name__}: {error}".split("\n")[0], ""
        print(name, *found, sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
