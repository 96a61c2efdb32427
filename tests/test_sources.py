"""Readers: every accepted format and layout becomes the same table."""

from __future__ import annotations

import csv
import json
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from onehead.errors import DataError, MissingExtraError, UsageError
from onehead.messages import MAX_CHARS, routing_text
from onehead.sources import read_outcomes, read_prompts

NAN = np.nan
LONG = [
    {"prompt_id": "q1", "prompt": "Why?", "task": "t", "model": "b", "quality": 1, "cost_usd": 0.2},
    {"prompt_id": "q1", "prompt": "Why?", "task": "t", "model": "a", "quality": 0, "cost_usd": 0.1},
    {"prompt_id": "q2", "prompt": "Wie?\n🎉", "task": "u", "model": "a", "quality": 0.5},
]
WIDE_HEADER = ["sample_id", "prompt", "eval_name", "m/1", "m/2", "m/1|total_cost", "m/2|total_cost"]


def write_csv(path: Path, header, rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, columns) -> Path:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table(columns), path)
    return path


def write_long(path: Path) -> Path:
    names = ["prompt_id", "prompt", "task", "model", "quality", "cost_usd"]
    if path.suffix == ".jsonl":
        return write_jsonl(path, LONG)
    if path.suffix == ".csv":
        return write_csv(path, names, [[row.get(name, "") for name in names] for row in LONG])
    return write_parquet(path, {name: [row.get(name) for row in LONG] for name in names})


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_long_layout_in_every_format(tmp_path, name):
    outcomes = read_outcomes([write_long(tmp_path / name)])
    assert outcomes.prompt_ids == ("q1", "q2")
    assert outcomes.prompts == ("Why?", "Wie?\n🎉")
    assert outcomes.tasks == ("t", "u")
    assert outcomes.models == ("a", "b")
    np.testing.assert_array_equal(outcomes.quality, [[0, 1], [0.5, NAN]])
    np.testing.assert_array_equal(outcomes.cost_usd, [[0.1, 0.2], [NAN, NAN]])
    assert np.isnan(outcomes.input_tokens).all()


def test_several_files_and_a_folder_are_one_table(tmp_path):
    for name in ("a.csv", "b.jsonl", "deep/c.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_long(tmp_path / name)
    (tmp_path / "README.txt").write_text("not prompts")
    (tmp_path / ".hidden.csv").write_text("broken")
    alone = read_outcomes([tmp_path / "a.csv"])
    assert read_outcomes([tmp_path]).content_hash() == alone.content_hash()
    both = read_outcomes([str(tmp_path / "b.jsonl"), tmp_path / "a.csv"])
    assert both.content_hash() == alone.content_hash()


def test_token_counts_are_read(tmp_path):
    row = {"prompt": "x", "model": "m", "quality": 1, "input_tokens": 7, "output_tokens": 9.0}
    outcomes = read_outcomes([write_jsonl(tmp_path / "x.jsonl", [row])])
    assert (outcomes.input_tokens[0, 0], outcomes.output_tokens[0, 0]) == (7, 9)
    assert outcomes.quality.shape == (1, 1)


def test_without_an_id_the_text_is_the_id(tmp_path):
    rows = [{"prompt": p, "model": m, "quality": 1} for p in ("x", "y") for m in ("a", "b")]
    outcomes = read_outcomes([write_jsonl(tmp_path / "x.jsonl", rows)])
    assert outcomes.n_prompts == 2
    assert outcomes.prompt_ids[0].startswith("text-2d711642b726b044")  # sha256 of "x"
    assert outcomes.observed.all()


def test_long_rows_of_one_run_complete_each_other(tmp_path):
    rows = [
        {"prompt_id": 1, "prompt": "x", "model": "m", "quality": 1},
        {"prompt_id": 1, "prompt": "x", "model": "m", "quality": 1, "cost_usd": 0.5},
        {"prompt_id": 1, "prompt": "x", "model": "m", "quality": None},
    ]
    outcomes = read_outcomes([write_jsonl(tmp_path / "x.jsonl", rows)])
    assert (outcomes.quality[0, 0], outcomes.cost_usd[0, 0]) == (1, 0.5)


def test_a_task_that_one_row_leaves_open_is_known_from_another(tmp_path):
    rows = [["q", "Why?", "", "a", "1"], ["q", "Why?", "t", "b", "0"], ["q", "Why?", "", "c", "0"]]
    header = ["prompt_id", "prompt", "task", "model", "quality"]
    outcomes = read_outcomes([write_csv(tmp_path / "x.csv", header, rows)])
    assert outcomes.tasks == ("t",)
    assert read_prompts(tmp_path / "x.csv").tasks == ("t",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False], [1, 0]),
        ([1, 0], [1, 0]),
        (["1", " 0.25 "], [1, 0.25]),
        (["True", "false"], [1, 0]),
        ([Decimal("0.5"), None], [0.5, NAN]),
        ([0.5, NAN], [0.5, NAN]),
        (["1", "n/a"], [1, NAN]),
    ],
)
def test_numbers_of_any_type(tmp_path, values, expected):
    columns = {"prompt_id": [1, 2], "prompt": ["x", "y"], "model": ["m", "m"], "quality": values}
    outcomes = read_outcomes([write_parquet(tmp_path / "x.parquet", columns)])
    np.testing.assert_array_equal(outcomes.quality[:, 0], expected)
    assert outcomes.prompt_ids == ("1", "2")


