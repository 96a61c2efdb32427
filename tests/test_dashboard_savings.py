"""Savings: recomputed from the log's raw rows, with intervals that hold, on the page and the command."""

from __future__ import annotations

import json
import math
import random
import sqlite3
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from stores import NOON

from onehead.cli.report import report
from onehead.dashboard.savings import FALL, GROUPS, Tally
from onehead.store import DecisionRecord, Store, new_decision_id

if TYPE_CHECKING:
    from pathlib import Path

MODELS = ("tiny", "small", "middle", "large")


def decisions(
    n: int, *, mode: str, seed: int = 0, taken: str | None = None
) -> list[DecisionRecord]:
    """Decisions whose real costs are 1.3 times the expected ones, give or take."""
    chance = random.Random(seed)
    made = []
    for i in range(n):
        estimates = [
            (name, min(0.5 + 0.1 * j + chance.gauss(0, 0.05), 1.0),
             10.0 ** (j - 5) * chance.lognormvariate(0, 0.5), 0.1, None)
            for j, name in enumerate(MODELS)
        ]  # fmt: skip
        chosen = chance.choice(MODELS[:3])
        model = taken or chosen
        expected = {e[0]: e[2] for e in estimates}[model]
        at = NOON + i
        made.append(
            DecisionRecord(
                decision_id=new_decision_id(at), at=at, mode=mode, chosen=chosen, model=model,
                estimates=estimates, cost_usd=expected * chance.uniform(1.1, 1.5),
                predicted_quality=0.5, predicted_cost_usd=expected,
            )
        )  # fmt: skip
    return made


