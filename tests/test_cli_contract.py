"""What scripts and newcomers rely on: the keys of JSON documents, and examples that run."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import click
import pytest
from routers import LetterEncoder

from onehead.cli.models_import import import_models
from onehead.cli.run import cli, run
from onehead.router import bundled_path

OUTCOMES = "prompt,model,quality,cost_usd\n" + "".join(
    f"question {i},model-{j:02d},{(i + j) % 2},{1e-4 * (j + 1)}\n"
    for i in range(6)
    for j in range(4)
)
ROUTE_KEYS = {"model", "willingness_to_pay", "reward", "confidence", "reason", "estimates"}
ESTIMATE_KEYS = {"model", "quality", "cost_usd", "reward", "eligible", "why_not"}
EVALUATE_KEYS = {
    "n_prompts": None,
    "n_models": None,
    "reward": None,
    "aiq": None,
    "aiq_ci": None,
    "aiq_upstream": None,
    "max_quality": None,
    "max_quality_ci": None,
    "cost_to_match_best": None,
    "lambda_sensitivity": {"quality_max", "quality_mean", "cost_max", "cost_mean"},
    "quality": {"brier", "ece", "auc"},
    "cost": {"log_rmse", "spearman"},
    "controls": {
        "cheapest",
        "best_single",
        "zero_router",
        "shuffled",
        "true_task_label",
        "oracle",
    },
    "by_task": None,
    "curve": None,
}


def test_json_has_what_was_promised(
    router_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Removing one of these names breaks scripts elsewhere."""
    monkeypatch.setattr("onehead.router.router.load_encoder", lambda spec: LetterEncoder())
    data = router_dir.parent / "outcomes.csv"
    data.write_text(OUTCOMES, "utf-8")
    assert run(["route", "a", "--router", str(router_dir), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) >= ROUTE_KEYS
    assert all(set(estimate) >= ESTIMATE_KEYS for estimate in document["estimates"])
    assert run(["evaluate", "--router", str(router_dir), "--data", str(data), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) >= set(EVALUATE_KEYS)
    for name, keys in EVALUATE_KEYS.items():
        if keys is not None:
            assert set(document[name]) >= keys, name
    assert all(set(one) >= {"aiq", "max_quality"} for one in document["controls"].values())
    point = {"willingness_to_pay", "cost_usd", "quality"}
    assert all(set(one) >= point for one in document["curve"])
    assert [len(document[name]) for name in ("aiq_ci", "max_quality_ci")] == [2, 2]


def examples(command: click.Command, path: tuple[str, ...] = ()) -> list[str]:
    """The worked example in the help of every command."""
    found = [(command.epilog or "").partition("Example:\n")[2].strip()]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += examples(below, (*path, name))
    return found


@pytest.mark.parametrize("example", sorted(set(examples(cli))))
def test_examples_of_the_help_run(
    example: str,
    monkeypatch: pytest.MonkeyPatch,
    router_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the real bundled router; training, drawing and serving are tested elsewhere."""
    if not bundled_path().is_dir():
        pytest.skip("this checkout holds no bundled router")
    monkeypatch.chdir(router_dir.parent)
    shutil.copytree(Path(__file__).parents[1] / "examples", "examples")
    words = shlex.split(example)[1:]
    if words[0] in ("train", "evaluate", "serve"):
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        assert command.make_context(words[0], words[1:])
        return
    if words[0] in ("log", "feedback", "report"):  # need a log or a gateway; their tests have both
        command = cli.get_command(click.Context(cli), words[0])
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words[1])
        assert command is not None
        assert command.make_context(words[0], words[1 if words[0] == "feedback" else 2 :])
        return
    if words[:2] == [
        "models",
        "import",
    ]:  # asks an upstream; test_cli_models_import.py pretends one
        import_models.make_context("import", words[2:])
        return
    assert run(words) == 0
    changes = words[0] == "predict" or words[:2] in (["models", "remove"], ["models", "add"])
    said = capsys.readouterr()
    assert said.err if changes else said.out
