"""`onehead predict`, `evaluate` and `train`: tables in; estimates, figures and routers out."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pyarrow import parquet
from routers import LetterEncoder, make_artifact

from onehead.artifact import load, save
from onehead.cli import estimating, options
from onehead.cli.run import run
from onehead.errors import UsageError
from onehead.sources import read_outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.router import Router

N = 30
MODELS = [f"model-{j:02d}" for j in range(4)]
PROMPTS = [f"prompt {i} {'abcdefghij'[i % 10] * (1 + i)}" for i in range(N)]


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("onehead.router.router.load_encoder", lambda spec: LetterEncoder())
    monkeypatch.setattr(options, "cache_directory", lambda: tmp_path / "cache")
    monkeypatch.setenv("COLUMNS", "80")


def write(path: Path, header: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    """A long table with outcomes of the router's models and of one that it does not know."""
    rng = np.random.default_rng(0)
    rows = [
        [f"p{i}", PROMPTS[i], f"task-{i % 2}", name, round(rng.random(), 3), 1e-4 * (j + 1)]
        for i in range(N)
        for j, name in enumerate([*MODELS, "stranger"])
    ]
    header = ["prompt_id", "prompt", "task", "model", "quality", "cost_usd"]
    return write(tmp_path / "outcomes.csv", header, rows)