def raw(path: Path, mode: str) -> list[dict]:
    """The rows as they lie in the file, read without any of our code."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM decisions WHERE mode = ?", (mode,)).fetchall()
    return [{**row, "known": {e[0]: e for e in json.loads(row["estimates"])}} for row in rows]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with Store.open(f"sqlite:///{path}") as store:
        store.write(decisions(300, mode="auto"))
        store.write(decisions(200, mode="shadow", seed=1, taken="large"))
        odd = decisions(6, mode="shadow", seed=2, taken="large")
        odd[0].cost_usd = None
        odd[1].outcome = "error"
        odd[2].model = None
        odd[3].estimates = ()
        odd[4].model = "unknown"
        odd[5].mode = "named"
        store.write(odd)
    return path


def told(path: Path, *more: str) -> dict:
    arguments = ["savings", "--store", f"sqlite:///{path}", "--json", *more]
    result = CliRunner().invoke(report, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_shadow_savings_are_those_of_the_raw_rows(log: Path) -> None:
    rows = [r for r in raw(log, "shadow") if r["outcome"] == "ok" and r["cost_usd"] is not None
            and r["model"] in r["known"]]  # fmt: skip
    paid = math.fsum(row["cost_usd"] for row in rows)
    taken = math.fsum(row["known"][row["model"]][2] for row in rows)
    other = math.fsum(row["known"][row["chosen"]][2] for row in rows)
    change = [row["known"][row["chosen"]][1] - row["known"][row["model"]][1] for row in rows]
    found = told(log)["shadow"]
    assert found["requests"] == len(rows) == 200
    assert found["left_out"] == 3
    assert found["paid_usd"] == pytest.approx(paid)
    assert found["would_save_usd"] == pytest.approx(paid - paid * other / taken)
    assert found["would_save_share"] == pytest.approx(1 - other / taken)
    assert found["quality_change"] == pytest.approx(math.fsum(change) / len(change))
    assert found["falls"] == sum(one < -FALL for one in change)
    assert sum(move["requests"] for move in found["moves"]) == 200
    assert [one["quality"] for one in found["worst"]] == pytest.approx(sorted(change)[:20])
    low, high = found["would_save_share_ci"]
    assert low < found["would_save_share"] < high
    low, high = found["would_save_usd_ci"]
    assert low < found["would_save_usd"] < high


def test_routed_savings_are_those_of_the_raw_rows(log: Path) -> None:
    rows = raw(log, "auto")
    paid = math.fsum(row["cost_usd"] for row in rows)
    taken = math.fsum(row["known"][row["model"]][2] for row in rows)
    means = {name: math.fsum(r["known"][name][1] for r in rows) / len(rows) for name in MODELS}
    best = max(means, key=lambda name: means[name])
    other = math.fsum(row["known"][best][2] for row in rows)
    found = told(log)["routed"]["against_best_single"]
    assert found["model"] == best
    assert found["instead_usd"] == pytest.approx(paid * other / taken)
    assert found["saved_usd"] == pytest.approx(paid * other / taken - paid)
    assert found["saved_share"] == pytest.approx(1 - taken / other)
    low, high = found["saved_share_ci"]
    assert low < found["saved_share"] < high


def test_since_leaves_out_what_came_before(log: Path) -> None:
    late = told(log, "--since", "2030-01-01")
    assert late["shadow"] == {"requests": 0, "left_out": 0}
    assert late["routed"]["against_dearest"] is None


def test_the_table_says_the_same(log: Path) -> None:
    result = CliRunner().invoke(report, ["savings", "--store", f"sqlite:///{log}"])
    assert result.exit_code == 0
    assert "large" in result.stdout
    assert "in shadow" in result.stdout


def test_pictures_of_the_log(log: Path, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    out = tmp_path / "pictures"
    result = CliRunner().invoke(
        report, ["log", "--store", f"sqlite:///{log}", "--out", str(out), "--json"],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    names = json.loads(result.stdout)["files"]
    assert {"choice.png", "choice.svg", "spend.png", "latency.json"} <= set(names)
    assert (out / "choice.png").read_bytes().startswith(b"\x89PNG")


def test_an_interval_holds_as_often_as_it_says() -> None:
    """Over many draws of 200 requests the whole population's ratio is inside about 95 times of 100."""
    population = decisions(4000, mode="shadow", seed=5, taken="large")
    true = Tally(population).against()
    assert true is not None
    chance, inside, draws = random.Random(3), 0, 60
    for _ in range(draws):
        found = Tally(chance.choices(population, k=200)).against()
        assert found is not None
        assert found.ratio_ends is not None
        inside += found.ratio_ends[0] <= (true.ratio or 0) <= found.ratio_ends[1]
    assert inside >= 0.85 * draws


def test_many_requests_are_grouped_without_changing_the_figure() -> None:
    records = decisions(2 * GROUPS + 17, mode="shadow", taken="large")
    at_once, piecewise = Tally(records), Tally()
    for start in range(0, len(records), 301):
        piecewise.add(records[start : start + 301])
    one, other = at_once.against(), piecewise.against()
    assert one is not None
    assert other is not None
    assert one.ratio == pytest.approx(other.ratio)
    assert one.ratio_ends == pytest.approx(other.ratio_ends)
    assert one.requests == 2 * GROUPS + 17


def test_free_answers_have_no_ratio() -> None:
    records = decisions(20, mode="shadow", taken="tiny")
    for record in records:
        record.estimates = [(e[0], e[1], 0.0 if e[0] == "tiny" else e[2], 0.0, None)
                            for e in record.estimates]  # fmt: skip
        record.cost_usd = 0.0
    found = Tally(records).against("large")
    assert found is not None
    assert found.ratio is None
    assert found.saved_usd == found.other_usd > 0
    assert found.ratio_ends is None
    assert found.saved_share == 1.0


def test_models_that_few_requests_knew_are_no_yardstick() -> None:
    records = decisions(50, mode="auto")
    records[0].estimates = [*records[0].estimates, ("newcomer", 0.99, 9.0, 0.0, None)]
    tally = Tally(records)
    assert tally.best_single() == "large"
    assert tally.dearest() == "large"
    assert tally.against("newcomer") is not None
    assert tally.against("nobody") is None
    assert Tally().best_single() is None