def test_parquet_types_of_text(tmp_path):
    pa = pytest.importorskip("pyarrow")
    columns = {
        "prompt_id": pa.array([1.0, 2.0]),
        "prompt": pa.array(["x", "y"], pa.large_string()),
        "task": pa.chunked_array([pa.array(["t"]), pa.array([None], pa.string())]),
        "model": pa.array(["m", "m"]).dictionary_encode(),
        "quality": pa.array([1, 0], pa.int8()),
    }
    outcomes = read_outcomes([write_parquet(tmp_path / "x.parquet", columns)])
    assert outcomes.prompt_ids == ("1", "2")
    assert outcomes.tasks == ("t", "")
    assert outcomes.models == ("m",)


def test_csv_with_a_mark_quoted_newlines_and_a_long_field(tmp_path):
    text = "a" * 300_000
    path = tmp_path / "x.csv"
    path.write_text(
        f'\ufeffprompt,model,quality\r\n"two\r\nlines, ""quoted""",m,1\r\n\r\n{text},m,0\r\n',
        encoding="utf-8",
        newline="",
    )
    limit = csv.field_size_limit()
    outcomes = read_outcomes([path])
    assert outcomes.prompts[0] == 'two\r\nlines, "quoted"'
    assert len(outcomes.prompts[1]) <= MAX_CHARS
    assert csv.field_size_limit() == limit


def test_wide_layout(tmp_path):
    rows = [
        ["s1", "['Was?']", "chinese_zodiac", 1, 0, 0.001, 0.002],
        ["s2", "['Turn 1', 'Turn 2']", "mtbench", 0.5, "", 0.003, 0.004],
    ]
    outcomes = read_outcomes([write_csv(tmp_path / "x.csv", WIDE_HEADER, rows)])
    assert outcomes.prompts == ("Was?", "Turn 1\nTurn 2")
    assert outcomes.tasks == ("chinese_zodiac", "mtbench")
    assert outcomes.models == ("m/1", "m/2")
    np.testing.assert_array_equal(outcomes.quality, [[1, 0], [0.5, NAN]])
    np.testing.assert_array_equal(outcomes.cost_usd, [[0.001, 0.002], [0.003, 0.004]])


def test_wide_halves_are_merged_and_a_prompt_listed_twice_is_one(tmp_path):
    rows = [
        ["s1", "['Was?']", "t", 1, "", 0.001, 0.002],
        ["s1", "['Was?', 'Was?']", "t", "", 0, 0.002, 0.004],
    ]
    path = write_csv(tmp_path / "x.csv", WIDE_HEADER, rows)
    outcomes = read_outcomes([path])
    assert outcomes.prompts == ("Was?",)
    assert outcomes.quality.tolist() == [[1, 0]]
    assert outcomes.cost_usd.tolist() == [[0.001, 0.002]]
    assert read_prompts(path).prompts == outcomes.prompts


def test_wide_with_columns_missing_reordered_and_added(tmp_path):
    header = ["b|total_cost", "b", "oracle_model_to_route_to", "note", "turns", "a", "prompt"]
    rows = [["0.1", "", "a", "text", "7", "1", "x"], ["0.2", "", "a", "text", "2", "0", "y"]]
    outcomes = read_outcomes([write_csv(tmp_path / "x.csv", header, rows)])
    assert outcomes.models == ("a", "b")  # `turns` is a number, but no quality
    np.testing.assert_array_equal(outcomes.quality, [[1, NAN], [0, NAN]])
    np.testing.assert_array_equal(outcomes.cost_usd, [[NAN, 0.1], [NAN, 0.2]])
    assert outcomes.tasks == ("", "")


def test_wide_without_any_cost_or_response(tmp_path):
    header = ["Unnamed: 0", "sample_id", "prompt", "eval_name", "a", "b", "comment"]
    rows = [[0, "1", "x", "t", 1, 0, "fine"], [1, "2", "y", "t", 0, "", ""]]
    outcomes = read_outcomes([write_csv(tmp_path / "x.csv", header, rows)])
    assert outcomes.models == ("a", "b")
    assert np.isnan(outcomes.cost_usd).all()


