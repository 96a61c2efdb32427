"""The ONNX encoder on a tiny model: windows, pooling, batches, damage, and the hub's stand-in."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from onehead.encoders import load_encoder
from onehead.encoders.onnx import OnnxEncoder, head_and_tail
from onehead.errors import EncoderError

onnx = pytest.importorskip("onnx")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ["[UNK]", "[CLS]", "[SEP]", *"abcdefghij"]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 4)).astype(np.float32)


def write_model(path, table=TABLE, inputs=("input_ids", "attention_mask"), pooled=False):
    """Token embeddings by look-up alone; with `pooled`, their mean as the graph's own output."""
    from onnx import TensorProto, helper, numpy_helper

    def info(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["tokens"])]
    output, shape = "tokens", ["n", "t", table.shape[1]]
    if pooled:
        nodes.append(helper.make_node("ReduceMean", ["tokens", "axes"], ["mean"], keepdims=0))
        output, shape = "mean", ["n", table.shape[1]]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [info(name, TensorProto.INT64, ["n", "t"]) for name in inputs],
        [info(output, TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([1]), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def write_tokenizer(path):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: row for row, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.enable_truncation(5)  # must not cut prompts
    tokenizer.enable_padding()
    tokenizer.save(str(path))


@pytest.fixture
def folder(tmp_path):
    write_model(tmp_path / "model.onnx")
    write_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    return tmp_path


def mean_of(ids, table=TABLE):
    mean = table[ids].mean(axis=0)
    return mean / np.linalg.norm(mean)


def ids_of(text):
    return [1, *(WORDS.index(word) for word in text.split()), 2]


def test_mean_of_the_tokens_scaled_to_length_one(folder):
    encoder = load_encoder(f"onnx:{folder}")
    assert encoder.dimension == 4
    assert encoder.name == f"onnx:{folder}"
    texts = ["a b c", "j"]
    expected = [mean_of(ids_of(text)) for text in texts]
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-6)
    assert encoder.encode([]).shape == (0, 4)


def test_a_long_text_keeps_its_beginning_and_its_end(folder):
    encoder = load_encoder(f"onnx:{folder}")
    long = "a b c " + "d " * 50 + "e f g"
    np.testing.assert_allclose(encoder.encode([long])[0], mean_of(ids_of("a b c e f g")), atol=1e-6)
    assert head_and_tail(list(range(9)), 4) == [0, 1, 7, 8]
    assert head_and_tail(list(range(9)), 5) == [0, 1, 2, 7, 8]
    assert head_and_tail([1, 2], 5) == [1, 2]


@pytest.mark.parametrize("threads", [1, 3])
def test_alone_and_in_a_batch_bit_for_bit(folder, threads):
    encoder = OnnxEncoder(folder, "onnx", threads=threads)
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(list("abcdefghij"), rng.integers(0, 12))) for _ in range(60)]
    together = encoder.encode(texts)
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(encoder.encode([text])[0], together[row])


@pytest.mark.parametrize("text", ["", "\0", "\ud800 a", "日本 🎉", "x" * 1_000_000])
def test_any_text_gives_a_finite_vector(folder, text):
    vector = load_encoder(f"onnx:{folder}").encode([text])[0]
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, [1]),
        ({"pooling_mode": "cls"}, [1]),
        ({"pooling_mode_mean_tokens": True}, [1, 3, 2]),
        ({"pooling_mode": "mean"}, [1, 3, 2]),
    ],
)
def test_pooling_as_the_model_says(folder, settings, rows):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    vector = load_encoder(f"onnx:{folder}").encode(["a"])[0]
    np.testing.assert_allclose(vector, mean_of(rows), atol=1e-6)


def test_a_graph_that_pools_by_itself_and_takes_segments(folder):
    write_model(
        folder / "model.onnx", inputs=("input_ids", "attention_mask", "token_type_ids"), pooled=True
    )
    vector = load_encoder(f"onnx:{folder}").encode(["a b"])[0]
    np.testing.assert_allclose(vector, mean_of([1, 3, 4, 2]), atol=1e-6)


def test_the_window_comes_from_the_first_file_that_says(folder):
    assert load_encoder(f"onnx:{folder}")._window == 8
    (folder / "sentence_bert_config.json").unlink()
    (folder / "config.json").write_text('{"max_position_embeddings": 6}')
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["truncation"]["max_length"] = 7
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert load_encoder(f"onnx:{folder}")._window == 7
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, "truncation": None}))
    assert load_encoder(f"onnx:{folder}")._window == 6