def test_predict_writes_every_prompt_and_model(
    router: Router,
    router_dir: Path,
    outcomes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(estimating, "PIECE", 7)
    out = tmp_path / "estimates.parquet"
    place = ["--router", str(router_dir), "--out", str(out), "--json"]
    assert run(["predict", *place, "--data", str(outcomes)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "out": str(out),
        "n_prompts": N,
        "n_models": 4,
        "n_rows": 4 * N,
    }
    table = parquet.read_table(out).to_pydict()
    assert list(table) == ["prompt_id", "model", "quality", "cost_usd"]
    keys = list(zip(table["prompt_id"], table["model"], strict=True))
    assert keys == [(f"p{i}", name) for i in range(N) for name in MODELS]
    estimates = router.estimate(PROMPTS)
    assert np.array_equal(np.reshape(table["quality"], (N, 4)), estimates.quality)
    assert np.array_equal(np.reshape(table["cost_usd"], (N, 4)), estimates.cost_usd)


def test_predict_never_reads_outcomes(router_dir: Path, outcomes: Path, tmp_path: Path) -> None:
    """The same estimates with other outcomes, with none, and with ones that cannot be read."""
    rows = [[f"p{i}", PROMPTS[i]] for i in range(N)]
    bare = write(tmp_path / "bare.csv", ["prompt_id", "prompt"], rows)
    text = outcomes.read_text("utf-8").replace("0.", "nonsense")
    broken = tmp_path / "broken.csv"
    broken.write_text(text, "utf-8")
    tables = []
    for data in (outcomes, bare, broken):
        out = tmp_path / f"{data.stem}.parquet"
        where = ["--router", str(router_dir), "--data", str(data), "--out", str(out)]
        assert run(["predict", *where]) == 0
        tables.append(parquet.read_table(out))
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("x.csv", "in .parquet"),
        ("missing/x.parquet", "does not exist"),
        ("d.parquet", "is a directory"),
    ],
)
def test_predict_refuses_a_bad_target_first(
    out: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d.parquet").mkdir()
    where = ["--router", "/none", "--data", "/none", "--out", str(tmp_path / out)]
    assert run(["predict", *where]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_old_file_survives_a_predict_that_stops(
    error: BaseException,
    router_dir: Path,
    outcomes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "estimates.parquet"
    out.write_bytes(b"old")

    def stop(self: object, *arguments: object) -> None:
        raise error

    monkeypatch.setattr(parquet.ParquetWriter, "write_table", stop)
    where = ["--router", str(router_dir), "--data", str(outcomes), "--out", str(out)]
    assert run(["predict", *where]) == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert out.read_bytes() == b"old"
    assert len(list(tmp_path.glob(".estimates*"))) == 0


def evaluate(router_dir: Path, outcomes: Path, *more: str) -> list[str]:
    return ["evaluate", "--router", str(router_dir), "--data", str(outcomes), *more]


def test_evaluate_gives_the_contracts_figures(
    router_dir: Path, outcomes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(evaluate(router_dir, outcomes, "--json")) == 0
    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert (figures["n_prompts"], figures["n_models"]) == (N, 4)
    named = "reward aiq aiq_upstream max_quality cost_to_match_best lambda_sensitivity quality cost"
    assert set(f"{named} controls by_task curve aiq_ci".split()) <= set(figures)
    assert "not in the router, so left out: stranger" in err


def test_evaluate_takes_costs_that_the_data_lacks(
    router_dir: Path, outcomes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line.rpartition(",")[0] for line in outcomes.read_text("utf-8").splitlines()]
    data = tmp_path / "free.csv"
    data.write_text("\n".join(lines), "utf-8")
    assert run(evaluate(router_dir, data)) == 2
    assert "--cost MODEL=USD" in capsys.readouterr().err
    costs = [f"--cost={name}={1e-4 * (j + 1)}" for j, name in enumerate(MODELS)]
    assert run(evaluate(router_dir, data, "--json", *costs)) == 0
    given = json.loads(capsys.readouterr().out)
    assert run(evaluate(router_dir, outcomes, "--json")) == 0
    assert given == json.loads(capsys.readouterr().out)
    assert run(evaluate(router_dir, outcomes, *costs)) == 2
    assert "the data holds costs of 'model-00'" in capsys.readouterr().err
    assert run(evaluate(router_dir, data, "--cost=modle-00=1")) == 2
    assert "Did you mean 'model-00'?" in capsys.readouterr().err


def test_evaluate_takes_some_models_and_another_reward(
    router_dir: Path, outcomes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ["--models", "model-03,model-01", "--reward", "linear", "--json"]
    assert run(evaluate(router_dir, outcomes, *some)) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in figures["models"]] == ["model-01", "model-03"]
    assert figures["reward"] == "linear"
    assert run(evaluate(router_dir, outcomes, "--models", "stranger")) == 2
    assert "stranger not in both" in capsys.readouterr().err


def test_evaluate_shows_tables_in_80_columns(
    router_dir: Path, outcomes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(evaluate(router_dir, outcomes)) == 0
    out = capsys.readouterr().out
    assert all(words in out for words in ("AIQ", "zero router", "oracle", "task-1"))
    assert max(map(len, out.splitlines())) <= 80


def test_evaluate_without_a_common_model_says_whose_are_whose(
    router_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [[f"p{i}", PROMPTS[i], "other", 1, 1e-4] for i in range(3)]
    header = ["prompt_id", "prompt", "model", "quality", "cost_usd"]
    data = write(tmp_path / "other.csv", header, rows)
    assert run(evaluate(router_dir, data, "--json")) == 2
    out, err = capsys.readouterr()
    assert "share no model. The router's: model-00" in err
    assert "The data's: other." in err
    assert not out


def test_slow_encoders_are_cached_and_the_static_one_is_not(tmp_path: Path) -> None:
    assert options.cache_for("static") is None
    assert options.cache_for("static:/some/dir") is None
    cache = options.cache_for("onnx:some/model")
    assert cache is not None
    assert cache.directory == tmp_path / "cache"


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A stand-in for training: remembers what it is told, and gives the tiny router."""
    calls: list[dict[str, Any]] = []

    def train(table: Any, **how: Any) -> Any:
        if how["recipe"] == "magic":
            raise UsageError("recipe 'magic' is unknown.")
        calls.append({"table": table, **how})
        how["progress"]("training", 1, 2)
        return make_artifact(m=table.n_models)

    module = ModuleType("onehead.training")
    module.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onehead.training", module)
    return calls


def test_train_writes_a_router(
    training: list[dict[str, Any]],
    outcomes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "routers" / "mine"
    how = ["--recipe", "knn", "--seed", "7", "--models", "model-02,model-00", "--json"]
    how += ["--cost", "model-02=0.5", "--cost", "a=b=$2"]
    assert run(["train", "--data", str(outcomes), "--out", str(out), *how]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["router"], document["n_prompts"]) == (str(out), N)
    assert training[0]["table"].models == ("model-02", "model-00")
    assert training[0]["costs"] == {"model-02": 0.5, "a=b": 2.0}
    assert (training[0]["recipe"], training[0]["seed"]) == ("knn", 7)
    assert len(load(out).manifest.pool) == 2
    assert run(["train", "--data", str(outcomes), "--out", str(out)]) == 0
    assert "5 models, 30 prompts" in capsys.readouterr().out
    assert len(load(out).manifest.pool) == 5


def test_train_leaves_out_a_model_without_any_quality(
    training: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = ["sample_id", "prompt", "eval_name", "a", "a|total_cost", "b|total_cost"]
    data = write(tmp_path / "w.csv", header, [[i, f"prompt {i}", "t", 1, 0.1, 0.2] for i in "xyz"])
    out = ["--out", str(tmp_path / "r"), "--json"]
    assert run(["train", "--data", str(data), *out]) == 0
    printed, err = capsys.readouterr()
    assert json.loads(printed)["n_prompts"] == 3
    assert err == "note: no quality is known of b, so left out\n"
    assert training[0]["table"].models == ("a",)
    assert run(["train", "--data", str(data), *out, "--models", "a,b"]) == 0
    assert training[1]["table"].models == ("a", "b")  # asked for by name: training refuses it


def test_train_refuses_before_it_works(
    training: list[dict[str, Any]],
    outcomes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = ["--data", str(outcomes)]
    assert run(["train", *data, "--out", str(tmp_path)]) == 2
    assert "holds other files and no router" in capsys.readouterr().err
    assert run(["train", *data, "--out", str(outcomes)]) == 2
    assert "is a file" in capsys.readouterr().err
    assert run(["train", *data, "--out", str(tmp_path / "r"), "--recipe", "magic"]) == 2
    assert run(["train", *data, "--out", str(tmp_path / "r"), "--models", "gpt-9"]) == 2
    assert not training
    assert not (tmp_path / "r").exists()


def test_evaluate_says_what_it_leaves_out_and_what_flatters(
    router: Router,
    router_dir: Path,
    outcomes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = outcomes.read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("p3,") or "model-01" not in line]
    data = tmp_path / "gaps.csv"
    data.write_text("\n".join(line for line in kept if "model-03" not in line), "utf-8")
    table = read_outcomes([data])
    artifact = make_artifact()
    trained = replace(artifact.manifest, data_hash=table.content_hash())
    save(replace(artifact, manifest=trained), router_dir)
    assert run(evaluate(router_dir, data)) == 0
    err = capsys.readouterr().err
    assert "trained on these very outcomes" in err
    assert "not in the data, so left out: model-03" in err
    assert "prompts that lack an outcome or a cost, so left out: 1\n" in err


def test_evaluate_writes_a_report(
    router_dir: Path,
    outcomes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen = []

    def write_report(directory: str, evaluation: Any) -> str:
        seen.append(evaluation.n_prompts)
        return f"{directory}/index.html"

    monkeypatch.setattr("onehead.report.write_report", write_report)
    assert run(evaluate(router_dir, outcomes, "--report", "there", "--json")) == 0
    out, err = capsys.readouterr()
    assert seen == [json.loads(out)["n_prompts"]]
    assert "report: there/index.html" in err


def test_predict_without_parquet_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = str(tmp_path / "x.parquet")
    assert run(["predict", "--router", "/none", "--data", "/none", "--out", out]) == 2
    assert "pip install 'onehead[data]'" in capsys.readouterr().err
