"""The attention network in numpy: it says what onnxruntime says, alone and in a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from onehead.artifact import load
from onehead.features import LEXICON_ARRAYS
from onehead.predictors.attention import AttentionKernel, Products
from onehead.predictors.network import NetworkPredictor
from onehead.router import Router, bundled_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.artifact import Artifact

BUNDLED = load(bundled_path())
TEXTS = [
    "",
    "What is 17*23?",
    "Prove that the square root of two is irrational.",
    "def fib(n): return n if n<2 else fib(n-1)+fib(n-2)",
    "qqqqqqqqqqqqqqqqqqqq",
    "请解释量子力学。" * 30,
    "🎉🔥 what does this mean?",
    "A patient of 54 years has had chest pain for two hours. Which test comes first? " * 20,
]


def arrays_of(artifact: Artifact) -> dict[str, NDArray[np.generic]]:
    return {name: a for name, a in artifact.arrays.items() if name not in LEXICON_ARRAYS}


@pytest.fixture(scope="module")
def features() -> NDArray[np.float32]:
    """Of texts, and of no text: weak features, strong ones, and none."""
    real = Router(BUNDLED).represent(TEXTS)
    mean, scale = BUNDLED.arrays["mean"], BUNDLED.arrays["scale"]
    noise = np.random.default_rng(3).normal(size=(120, real.shape[1])).astype(np.float32)
    noise[:60] *= 0.3
    noise[60:] *= 2
    return np.concatenate([real, mean + noise / scale, np.zeros_like(real[:1])])


def both(
    artifact: Artifact, features: NDArray[np.float32], **changed: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the kernel and onnxruntime say: quality, confidence, log_input and log_output."""
    arrays = {**arrays_of(artifact), **changed}
    predictor = NetworkPredictor(artifact.network, arrays, artifact.manifest.pool)
    assert predictor.by_kernel
    kernel = AttentionKernel.of(arrays)
    assert kernel is not None
    quality, confidence, log_input, log_output = predictor._run(
        ("quality", "confidence", "log_input", "log_output"), features
    )
    network = np.concatenate([quality, confidence[:, None], log_input, log_output], axis=1)
    return kernel(features), network.astype(np.float64)


def test_it_says_what_onnxruntime_says(features: NDArray[np.float32]) -> None:
    ours, theirs = both(BUNDLED, features)
    m = len(BUNDLED.manifest.pool)
    assert 0 < (theirs[:, m] > 0.5).mean() < 1  # trusted and not
    np.testing.assert_allclose(ours[:, : m + 1], theirs[:, : m + 1], rtol=0, atol=2e-6)
    texts = slice(len(TEXTS))
    np.testing.assert_allclose(ours[texts], theirs[texts], rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-5)  # sums of strong features cancel


def test_a_sharp_head_does_not_overflow(features: NDArray[np.float32]) -> None:
    sharp = BUNDLED.arrays["quality.sharpness"] * np.float32(8)
    assert sharp > 100  # exp of which is beyond float32
    ours, theirs = both(BUNDLED, features, **{"quality.sharpness": sharp})
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-5)


def test_it_says_the_same_of_a_smaller_pool(features: NDArray[np.float32]) -> None:
    some = BUNDLED.only(BUNDLED.manifest.pool.ids[3:8])
    ours, theirs = both(some, features)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-5)
    whole, _ = both(BUNDLED, features)
    np.testing.assert_allclose(ours[:, :5], whole[:, 3:8], rtol=0, atol=2e-6)
    np.testing.assert_array_equal(ours[:, 5], whole[:, len(BUNDLED.manifest.pool)])


def test_a_row_alone_equals_the_row_in_any_batch(features: NDArray[np.float32]) -> None:
    kernel = AttentionKernel.of(arrays_of(BUNDLED))
    assert kernel is not None
    together = kernel(features)
    for start, end in [(0, 1), (1, 3), (2, 9), (5, 40), (100, 129), (0, 129)]:
        np.testing.assert_array_equal(kernel(features[start:end]), together[start:end])
    for row in range(len(features)):
        np.testing.assert_array_equal(kernel(features[row : row + 1])[0], together[row])
    assert kernel(features[:0]).shape == (0, together.shape[1])


def test_features_beyond_all_measure_break_nothing() -> None:
    kernel = AttentionKernel.of(arrays_of(BUNDLED))
    assert kernel is not None
    for size in (1e6, -1e6):
        shares = kernel(np.full((1, len(BUNDLED.arrays["mean"])), size, np.float32))[:, :29]
        assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.parametrize(("operator", "other"), [("Sigmoid", "HardSigmoid"), ("Log", "Sqrt")])
def test_another_network_with_these_arrays_is_run_as_it_is(
    features: NDArray[np.float32], operator: str, other: str
) -> None:
    model = onnx.load_from_string(BUNDLED.network)
    next(node for node in model.graph.node if node.op_type == operator).op_type = other
    arrays, pool = arrays_of(BUNDLED), BUNDLED.manifest.pool
    predictor = NetworkPredictor(model.SerializeToString(), arrays, pool)
    assert not predictor.by_kernel
    quality = predictor._run(("quality",), features)[0]
    np.testing.assert_allclose(predictor.predict(features).quality, quality, rtol=0, atol=1e-6)


def test_it_knows_its_arrays_by_name() -> None:
    arrays = arrays_of(BUNDLED)
    assert AttentionKernel.of({**arrays, "quality.more": np.ones(3, np.float32)}) is None
    assert AttentionKernel.of({k: a for k, a in arrays.items() if k != "usual"}) is None
    assert AttentionKernel.of({**arrays, "usual": arrays["usual"] * 0 + 2}) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("k", "columns"), [(298, 230), (9, 1), (45, 33), (64, 256), (10_001, 6)])
def test_products_are_those_of_the_matrix(dtype: type, k: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(k, columns)).astype(dtype)
    vectors = rng.normal(size=(7, k + 3)).astype(dtype)[:, 1 : k + 1]
    products = Products(matrix)(vectors)
    assert products.dtype == dtype
    exact = vectors.astype(np.float64) @ matrix.astype(np.float64)
    np.testing.assert_allclose(products, exact, rtol=0, atol=2e-6 * np.sqrt(k) * 3)
    for row in range(7):
        np.testing.assert_array_equal(Products(matrix)(vectors[row : row + 1])[0], products[row])
    assert Products(matrix)(vectors[:0]).shape == (0, columns)