def test_the_hash_covers_what_determines_the_vectors(folder):
    hashes = {load_encoder(f"onnx:{folder}").hash}
    (folder / "notes.txt").write_text("of no matter")
    assert load_encoder(f"onnx:{folder}").hash in hashes
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 10}')
    hashes.add(load_encoder(f"onnx:{folder}").hash)
    write_model(folder / "model.onnx", table=TABLE + 1)
    hashes.add(load_encoder(f"onnx:{folder}").hash)
    assert len(hashes) == 3


def damage(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.onnx", b"not a model", "model.onnx: cannot be loaded"),
        ("model.onnx", b"", "model.onnx: cannot be loaded"),
        ("tokenizer.json", b"{}", "tokenizer.json: not a tokenizer"),
        ("tokenizer.json", b"\xff\xfe", "tokenizer.json: not a tokenizer"),
        ("sentence_bert_config.json", b"{", "sentence_bert_config.json: not JSON"),
        ("sentence_bert_config.json", b"[]", "must hold a JSON object"),
        ("sentence_bert_config.json", b'{"max_seq_length": 2}', "window of 2 tokens"),
        ("sentence_bert_config.json", b'{"max_seq_length": "8"}', "window of '8' tokens"),
        ("1_Pooling/config.json", b'{"pooling_mode_max_tokens": true}', "only mean and cls"),
        (
            "1_Pooling/config.json",
            b'{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}',
            "only mean and cls",
        ),
    ],
)
def test_a_damaged_file_is_named(folder, name, content, says):
    damage(folder, name, content)
    with pytest.raises(EncoderError, match=says):
        load_encoder(f"onnx:{folder}")


def test_what_does_not_fit_together_is_named(folder):
    write_model(folder / "model.onnx", inputs=("input_ids", "pixel_values"))
    with pytest.raises(EncoderError, match="takes input_ids, pixel_values"):
        load_encoder(f"onnx:{folder}")
    write_model(folder / "model.onnx", table=TABLE[:5])
    with pytest.raises(EncoderError, match="of one export"):
        load_encoder(f"onnx:{folder}").encode(["j"])
    write_model(folder / "model.onnx", table=np.full_like(TABLE, np.nan))
    with pytest.raises(EncoderError, match="not finite"):
        load_encoder(f"onnx:{folder}")
    for name in ("tokenizer.json", "model.onnx"):
        (folder / name).unlink()
        with pytest.raises(EncoderError, match=name):
            load_encoder(f"onnx:{folder}")


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as its client asks for: what a model holds, and its files."""

    commit = "0123456789abcdef0123456789abcdef01234567"
    files: dict[str, bytes]

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        path = self.path.split("?")[0]
        if path.startswith("/api/models/org/tiny/revision/"):
            siblings = [{"rfilename": name} for name in self.files]
            document = {"id": "org/tiny", "sha": self.commit, "siblings": siblings}
            self.give(json.dumps(document).encode(), {"content-type": "application/json"}, body)
        elif path == f"/api/models/org/tiny/tree/{self.commit}":
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                for name, content in self.files.items()
            ]
            self.give(json.dumps(entries).encode(), {"content-type": "application/json"}, body)
        elif (name := path.partition(f"/resolve/{self.commit}/")[2]) in self.files:
            content = self.files[name]
            etag = hashlib.sha256(content).hexdigest()
            self.give(content, {"etag": f'"{etag}"', "x-repo-commit": self.commit}, body)
        else:
            self.send_error(404)

    def give(self, content, headers, body):
        self.send_response(200)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    files = {
        "onnx/model.onnx": (folder / "model.onnx").read_bytes(),
        "tokenizer.json": (folder / "tokenizer.json").read_bytes(),
        "pytorch_model.bin": b"must not be fetched",
    }
    handler = type("TinyHub", (Hub,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield tmp_path / "cache"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("spec", ["org/tiny", "org/tiny@main"])
def test_a_hub_id_is_fetched_and_read(hub, spec):
    encoder = load_encoder(f"onnx:{spec}")
    assert encoder.name == f"onnx:{spec}"
    np.testing.assert_allclose(encoder.encode(["a b"])[0], mean_of([1, 3, 4, 2]), atol=1e-6)
    assert not list(hub.rglob("pytorch_model.bin"))


def test_a_hub_id_that_does_not_exist_is_named(hub):
    with pytest.raises(EncoderError, match="org/other: no such directory, and the hub"):
        load_encoder("onnx:org/other")


def test_neither_a_directory_nor_a_hub_id():
    with pytest.raises(EncoderError, match="neither a directory here nor a hub id"):
        load_encoder("onnx:/no/such/directory")
