"""Pickles: every DataFrame is read, nothing is ever run, and damage is named."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from onehead.errors import DataError
from onehead.sources import read_outcomes, read_prompts
from onehead.sources.pickled import PickleSource
from onehead.sources.standins import STAND_INS, Node

WRITTEN = sorted((Path(__file__).parent / "pickles").glob("*.pkl"))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_pickles_of_three_versions_of_pandas(path):
    outcomes = read_outcomes([path])
    assert outcomes.models == ("m/one", "m/two")
    rows = {prompt_id: i for i, prompt_id in enumerate(outcomes.prompt_ids)}
    at = [
        rows[f"{prefix}{i}"] for i in (1, 2, 3) for prefix in ("", "a.") if f"{prefix}{i}" in rows
    ]
    assert sorted(at) == [0, 1, 2]
    np.testing.assert_array_equal(outcomes.quality[at, 1], [0.5, np.nan, 1])
    np.testing.assert_array_equal(outcomes.cost_usd[at], [[1e-4, 1e-3], [2e-4, 2e-3], [3e-4, 3e-3]])
    assert [outcomes.tasks[i] for i in at] == ["x", "x", "chinese_y"]
    if "list" not in path.stem:
        assert [outcomes.prompts[i] for i in at] == ["Why?", "Wie heißt das?", "什么？ 🎉"]
    assert read_prompts(path).prompts == outcomes.prompts


def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(
        {
            "sample_id": [1, 2, 3],
            "prompt": ["x", "y", "z"],
            "eval_name": ["s", "s", None],
            "m": [1.0, 0.5, np.nan],
            "m|total_cost": [0.1, 0.2, 0.3],
        }
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_the_installed_pandas(tmp_path, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(frame(), protocol))
    outcomes = read_outcomes([path])
    assert outcomes.prompt_ids == ("1", "2", "3")
    assert outcomes.tasks == ("s", "s", "")
    np.testing.assert_array_equal(outcomes.quality[:, 0], [1, 0.5, np.nan])


@pytest.mark.parametrize(
    "change",
    [
        lambda df: df.astype({"prompt": "category"}),
        lambda df: df.astype({"prompt": "string"}),
        lambda df: df.astype({"prompt": object, "m": object}),
        lambda df: df.astype({"m": "float32"}),
        lambda df: df.astype({"m": "Float64"}),
        lambda df: df.astype({"m": ">f8"}),
        lambda df: df.set_index("sample_id"),
        lambda df: df[["m|total_cost", "m", "eval_name", "prompt", "sample_id"]],
        lambda df: df.iloc[::-1].iloc[::-1],
        lambda df: df.assign(extra=1, flag=True),
        lambda df: df.reset_index(),
        lambda df: df.T.T,
    ],
)
def test_columns_of_every_type(tmp_path, change):
    path = tmp_path / "x.pkl"
    change(frame()).to_pickle(path)
    outcomes = read_outcomes([path])
    assert outcomes.prompts == ("x", "y", "z")
    assert outcomes.prompt_ids == ("1", "2", "3")
    np.testing.assert_array_equal(outcomes.only(["m"]).quality[:, 0], [1, 0.5, np.nan])


def test_a_pickle_of_the_long_layout(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "x.pkl"
    columns = {"sample_id": ["a"], "prompt": ["x"], "model_name": ["m"], "performance": [1]}
    pandas.DataFrame(columns).to_pickle(path)
    assert read_outcomes([path]).quality.tolist() == [[1]]


def test_neither_pandas_nor_pyarrow_is_needed():
    code = (
        "import sys; sys.modules['pandas'] = sys.modules['pyarrow'] = None\n"
        "from onehead.sources import read_outcomes\n"
        f"print(read_outcomes([{str(WRITTEN[-1])!r}]).n_prompts)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def named(module: str, name: str, argument: str = "true") -> bytes:
    """A pickle that calls module.name(argument), whatever that is."""
    out = io.BytesIO()
    out.write(b"\x80\x04")
    for text in (module, name):
        out.write(b"\x8c" + bytes([len(text)]) + text.encode())
    out.write(b"\x93\x8c" + bytes([len(argument)]) + argument.encode() + b"\x85R.")
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "posix.system",
        "subprocess.Popen",
        "builtins.eval",
        "builtins.exec",
        "builtins.getattr",
        "builtins.__import__",
        "builtins.open",
        "operator.attrgetter",
        "functools.partial",
        "importlib.import_module",
        "pickle.loads",
        "pandas.read_pickle",
        "pandas.eval",
        "pandas.core.frame.DataFrame.query",
        "pandas.io.pickle.read_pickle",
        "pandas.core.computation.eval.eval",
        "numpy.load",
        "numpy.fromfile",
        "numpy.memmap",
        "numpy.core.multiarray.fromfile",
        "numpy.testing._private.utils.runstring",
        "pyarrow.lib.OSFile",
        "pyarrow.lib.foreign_buffer",
        "codecs.decode",
        "onehead.sources.standins.Node",
    ],
)
def test_every_other_name_is_refused_by_name(tmp_path, name):
    path = tmp_path / "hostile.pkl"
    module, _, attribute = name.rpartition(".")
    path.write_bytes(named(module, attribute))
    with pytest.raises(DataError, match="was refused and nothing was run") as caught:
        read_outcomes([path])
    assert f"asks for {name}," in str(caught.value)
    assert str(path) in str(caught.value)


def test_dotted_names_do_not_reach_through_what_is_admitted(tmp_path):
    path = tmp_path / "hostile.pkl"
    for attribute in ("DataFrame.to_csv", "DataFrame.__init__.__globals__", "compat.os.system"):
        path.write_bytes(named("pandas", attribute))
        with pytest.raises(DataError, match=f"asks for pandas.{attribute},"):
            read_outcomes([path])


def test_nothing_runs_inside_a_frame_either(tmp_path):
    marker = tmp_path / "ran"
    poisoned = frame().astype(object)
    poisoned.loc[0, "prompt"] = Call(os.system, f"touch {marker}")
    path = tmp_path / "hostile.pkl"
    poisoned.to_pickle(path)
    with pytest.raises(DataError, match=r"asks for posix.system,|asks for nt.system,"):
        read_outcomes([path])
    assert not marker.exists()


def test_what_is_admitted_is_inert():
    for (module, name), stand_in in STAND_INS.items():
        node = stand_in("argument", 1)
        assert isinstance(node, Node)
        assert node.args == ("argument", 1)
        assert not hasattr(builtins, name) or stand_in is not getattr(builtins, name), module


def test_a_pickle_cannot_change_the_stand_ins(tmp_path):
    # BUILD with a slot state sets attributes on whatever lies on the stack, here on a class.
    path = tmp_path / "hostile.pkl"
    path.write_bytes(
        b"cpandas\nDataFrame\n(NS'role'\nS'BlockManager'\nd\x86b.".replace(b"(N", b"N(", 1)
    )
    with pytest.raises(DataError):
        read_outcomes([path])
    assert STAND_INS["pandas", "DataFrame"].role == "DataFrame"
    with pytest.raises(TypeError, match="cannot be changed"):
        STAND_INS["pandas", "DataFrame"].role = "x"
    with pytest.raises(TypeError, match="cannot be changed"):
        del STAND_INS["pandas", "DataFrame"].role


def test_other_objects_are_not_tables(tmp_path):
    path = tmp_path / "x.pkl"
    for value, says in (([1, 2], "a list"), ({"prompt": ["x"]}, "a dict"), (None, "a NoneType")):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(DataError, match=f"it holds {says}, not a DataFrame"):
            read_outcomes([path])
    path.write_bytes(b"no pickle at all")
    with pytest.raises(DataError, match="is no whole pickle"):
        read_outcomes([path])


def test_dates_are_refused_with_a_way_out(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "x.pkl"
    frame().assign(day=pandas.Timestamp("2024-01-01")).to_pickle(path)
    with pytest.raises(DataError, match=r"asks for pandas.*\.parquet or \.csv"):
        read_outcomes([path])


def test_two_columns_of_one_name(tmp_path):
    path = tmp_path / "x.pkl"
    doubled = frame()
    doubled.columns = ["sample_id", "prompt", "m", "m", "m|total_cost"]
    doubled.to_pickle(path)
    with pytest.raises(DataError, match="same name"):
        read_outcomes([path])


@pytest.mark.parametrize("path", WRITTEN[::5], ids=lambda path: path.stem)
def test_pickles_cut_short_or_damaged_are_read_or_refused_cleanly(tmp_path, path):
    whole = path.read_bytes()
    chance = random.Random(0)
    damaged_path = tmp_path / "damaged.pkl"
    for size in range(0, len(whole) - 1, 23):
        damaged_path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"damaged\.pkl"):
            read_outcomes([damaged_path])
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        damaged_path.write_bytes(damaged)
        try:
            read_outcomes([damaged_path])
        except DataError as error:
            assert "damaged.pkl" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "claim",
    [
        b"\x80\x04Nr\xff\xff\xff\x7f.",  # a memo number: room for 2 billion others
        b"\x80\x05\x96\x00\x00\x00\x00\x08\x00\x00\x00abc.",  # 34 GB of bytearray
        b"\x80\x05\x8e\x00\x00\x00\x00\x08\x00\x00\x00abc.",  # 34 GB of bytes
        b"\x80\x04\x95\x00\x00\x00\x00\x08\x00\x00\x00abc.",  # 34 GB of frame
    ],
)
def test_what_a_file_claims_takes_no_memory(tmp_path, claim):
    path = tmp_path / "x.pkl"
    path.write_bytes(claim)
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_outcomes([path])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_range_longer_than_the_file_is_refused(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(pandas.DataFrame(index=pandas.RangeIndex(10**12, name="prompt"))))
    with pytest.raises(DataError, match=r"0 columns and 1000000000000 rows"):
        read_outcomes([path])


def test_columns_are_decoded_only_when_wanted():
    source = PickleSource(WRITTEN[0])
    assert "m/one|model_response" in source.columns
    assert tuple(source.read(["prompt"]).columns) == ("prompt",)
