"""The exported network: constants, estimates, prices, and what may not fit."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from routers import attention_network, make_artifact, make_pool

from onehead.errors import ArtifactError
from onehead.pool import ModelCard, Pool
from onehead.predictors import Estimates
from onehead.predictors.graph import with_constants, with_joined
from onehead.predictors.network import NetworkPredictor
from onehead.predictors.prices import Prices

ARTIFACT = make_artifact(m=5, anchors=40)
WIDTH = ARTIFACT.arrays["keys"].shape[1]


@pytest.fixture(scope="module")
def predictor() -> NetworkPredictor:
    return NetworkPredictor(ARTIFACT.network, ARTIFACT.arrays, ARTIFACT.manifest.pool)


def features(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(np.float32)


def plain_outputs(x: np.ndarray) -> dict[str, np.ndarray]:
    """The network as it was exported: arrays as inputs."""
    session = onnxruntime.InferenceSession(ARTIFACT.network, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_outputs()]
    return dict(zip(names, session.run(names, {"features": x, **ARTIFACT.arrays}), strict=True))


def test_estimates_are_those_of_the_exported_network(predictor: NetworkPredictor) -> None:
    x = features(9)
    estimates, raw = predictor.predict(x), plain_outputs(x)
    np.testing.assert_allclose(estimates.quality, raw["quality"], atol=2e-6)
    np.testing.assert_allclose(estimates.confidence, raw["confidence"], atol=2e-6)
    price_in, price_out = 0.1e-6 * np.arange(1, 6), 0.4e-6 * np.arange(1, 6)
    tokens = np.exp(raw["log_input"]) * price_in + np.exp(raw["log_output"]) * price_out
    dollars = np.exp(raw["log_output"])
    expected = np.where([False, False, True, False, False], dollars, tokens)
    np.testing.assert_allclose(estimates.cost_usd, expected, rtol=2e-5)


def test_a_row_alone_equals_the_row_in_any_batch(predictor: NetworkPredictor) -> None:
    x = features(600)
    together = predictor.predict(x)
    for rows in (slice(0, 1), slice(255, 257), slice(599, 600), slice(100, 400)):
        alone, part = predictor.predict(x[rows]), together.take(rows)
        assert np.array_equal(alone.quality, part.quality)
        assert np.array_equal(alone.cost_usd, part.cost_usd)
        assert np.array_equal(alone.confidence, part.confidence)


def test_tokens_are_those_that_the_cost_is_made_of(predictor: NetworkPredictor) -> None:
    x = features(300)
    estimates, raw = predictor.predict(x), plain_outputs(x)
    in_usd = np.arange(5) == 2
    for tokens, log in [
        (estimates.input_tokens, "log_input"),
        (estimates.output_tokens, "log_output"),
    ]:
        np.testing.assert_allclose(tokens[:, ~in_usd], np.exp(raw[log])[:, ~in_usd], rtol=1e-5)
        assert np.isnan(tokens[:, in_usd]).all()
    price_in, price_out = 0.1e-6 * np.arange(1, 6), 0.4e-6 * np.arange(1, 6)
    again = estimates.input_tokens * price_in + estimates.output_tokens * price_out
    np.testing.assert_allclose(again[:, ~in_usd], estimates.cost_usd[:, ~in_usd], rtol=1e-5)


def test_estimates_are_cut_and_joined_with_all_their_arrays(predictor: NetworkPredictor) -> None:
    whole = predictor.predict(features(9))
    parts = [whole.take(slice(0, 4)), whole.take(np.array([4, 5, 6, 7, 8]))]
    joined, some = Estimates.concatenate(parts), whole.only([3, 0])
    for name in ("quality", "cost_usd", "confidence", "input_tokens", "output_tokens"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    for name in ("quality", "cost_usd", "input_tokens", "output_tokens"):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[:, [3, 0]])


def test_estimates_without_tokens_do_not_know_them() -> None:
    bare = Estimates(np.ones((2, 3)), np.ones((2, 3)), np.ones(2))
    for part in (bare, bare.take(slice(2)), Estimates.concatenate([bare.take(slice(2))])):
        assert part.input_tokens.shape == part.output_tokens.shape == (2, 3)
        assert np.isnan(part.input_tokens).all()
    assert np.isnan(bare.only([1]).output_tokens).all()


def test_tokens_of_a_free_model_are_unknown_where_none_were_seen() -> None:
    pool = Pool((ModelCard("free", "tokens", 0.0, 0.0), ModelCard("also", "tokens", 0.0, 0.0)))
    cost, tokens = Prices(pool)(np.log([[1.0, 20.0, 1.0, 1.0]]))
    assert not cost.any()
    np.testing.assert_allclose(tokens, [[[np.nan, 20.0], [np.nan, 1.0]]])


def test_no_prompts_give_no_estimates(predictor: NetworkPredictor) -> None:
    assert predictor.predict(features(0)).quality.shape == (0, 5)


def test_costs_have_six_digits_and_a_free_model_stays_free() -> None:
    pool = Pool((ModelCard("free", "tokens", 0.0, 0.0), *make_pool(5).models[1:]))
    arrays = ARTIFACT.arrays
    cost = NetworkPredictor(ARTIFACT.network, arrays, pool).predict(features(50)).cost_usd
    assert not cost[:, 0].any()
    assert all(float(f"{c:.5e}") == pytest.approx(c, rel=1e-14) for c in cost[:, 1:].ravel())


def test_constants_leave_a_valid_model_with_one_input() -> None:
    model = onnx.load_from_string(with_constants(ARTIFACT.network, ARTIFACT.arrays))
    onnx.checker.check_model(model)
    assert [entry.name for entry in model.graph.input] == ["features"]
    kept = {entry.name: onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer}
    for name, array in ARTIFACT.arrays.items():
        assert np.array_equal(kept[name], array)


def test_outputs_are_joined_in_a_valid_model() -> None:
    fixed = with_constants(ARTIFACT.network, ARTIFACT.arrays)
    joined = with_joined(fixed, ["log_input", "confidence", "quality"], "all")
    onnx.checker.check_model(onnx.load_from_string(joined))
    session = onnxruntime.InferenceSession(joined, providers=["CPUExecutionProvider"])
    names = ["log_input", "confidence", "quality", "all"]
    log_input, confidence, quality, whole = session.run(names, {"features": features(3)})
    np.testing.assert_array_equal(
        whole, np.concatenate([log_input, confidence[:, None], quality], 1)
    )


@pytest.mark.parametrize("dtype", ["float16", "int8", "int32", "int64", "uint8"])
def test_arrays_of_other_kinds_become_constants(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    entry = helper.make_tensor_value_info("a", helper.np_dtype_to_tensor_dtype(array.dtype), (2, 3))
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3))
    cast = helper.make_node("Cast", ["a"], ["y"], to=TensorProto.FLOAT)
    model = helper.make_model(helper.make_graph([cast], "g", [entry], [out]), ir_version=9)
    fixed = onnx.load_from_string(with_constants(model.SerializeToString(), {"a": array}))
    assert np.array_equal(onnx.numpy_helper.to_array(fixed.graph.initializer[0]), array)


@pytest.mark.parametrize(
    ("network", "arrays", "says"),
    [
        (b"", ARTIFACT.arrays, "no graph"),
        (b"not a network", ARTIFACT.arrays, "damaged|cut off"),
        (ARTIFACT.network[:-40], ARTIFACT.arrays, "cut off"),
        (ARTIFACT.network, {**ARTIFACT.arrays, "x": np.zeros(2, np.float32)}, "no input .* x"),
        (ARTIFACT.network, {"keys": ARTIFACT.arrays["keys"]}, "should take features"),
        (
            ARTIFACT.network,
            {**ARTIFACT.arrays, "keys": np.zeros((40, 7), np.float32)},
            "cannot be read|failed",
        ),
        (
            ARTIFACT.network,
            {**ARTIFACT.arrays, "keys": np.zeros((40, WIDTH), bool)},
            "holds bool",
        ),
        (
            ARTIFACT.network,
            {**ARTIFACT.arrays, "quality_at": np.zeros((40, 3), np.float32)},
            r"shape \(2, 3\) for 2 prompts and 5 models",
        ),
        (
            ARTIFACT.network,
            {**ARTIFACT.arrays, "output_at": np.full((40, 5), np.inf, np.float32)},
            "not a number",
        ),
    ],
)
def test_what_does_not_fit_is_said(network: bytes, arrays: dict, says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        NetworkPredictor(network, arrays, ARTIFACT.manifest.pool)


def test_free_feature_width_is_refused() -> None:
    with pytest.raises(ArtifactError, match="fix their width"):
        NetworkPredictor(attention_network("w"), ARTIFACT.arrays, ARTIFACT.manifest.pool)  # type: ignore[arg-type]


def test_features_that_are_not_numbers_are_found(predictor: NetworkPredictor) -> None:
    x = features(3)
    x[1, 0] = np.nan
    with pytest.raises(ArtifactError, match="not a number"):
        predictor.predict(x)
    with pytest.raises(ArtifactError, match="network failed"):
        predictor.predict(x[:, :-1])
