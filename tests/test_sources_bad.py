"""Bad input: one clear DataError that names the file, the place and the way out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from test_sources import WIDE_HEADER, write_csv, write_jsonl, write_long, write_parquet

from onehead.errors import DataError
from onehead.sources import read_outcomes, read_prompts

HEADER = ["prompt_id", "prompt", "model", "quality", "cost_usd"]
GOOD = ["1", "x", "m", "1", "0.1"]


def refused(paths, *says: str) -> None:
    paths = paths if isinstance(paths, list) else [paths]
    with pytest.raises(DataError) as caught:
        read_outcomes(paths)
    for part in (Path(paths[-1]).name, *says):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("quality", "1.2", "1.2 is not between 0 and 1"),
        ("quality", "-0.5", "-0.5 is not between 0 and 1"),
        ("quality", "good", "'good' is not a number"),
        ("quality", "inf", "inf is not between 0 and 1"),
        ("cost_usd", "-0.1", "-0.1 is not a number from 0 to 1e12"),
        ("cost_usd", "inf", "inf is not a number from 0 to 1e12"),
        ("cost_usd", "$5", "'$5' is not a number"),
        ("prompt", "", "the prompt is empty"),
        ("prompt", " \n ", "the prompt is empty"),
        ("prompt_id", "", "missing"),
        ("model", "", "missing"),
    ],
)
def test_bad_cells_are_named(tmp_path, column, value, says):
    bad = [value if name == column else cell for name, cell in zip(HEADER, GOOD, strict=True)]
    bad[0] = "" if column == "prompt_id" else "2"
    path = write_csv(tmp_path / "x.csv", HEADER, [GOOD, bad])
    refused(path, "row 2", repr(column), says)


def test_bad_cells_of_the_wide_layout(tmp_path):
    row = ["s1", "x", "t", "1", "0", "0.1", "0.2"]
    bad = ["s2", "y", "t", "7", "0", "0.1", "0.2"]
    refused(write_csv(tmp_path / "q.csv", WIDE_HEADER, [row, bad]), "row 2", "'m/1'", "7 is not")
    bad = ["s2", "y", "t", "1", "0", "0.1", "-1"]
    refused(write_csv(tmp_path / "c.csv", WIDE_HEADER, [row, bad]), "'m/2|total_cost'", "-1 is not")


def test_a_wrong_value_in_a_wide_table_without_costs(tmp_path):
    path = write_csv(tmp_path / "x.csv", ["prompt", "a"], [["x", "1"], ["y", "oops"]])
    refused(path, "row 2", "'a'", "'oops' is not a number")


def test_missing_columns_list_what_was_found_and_expected(tmp_path):
    refused(
        write_csv(tmp_path / "x.csv", ["question", "model"], [["x", "m"]]),
        "'question', 'model'",
        "Expected",
    )
    refused(write_csv(tmp_path / "y.csv", ["prompt"], [["x"]]), "Found: 'prompt'")
    refused(write_csv(tmp_path / "z.csv", ["prompt", "answer"], [["x", "y"]]), "'answer'")
    refused(write_jsonl(tmp_path / "x.jsonl", [{"quality": 1}]), "'quality'")
    with pytest.raises(DataError, match=r"no column 'prompt'. Found: 'question'"):
        read_prompts(write_csv(tmp_path / "p.csv", ["question"], [["x"]]))


def test_duplicate_columns(tmp_path):
    refused(
        write_csv(tmp_path / "x.csv", ["prompt", "a", "a"], [["x", 1, 0]]),
        "several columns are named 'a'",
    )


def test_contradicting_rows(tmp_path):
    again = [*GOOD[:3], "0", "0.1"]
    refused(write_csv(tmp_path / "q.csv", HEADER, [GOOD, again]), "row 2", "0, but 1 in row 1")
    again = [*GOOD[:4], "0.2"]
    refused(write_csv(tmp_path / "c.csv", HEADER, [GOOD, again]), "'cost_usd'", "0.2, but 0.1")
    other_text = ["1", "y", "n", "1", "0.1"]
    refused(write_csv(tmp_path / "t.csv", HEADER, [GOOD, other_text]), "row 2", "another text")
    row = ["s1", "x", "t", "1", "0", "0.1", "0.2"]
    wide = [row, ["s1", "x", "t", "0", "0", "0.1", "0.2"]]
    refused(write_csv(tmp_path / "w.csv", WIDE_HEADER, wide), "'m/1'", "in row 2", "same id 's1'")
    wide = [row, ["s1", "x", "t", "1", "0", "0.1", "0.3"]]
    refused(write_csv(tmp_path / "v.csv", WIDE_HEADER, wide), "'m/2|total_cost'")
    wide = [row, ["s1", "x", "u", "1", "0", "0.1", "0.2"]]
    refused(write_csv(tmp_path / "u.csv", WIDE_HEADER, wide), "'eval_name'", "another task")


def test_two_files_that_contradict_are_both_named(tmp_path):
    one = write_csv(tmp_path / "one.csv", HEADER, [GOOD])
    two = write_csv(tmp_path / "two.csv", HEADER, [[*GOOD[:3], "0", "0.1"]])
    refused([one, two], "one.csv", "quality of model 'm' on prompt '1'")


def test_no_quality_at_all(tmp_path):
    refused(write_csv(tmp_path / "x.csv", HEADER, [[*GOOD[:3], "", ""]]), "no quality is known")
    empty = ["s1", "x", "t", "", "", "0.1", "0.2"]
    refused(write_csv(tmp_path / "w.csv", WIDE_HEADER, [empty]), "no quality is known")


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet", "x.pkl", "x.txt"])
def test_empty_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=name):
        read_prompts(tmp_path / name)


def test_tables_without_rows(tmp_path):
    refused(write_csv(tmp_path / "x.csv", HEADER, []), "holds no rows")
    refused(write_csv(tmp_path / "w.csv", WIDE_HEADER, []), "holds no rows")
    refused(write_parquet(tmp_path / "x.parquet", {name: [] for name in HEADER}), "holds no rows")
    (tmp_path / "x.txt").write_text("\n\n")
    with pytest.raises(DataError, match="holds no rows"):
        read_prompts(tmp_path / "x.txt")


def test_unknown_formats_folders_and_unreadable_files(tmp_path):
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    refused(tmp_path / "x.xlsx", "format .xlsx is not known", ".parquet")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no file in")
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "holds no file in")


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.txt"])
def test_not_utf8(tmp_path, name):
    (tmp_path / name).write_bytes("prompt,model,quality\nGrüße,m,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=f"{name}: is not UTF-8: byte 0xfc"):
        read_prompts(tmp_path / name)


def test_half_a_surrogate_pair(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"prompt": "a\\ud800", "model": "m", "quality": 1}\n')
    refused(path, "line 1", "surrogate")


def test_broken_jsonl(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"prompt": "x", "model": "m", "quality": 1}\n\n{"prompt": "y", "mod')
    refused(path, "line 3", "is no JSON")
    path.write_text("[1, 2]\n")
    refused(path, "line 1", "[1, 2]")
    path.write_text("[" * 100_000)
    refused(path, "line 1", "is no JSON")
    refused(write_jsonl(path, [{"prompt": {"a": 1}, "model": "m", "quality": 1}]), "is no prompt")
    bad_role = [{"role": 7, "content": "x"}]
    refused(write_jsonl(path, [{"prompt": bad_role, "model": "m", "quality": 1}]), "line 1")
    refused(write_jsonl(path, [{"prompt": "x", "model": ["m"], "quality": 1}]), "neither text nor")


def test_broken_csv(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('prompt,model,quality\n"never closed,m,1\n')
    refused(path, "is no whole CSV file")
    path.write_text("prompt,model,quality\nx,m\n")
    refused(path, "row 1", "has 2 fields, the header 3")


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_files_cut_short_or_damaged_are_read_or_refused_cleanly(tmp_path, name):
    whole = write_long(tmp_path / name).read_bytes()
    chance = random.Random(0)
    path = tmp_path / f"damaged-{name}"
    for _ in range(60):
        damaged = bytearray(whole[: chance.randrange(len(whole))])
        if damaged:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            read_outcomes([path])
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017


def test_a_table_that_would_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("onehead.sources.frame.MOST_CELLS", 3)
    rows = [[str(i), f"x{i}", f"m{i}", "1", ""] for i in range(2)]
    refused(write_csv(tmp_path / "x.csv", HEADER, rows), "2 prompts × 2 models")
