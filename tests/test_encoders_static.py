"""The static encoder: model2vec's vectors without model2vec, for any text."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from onehead.encoders import load_encoder
from onehead.encoders.static import BUNDLED, FILES
from onehead.errors import EncoderError, UsageError

BUNDLED_ENCODER = load_encoder("static")
PROMPTS = [
    "Explain the second law of thermodynamics to a child.",
    "def f(x):\n    return x ** 2  # what does this do?",
    "Übersetze: die Katze schläft. 猫が寝ている 🐈",
    "What is 17 × 23? " * 50,
]


@pytest.fixture
def table(tmp_path):
    """A copy of the bundled table that may be changed."""
    for name in FILES:
        shutil.copy(BUNDLED / name, tmp_path / name)
    return tmp_path


def rewrite(folder, **tensors):
    kept = load_file(folder / "model.safetensors")
    save_file({**kept, **tensors}, folder / "model.safetensors")


def test_the_bundled_table_is_small_and_has_its_licence():
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 10_000_000
    assert "Apache License" in (BUNDLED / "LICENSE").read_text(encoding="utf-8")
    assert "all-MiniLM-L6-v2" in (BUNDLED / "PROVENANCE.md").read_text(encoding="utf-8")


def test_it_is_an_encoder_of_unit_vectors():
    vectors = BUNDLED_ENCODER.encode(PROMPTS)
    assert vectors.shape == (len(PROMPTS), BUNDLED_ENCODER.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    assert BUNDLED_ENCODER.encode([]).shape == (0, BUNDLED_ENCODER.dimension)


def test_it_agrees_with_model2vec():
    model2vec = pytest.importorskip("model2vec", reason="model2vec is not installed")
    model = model2vec.StaticModel.from_pretrained(BUNDLED)
    np.testing.assert_allclose(BUNDLED_ENCODER.encode(PROMPTS), model.encode(PROMPTS), atol=2e-6)


def test_similar_prompts_are_near():
    a, b, c = BUNDLED_ENCODER.encode(
        ["Solve the integral of x squared.", "Integrate x^2 dx.", "Who was Napoleon's wife?"]
    )
    assert a @ b > a @ c + 0.1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=8))
def test_alone_and_in_a_batch_bit_for_bit(texts):
    together = BUNDLED_ENCODER.encode(texts)
    assert np.isfinite(together).all()
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(BUNDLED_ENCODER.encode([text])[0], together[row])


@pytest.mark.parametrize("text", ["", " \n", "\0", "\ud800", "\U0001fae0", "\u0301"])
def test_a_text_without_known_tokens_is_the_zero_vector(text):
    np.testing.assert_array_equal(BUNDLED_ENCODER.encode([text]), 0)


@pytest.mark.parametrize("text", ["word " * 200_000, "x" * 1_000_000, "語🎉é" * 250_000])
def test_a_megabyte_is_finite(text):
    assert np.isfinite(BUNDLED_ENCODER.encode([text])).all()


def test_the_hash_covers_every_file(table):
    hashes = {load_encoder(f"static:{table}").hash}
    config = json.loads((table / "config.json").read_text())
    (table / "config.json").write_text(json.dumps({**config, "normalize": False}))
    hashes.add(load_encoder(f"static:{table}").hash)
    embeddings = load_file(table / "model.safetensors")["embeddings"].copy()
    embeddings[7, 7] += 1
    rewrite(table, embeddings=embeddings)
    hashes.add(load_encoder(f"static:{table}").hash)
    assert len(hashes) == 3
    assert BUNDLED_ENCODER.hash in hashes


def test_a_table_of_floats_with_weights_and_mapping(table):
    """Vocabulary quantisation, as model2vec writes it: rows shared by tokens, weights per token."""
    embeddings = load_file(table / "model.safetensors")["embeddings"]
    vocabulary, rng = len(embeddings), np.random.default_rng(0)
    mapping = rng.integers(0, 100, vocabulary)
    weights = rng.random(vocabulary).astype(np.float32)
    save_file(
        {
            "embeddings": embeddings[:100].astype(np.float16),
            "mapping": mapping,
            "weights": weights,
        },
        table / "model.safetensors",
    )
    encoder = load_encoder(f"static:{table}")
    ids = encoder.tokenizer.ids(PROMPTS[0])
    expected = (embeddings[mapping[ids]] * weights[ids][:, None]).mean(0)
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(encoder.encode(PROMPTS[:1])[0], expected, atol=1e-6)
    one_by_one = np.concatenate([encoder.encode([prompt]) for prompt in PROMPTS])
    np.testing.assert_array_equal(encoder.encode(PROMPTS), one_by_one)


def test_without_normalising_it_is_the_mean(table):
    (table / "config.json").write_text('{"normalize": false}')
    encoder = load_encoder(f"static:{table}")
    rows = load_file(table / "model.safetensors")["embeddings"][encoder.tokenizer.ids(PROMPTS[0])]
    np.testing.assert_allclose(encoder.encode(PROMPTS[:1])[0], rows.mean(0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_cut_file_is_named(table, name):
    content = (table / name).read_bytes()
    (table / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(EncoderError, match=name):
        load_encoder(f"static:{table}")
    (table / name).unlink()
    with pytest.raises(EncoderError, match=f"{name}: cannot be read"):
        load_encoder(f"static:{table}")


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"embeddings": np.zeros((10, 4), np.float32)}, "beyond the 10 rows"),
        ({"embeddings": np.zeros(4, np.float32)}, "no matrix named 'embeddings'"),
        ({"embeddings": np.full((29_525, 2), np.nan, np.float32)}, "not finite"),
        ({"mapping": np.full(29_525, 10**6)}, "'mapping' or 'weights' do not fit"),
        ({"weights": np.ones(3, np.float32)}, "'mapping' or 'weights' do not fit"),
        ({"mapping": np.ones(29_525, np.float32)}, "'mapping' or 'weights' do not fit"),
    ],
)
def test_tensors_that_do_not_fit_are_named(table, tensors, says):
    rewrite(table, **tensors)
    with pytest.raises(EncoderError, match=says):
        load_encoder(f"static:{table}")


@pytest.mark.parametrize("spec", ["", "word2vec", "static:", "onnx", "onnx:", "http:", "http"])
def test_an_unknown_specification_lists_the_kinds(spec):
    with pytest.raises(UsageError, match="static, static:DIR, onnx:DIR_OR_HUB_ID, http:MODEL@URL"):
        load_encoder(spec)