def test_prompts_alone_in_every_format(tmp_path):
    write_csv(tmp_path / "x.csv", ["prompt_id", "prompt"], [["1", "x"], ["2", "y"]])
    write_jsonl(
        tmp_path / "x.jsonl", [{"prompt_id": 1, "prompt": "x"}, {"prompt_id": 2, "prompt": "y"}]
    )
    write_parquet(tmp_path / "x.parquet", {"prompt_id": [1, 2], "prompt": ["x", "y"]})
    for name in ("x.csv", "x.jsonl", "x.parquet"):
        prompts = read_prompts(tmp_path / name)
        assert prompts.prompt_ids == ("1", "2")
        assert prompts.prompts == ("x", "y")
        assert prompts.tasks == ("", "")
    (tmp_path / "x.txt").write_text("x\n\ny\n", encoding="utf-8")
    assert read_prompts(tmp_path / "x.txt").prompts == ("x", "y")


def test_read_prompts_never_reads_outcomes(tmp_path):
    path = write_csv(
        tmp_path / "x.csv", ["prompt_id", "prompt", "model", "quality"], [["1", "x", "", "garbage"]]
    )
    assert read_prompts(path).prompts == ("x",)


def test_messages_become_routing_text(tmp_path):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    rows = [
        {"prompt": messages, "model": "m", "quality": 1},
        {"prompt": ["one", "two"], "model": "m", "quality": 1},
    ]
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    assert read_outcomes([path]).prompts == (routing_text(messages), "one\ntwo")
    parquet = write_parquet(
        tmp_path / "x.parquet", {"messages": [messages], "model": ["m"], "quality": [1]}
    )
    assert read_outcomes([parquet]).prompts == (routing_text(messages),)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "['open", "['a', 1]", "[]", "[x]", "['\\d{2}'] is a pattern", "[" * 5000]
)
def test_text_that_only_looks_like_a_list_is_text(tmp_path, text):
    path = write_jsonl(tmp_path / "x.jsonl", [{"prompt": text, "model": "m", "quality": 1}])
    assert read_outcomes([path]).prompts == (text,)


def test_any_script_and_any_length(tmp_path):
    texts = ["什么？", "مرحبا", "👩‍👩‍👧", "e\u0301", "a\x00b", "x" * 1_000_000, "['\\\\d']"]
    rows = [{"prompt": text, "model": "m", "quality": 1} for text in texts]
    outcomes = read_outcomes([write_jsonl(tmp_path / "x.jsonl", rows)])
    assert outcomes.prompts[:5] == tuple(texts[:5])
    assert len(outcomes.prompts[5]) <= MAX_CHARS
    assert outcomes.prompts[6] == "\\d"


def test_order_of_models_and_prompts_does_not_depend_on_the_format(tmp_path):
    hashes = {
        read_outcomes([write_long(tmp_path / name)]).content_hash()
        for name in ("x.csv", "x.jsonl", "x.parquet")
    }
    assert len(hashes) == 1


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = write_long(tmp_path / "x.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"onehead\[data\]"):
        read_outcomes([path])


def test_usage(tmp_path):
    with pytest.raises(UsageError, match="list of at least one"):
        read_outcomes([])
    with pytest.raises(UsageError, match="list of at least one"):
        read_outcomes("x.csv")
    with pytest.raises(DataError, match="no such file or folder"):
        read_outcomes([tmp_path / "absent.csv"])


def real_data(name: str) -> Path:
    root = Path(os.environ.get("ONEHEAD_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / name).exists():
        pytest.skip(f"the real table {name} is not at hand; set ONEHEAD_DATA to its folder")
    return root / name


def test_real_routerbench_is_the_same_from_both_formats():
    folder = real_data("routerbench")
    outcomes = read_outcomes([folder])
    assert outcomes.n_models == 11
    assert len(set(outcomes.prompt_ids)) == outcomes.n_prompts
    assert outcomes.observed.all()
    assert not np.isnan(outcomes.cost_usd).any()
    assert all(
        read_outcomes([file]).content_hash() == outcomes.content_hash() for file in folder.iterdir()
    )


def test_real_long_tables():
    pytest.importorskip("pyarrow")
    outcomes = read_outcomes([real_data("mmlu_pro")])
    assert outcomes.quality.shape == (9652, 33)
    block, left_out, prompts_left_out = outcomes.complete_block()
    assert left_out == ("DeepSeek-Coder-V2",)
    assert block.n_prompts + prompts_left_out == 9652
    assert read_prompts(real_data("mmlu_pro")).prompt_ids == outcomes.prompt_ids
    no_cost = read_outcomes([real_data("fourteen_tasks_no_cost")])
    with pytest.raises(DataError, match="cost_usd is unknown for"):
        no_cost.complete_block()
