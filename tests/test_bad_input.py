"""The clumsy and the hostile user: whatever is thrown at the command, one clear line and no loss."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import re
import shlex
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from routers import LetterEncoder, make_artifact

from onehead.artifact import load, save
from onehead.artifact.atomic import replacing
from onehead.cli import options
from onehead.cli.run import run
from onehead.errors import ArtifactError, UsageError, did_you_mean
from onehead.router import Router, bundled_path

HEADER = "prompt_id,prompt,task,model,quality,cost_usd\n"
GOOD = HEADER + "".join(
    f"p{i},question {i},t{i % 2},model-{j:02d},{(i + j) % 2},{1e-4 * (j + 1)}\n"
    for i in range(6)
    for j in range(4)
)


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of its own with a good table, and an encoder without files."""
    monkeypatch.setattr("onehead.router.router.load_encoder", lambda spec: LetterEncoder())
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "good.csv").write_text(GOOD, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one line that a command says when it refuses."""
    assert run(arguments) == code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert not out
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert "unexpected error" not in err
    assert "Traceback" not in err
    assert lines[0].isprintable()
    return lines[0]


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch pwned",)


def jsonl(prompt: object, **more: object) -> bytes:
    row = {"prompt": prompt, "model": "model-00", "quality": 1, "cost_usd": 0.1, **more}
    return (json.dumps(row) + "\n").encode()


GARBAGE = random.Random(0).randbytes(5000)
FILES: dict[str, tuple[str, bytes, str]] = {
    "empty csv": ("x.csv", b"", "the file is empty"),
    "empty jsonl": ("x.jsonl", b"", "the file is empty"),
    "empty parquet": ("x.parquet", b"", "no readable parquet file"),
    "empty pickle": ("x.pkl", b"", "the file is empty"),
    "header alone": ("x.csv", HEADER.encode(), "holds no rows"),
    "hostile pickle": ("x.pkl", pickle.dumps(Hostile()), "asks for posix.system"),
    "another pickle": ("x.pkl", pickle.dumps({"a": 1}), "not a DataFrame"),
    "cut pickle": ("x.pkl", pickle.dumps(list(range(999)))[:500], "no whole pickle"),
    "binary csv": ("x.csv", GARBAGE, "is not UTF-8: it is a binary file"),
    "binary jsonl": ("x.jsonl", GARBAGE, "is not UTF-8: it is a binary file"),
    "binary parquet": ("x.parquet", GARBAGE, "no readable parquet file"),
    "binary pickle": ("x.pkl", GARBAGE, "no whole pickle"),
    "utf-16": ("x.csv", GOOD.encode("utf-16"), "it is UTF-16"),
    "utf-16 unmarked": ("x.csv", GOOD.encode("utf-16-le"), "may be UTF-16"),
    "latin-1": ("x.csv", HEADER.encode() + b"p,caf\xe9,t,m,1,1\n", "byte 0xe9. Save it as UTF-8"),
    "semicolons": ("x.csv", GOOD.replace(",", ";").encode(), "5 × ';'. Separate"),
    "tabs": ("x.csv", GOOD.replace(",", "\t").encode(), "Separate the columns by commas"),
    "json array": ("x.json", b"[]", "name the file .jsonl"),
    "deep json": ("x.jsonl", b"[" * 99_999, "line 1: is no JSON"),
    "huge integer": ("x.jsonl", jsonl("a", cost_usd=0)[:-3] + b"9" * 5000 + b"}", "is no JSON"),
    "no columns": ("x.csv", b"a,b\n1,2\n", "Found: 'a', 'b'"),
    "no quality": ("x.csv", b"prompt,model,cost_usd\nq,m,1\n", "no column 'quality'"),
    "no model": ("x.csv", b"prompt,quality,cost_usd\nq,1,1\n", "no column 'model'"),
    "quality 2": ("x.jsonl", jsonl("a", quality=2), "2 is not between 0 and 1"),
    "quality -1": ("x.jsonl", jsonl("a", quality=-1), "-1 is not between 0 and 1"),
    "quality text": ("x.jsonl", jsonl("a", quality="85%"), "'85%' is not a number"),
    "quality list": ("x.jsonl", jsonl("a", quality=[1]), "[1] is not a number"),
    "cost -1": ("x.jsonl", jsonl("a", cost_usd=-1), "-1 is not a number from 0"),
    "cost inf": ("x.jsonl", jsonl("a", cost_usd=float("inf")), "inf is not a number from 0"),
    "cost beyond reason": ("x.jsonl", jsonl("a", cost_usd=1e308), "1e+308 is not a number from 0"),
    "cost unknown": ("x.jsonl", jsonl("a", cost_usd=None), "cost_usd is unknown"),
    "empty prompt": ("x.jsonl", jsonl(""), "the prompt is empty"),
    "blank prompt": ("x.jsonl", jsonl(" \n"), "the prompt is empty"),
    "no prompt": ("x.jsonl", jsonl(None), "the prompt is missing"),
    "number as prompt": ("x.jsonl", jsonl(5), "5 is no prompt"),
    "half a surrogate": ("x.jsonl", jsonl("a\ud800b"), "half of a surrogate pair"),
    "model steers": ("x.jsonl", jsonl("a", model="\x1b[31m"), "holds a control character"),
    "task steers": ("x.jsonl", jsonl("a", task="\x1b[31m"), "holds a control character"),
    "other models": ("x.jsonl", jsonl("a", model="other"), "share no model"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_table_that_cannot_be_taken(
    name: str, router_dir: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, content, says = FILES[name]
    Path(file).write_bytes(content)
    line = refused(capsys, "evaluate", "--router", str(router_dir), "--data", file, "--json")
    assert says in line
    assert file in line or name in ("other models", "cost unknown")
    assert not (place / "pwned").exists()


@pytest.mark.parametrize(
    "prompt",
    [
        "你好，世界？",
        "🤷🏽\u200d♀️🎉",
        "a\0b",
        "word " * 200_000,
        "\x1b[31mred\x07",
        "\u202e\ufeffx",
    ],
)
def test_odd_prompts_are_prompts(
    prompt: str, router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.jsonl").write_bytes(jsonl(prompt, model="model-01"))
    how = ["--router", str(router_dir), "--data", "x.jsonl", "--json"]
    assert run(["predict", *how, "--out", "x.parquet"]) == 0
    assert json.loads(capsys.readouterr().out)["n_rows"] == 4
    assert run(["evaluate", *how]) == 0  # one prompt, one model, no task
    assert json.loads(capsys.readouterr().out)["n_prompts"] == 1
    assert run(["route", prompt, "--router", str(router_dir), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) >= {"model", "reason", "estimates"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("route a --wtp 0", "positive, finite amount"),
        ("route a --wtp=-1", "positive, finite amount"),
        ("route a --wtp nan", "positive, finite amount"),
        ("route a --wtp inf", "positive, finite amount"),
        ("route a --wtp 1e400", "positive, finite amount"),
        ("route a --wtp cheep", "Did you mean 'cheap'?"),
        ("route a --wtp Balanced", "Did you mean 'balanced'?"),
        ("route a --wtp ''", "cheap, balanced, best"),
        ("route a --reward exponental", "Did you mean 'exponential'? See: onehead route --help"),
        ("route a --models model-1", "Did you mean 'model-01'?"),
        ("route a --models ''", "empty name"),
        ("route a --min-quality 2", "from 0 to 1"),
        ("route a --min-quality nan", "from 0 to 1"),
        ("route a --max-cost -1", "0 or more"),
        ("route a --max-cost 1e400", "0 or more"),
        ("route a --max-cost 0,01", "'0,01' is not a number, such as 0.01"),
        ("route a --max-cost 1e-12", "no model can be chosen: model-00 costs about"),
        ("route a --max-costs 1", "Did you mean '--max-cost'? See:"),
        ("route ' '", "the prompt is empty"),
        ("rout a", "Did you mean 'route'?"),
        ("route a --router ''", "the path is empty; is a variable not set?"),
        ("route a --router .", "it is no router"),
        ("route a --router good.csv", "is a file, not a directory"),
        ("models show model-1", "Did you mean 'model-01'?"),
        ("models remove model-00 --out ''", "the path is empty"),
        ("models remove model-00 --out good.csv", "is a file"),
        ("models remove model-00 --out .", "holds other files and no router"),
        ("models remove model-00 --out good.csv/x", "is a file. Give another"),
        ("predict --data '' --out x.parquet", "the path is empty"),
        ("predict --data good.csv --out ''", "the path is empty"),
        ("predict --data none.csv --out x.parquet", "no such file or folder"),
        ("predict --data http://a/b.csv --out x.parquet", "http://a/b.csv: addresses are not read"),
        ("predict --data hub:routerbnch --out x.parquet", "Did you mean 'hub:routerbench'?"),
        ("predict --data good.csv --out x.csv", "in .parquet"),
        ("predict --data good.csv --out none/x.parquet", "none does not exist"),
        ("evaluate --data good.csv --models model-1", "Did you mean 'model-01'?"),
        ("evaluate --data good.csv --report good.csv", "is a file"),
        ("evaluate --data good.csv --report good.csv/x", "is a file"),
        ("evaluate --data good.csv --report ''", "the path is empty"),
        ("train --data good.csv --out ''", "the path is empty"),
        ("train --data good.csv --out .", "holds other files and no router"),
        ("train --data good.csv --out r --seed 4294967296", "whole number from 0 to 4294967295"),
        ("train --data good.csv --out r --seed x", "'x' is not a whole number"),
        ("train --data good.csv --out r --recipe atention", "Did you mean 'attention'?"),
        ("train --data good.csv --out r --encoder statik", "Did you mean 'static'?"),
        ("train --data good.csv --out r --cost model-0=1", "Did you mean 'model-0"),
        ("train --data good.csv --out r --models model-1", "Did you mean 'model-01'?"),
    ],
)
def test_an_option_that_cannot_be_taken(
    arguments: str, says: str, router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(arguments)
    own = ["--router", str(router_dir)]
    if words[0] in ("predict", "evaluate", "models", "route") and "--router" not in words:
        words += own
    before = snapshot(router_dir)
    assert says in refused(capsys, *words)
    assert snapshot(router_dir) == before
    assert not Path("r").exists()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_target_is_tried_before_the_work(
    router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Permissions allow root to write there; the system does not."""
    own = ["--router", str(router_dir)]
    assert "/proc" in refused(capsys, "train", "--data", "none", "--out", "/proc/x")
    assert "/proc" in refused(capsys, "predict", *own, "--data", "none", "--out", "/proc/x.parquet")
    assert "/proc" in refused(capsys, "evaluate", *own, "--data", "none", "--report", "/proc/x")


def test_links(router_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--router", "link"]
    Path("link").symlink_to(router_dir)
    assert run(["models", "remove", "model-00", *own]) == 0
    assert Path("link").is_symlink()
    assert len(load(router_dir).manifest.pool) == 3
    Path("real.parquet").write_bytes(b"old")
    Path("link.parquet").symlink_to("real.parquet")
    assert run(["predict", *own, "--data", "good.csv", "--out", "link.parquet"]) == 0
    assert Path("link.parquet").is_symlink()
    assert Path("real.parquet").read_bytes() != b"old"
    capsys.readouterr()
    Path("nothing").symlink_to("nowhere")
    assert "link to nothing" in refused(capsys, "train", "--data", "x", "--out", "nothing")
    report = ["evaluate", *own, "--data", "good.csv", "--report", "nothing"]
    assert "link to nothing" in refused(capsys, *report)


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/below").mkdir(parents=True)
    shutil.copy("good.csv", "data")
    scan = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("below"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    line = refused(capsys, "train", "--data", "data", "--out", "r")
    assert "below: the folder cannot be read" in line


def test_no_home_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert options.cache_for("static") is None
    with pytest.raises(UsageError, match="set XDG_CACHE_HOME"):
        options.cache_for("onnx:some/model")


def test_flipped_bytes_of_the_bundled_router_are_found(tmp_path: Path) -> None:
    if not bundled_path().is_dir():
        pytest.skip("this checkout holds no bundled router")
    copy = tmp_path / "bundled"
    shutil.copytree(bundled_path(), copy)
    dice = random.Random(0)
    named = [path for path in sorted(copy.iterdir()) if path.suffix != ".md"]
    for round_ in range(60):
        path = named[round_ % len(named)]
        place = dice.randrange(path.stat().st_size)
        with path.open("r+b") as file:
            file.seek(place)
            (old,) = file.read(1)
            file.seek(place)
            file.write(bytes([old ^ dice.randrange(1, 256)]))
        with pytest.raises(ArtifactError, match=re.escape(str(copy))) as caught:
            load(copy)
        assert "\n" not in str(caught.value)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([old]))
    load(copy)


def test_writers_of_one_router_take_turns(tmp_path: Path) -> None:
    """Three save different routers again and again: what is on disk is whole at every moment."""
    target = tmp_path / "shared"
    save(make_artifact(), target)
    errors: list[BaseException] = []

    def write(seed: int) -> None:
        artifact = make_artifact(seed=seed)
        try:
            for turn in range(8):
                created = f"{seed}-{turn}"
                save(
                    replace(artifact, manifest=replace(artifact.manifest, created=created)), target
                )
        except BaseException as error:
            errors.append(error)
            raise

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        load(target)
    assert not errors
    load(target)
    assert len(list(target.iterdir())) == 3


def test_a_link_of_a_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_interrupt_is_one_line(
    wrapped: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where an extension that was loading has made an ImportError of it."""

    def stop(path: str) -> None:
        if wrapped:
            raise ImportError("initialization failed") from KeyboardInterrupt()
        raise KeyboardInterrupt

    monkeypatch.setattr("onehead.artifact.load", stop)
    line = refused(capsys, "models", "list", "--router", "x", code=130)
    assert line == "error: interrupted; nothing was left half-written."


def test_output_that_is_closed(
    router_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert run(["route", "a", "--router", str(router_dir)]) == 0
    assert not capsys.readouterr().err


def test_stdin_in_utf16_says_so(
    router_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("hi".encode("utf-16"))))
    assert "iconv -f UTF-16 -t UTF-8" in refused(capsys, "route", "-", "--router", str(router_dir))


def test_half_a_surrogate_in_python(router: Router) -> None:
    assert router.route("a\ud800b").model in router.pool.ids
    assert router.route([{"role": "user", "content": "\udfff"}]).model in router.pool.ids


def test_suggestions_are_near_or_none() -> None:
    assert did_you_mean("Cheep", ("cheap", "best")) == " Did you mean 'cheap'?"
    assert not did_you_mean("zebra", ("cheap", "best"))
    assert not did_you_mean("", ("cheap",))
