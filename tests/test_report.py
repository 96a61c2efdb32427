"""Reports: what is written, that it stands alone, and that an old one survives a failure."""

from __future__ import annotations

import csv
import errno
import json
import re
import sys
from pathlib import Path

import altair
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead.errors import MissingExtraError, OneheadError, UsageError
from onehead.evaluation import LeftOut, evaluate
from onehead.outcomes import OutcomeTable
from onehead.predictors import Estimates
from onehead.report import write_report
from onehead.report.charts import cost_chart, curve_chart, share_chart, task_chart
from onehead.report.charts.curve import within_sight
from onehead.report.charts.shares import MOST_BANDS
from onehead.report.draw import inline_svg
from onehead.report.figures import figures
from onehead.report.labels import place
from onehead.report.names import short_models, short_tasks
from onehead.report.scales import decades, log_scale
from onehead.report.series import cost_cells, curve_data, reliability_bins, share_rows
from onehead.report.write import report_files


def make_evaluation(n=40, m=5, tasks=("law", "maths"), free=False, **options):
    random = np.random.default_rng(3)
    cost = np.geomspace(1e-5, 1e-2, m) * random.uniform(0.5, 2, (n, m))
    skill = np.linspace(0.3, 0.9, m)
    quality = (random.uniform(size=(n, m)) < skill).astype(float)
    table = OutcomeTable(
        prompt_ids=tuple(f"p{i}" for i in range(n)),
        prompts=tuple(f"prompt {i}" for i in range(n)),
        tasks=tuple(tasks[i % len(tasks)] for i in range(n)),
        models=tuple(f"maker/model-{j}" for j in range(m)),
        quality=quality,
        cost_usd=cost * 0 if free else cost,
        input_tokens=np.full((n, m), np.nan),
        output_tokens=np.full((n, m), np.nan),
    )
    guess = np.clip(0.6 * skill + 0.4 * quality, 0, 1)
    estimates = Estimates(guess, cost * 0 if free else cost * 1.2, np.ones(n))
    return evaluate(estimates, table, bootstrap=options.pop("bootstrap", 20), **options)


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation(left_out=LeftOut(("gappy",), 3))


@pytest.fixture(scope="module")
def files(evaluation):
    return report_files(evaluation, "Title <b> & “more”")


def test_a_report_has_pictures_tables_and_a_page(files):
    names = {"curve", "shares", "reliability", "cost", "tasks"}
    assert {f"{name}.{kind}" for name in names for kind in ("png", "svg")} <= set(files)
    assert all(files[f"{name}.png"].startswith(b"\x89PNG") for name in names)
    assert list(files)[-1] == "index.html"


def test_figures_and_tables_hold_the_evaluation_unrounded(files, evaluation):
    assert json.loads(files["figures.json"]) == json.loads(json.dumps(evaluation.to_json()))
    rows = list(csv.DictReader(files["models.csv"].decode().splitlines()))
    assert [row["model"] for row in rows] == list(evaluation.models)
    assert [float(row["quality"]) for row in rows] == evaluation.singles.quality.tolist()
    assert len(files["curve.csv"].splitlines()) == len(evaluation.curve) + 1
    assert len(files["tasks.csv"].splitlines()) == 3


def test_the_page_stands_alone(files):
    page = files["index.html"].decode()
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert not re.search(r"url\((?!#)", page)
    assert set(re.findall(r'<a href="([^"]+)"', page)) == set(files) - {"index.html"}


def test_the_page_is_readable_without_seeing_it(files):
    page = files["index.html"].decode()
    pictures = re.findall(r"<svg [^>]*>", page)
    assert len(pictures) == 10  # five pictures, for a desk and for a phone
    assert all('role="img"' in svg and 'aria-label="' in svg for svg in pictures)
    assert page.count('role="') == len(pictures)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_the_page_says_what_was_left_out_and_escapes_text(files):
    page = files["index.html"].decode()
    assert "left out for missing outcomes: gappy" in page
    assert "left out: 3 prompts" in page
    assert "Title &lt;b&gt; &amp; “more”" in page
    assert "<b>" not in page


def test_the_same_evaluation_gives_the_same_report(files, evaluation):
    again = report_files(evaluation, "Title <b> & “more”")
    assert {name for name in files if again[name] != files[name]} == set()


@pytest.mark.parametrize("width", [700, 300])
def test_every_chart_is_valid_vega_lite_with_a_description(evaluation, width):
    for picture in figures(evaluation):
        spec = picture.draw(width)
        altair.Chart.from_dict(spec, validate=True)
        assert spec["description"]
        json.dumps(spec, allow_nan=False)


@pytest.mark.parametrize(
    ("options", "pictures"),
    [
        ({"m": 1}, 5),
        ({"n": 1, "m": 2}, 5),
        ({"tasks": ("",)}, 5),
        ({"bootstrap": 0}, 5),
        ({"free": True}, 4),  # no cost to predict
        ({"n": 60, "tasks": tuple(f"task-{i}" for i in range(30))}, 5),
    ],
)
def test_odd_evaluations_still_make_a_report(options, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("onehead.report.write.png", lambda spec: b"drawn elsewhere")
    write_report(tmp_path, make_evaluation(**options))
    assert len(list(tmp_path.glob("*.png"))) == pictures
    assert (tmp_path / "index.html").stat().st_size > 10_000


@pytest.fixture
def ready(files, monkeypatch):
    """Lets write_report put `files` in place without drawing them again."""

    def made(evaluation, title):
        return {name: content + title.encode() for name, content in files.items()}

    monkeypatch.setattr("onehead.report.write.report_files", made)


def test_only_the_report_is_touched_in_a_folder(evaluation, ready, tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    page = write_report(tmp_path, evaluation)
    assert page == tmp_path / "index.html"
    assert (tmp_path / "mine.txt").read_text() == "stays"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_an_old_report_survives_a_full_disk_and_an_interruption(
    evaluation, ready, tmp_path, monkeypatch, failure
):
    write_report(tmp_path, evaluation, title="old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write = Path.write_bytes

    def failing(path, content):
        if path.name == "index.html":
            raise failure
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", failing)
    wanted = OneheadError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(wanted, match="No space left" if wanted is OneheadError else None):
        write_report(tmp_path, evaluation, title="new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(wanted):
        write_report(tmp_path / "fresh", evaluation)
    assert not (tmp_path / "fresh").exists()


def test_a_folder_that_is_a_file_is_a_usage_error(evaluation, ready, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"taken is a file; name a folder"):
        write_report(tmp_path / "taken", evaluation)


def test_without_the_extra_the_error_names_it(evaluation, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtraError, match=r"onehead\[report\]"):
        write_report(tmp_path / "new", evaluation)
    assert not (tmp_path / "new").exists()


def test_the_curve_starts_at_the_cheapest_model_and_never_falls(evaluation):
    data = curve_data(evaluation)
    for line in (data["router"], data["zero_router"], data["true_task"], data["oracle"]):
        assert line[0]["cost_usd"] <= evaluation.singles.cost_usd.min()
        assert np.all(np.diff([point["quality"] for point in line]) >= -1e-12)
    assert data["oracle"][-1]["quality"] == max(point["quality"] for point in data["oracle"])


def test_models_far_below_the_lines_are_left_to_the_table(evaluation):
    data = curve_data(evaluation)
    data["models"].append({"model": "hopeless", "cost_usd": 1e-3, "quality": 0.0})
    assert "hopeless" not in {point["model"] for point in within_sight(data)}
    assert "hopeless" not in json.dumps(curve_chart(data))


def test_shares_stack_to_the_whole_and_merge_what_is_rare():
    models = [f"m{i}" for i in range(20)]
    rows = [
        {"willingness_to_pay": wtp, "model": model, "share": (0.5 if i == 0 else 0.5 / 19)}
        for wtp in (0.001, 0.01, 0.1)
        for i, model in enumerate(models)
    ]
    bands = [{"model": model, "mean_cost_usd": i} for i, model in enumerate(models)]
    area = share_chart(rows, bands)["layer"][0]
    names = area["encoding"]["color"]["scale"]["domain"]
    assert names == ["m0", "19 others"]
    tops = [row["high"] for row in area["data"]["values"] if row["model"] == names[-1]]
    assert tops == pytest.approx([1.0] * 3)


def test_no_more_bands_than_can_be_told_apart():
    models = [f"m{i}" for i in range(12)]
    rows = [{"willingness_to_pay": w, "model": m, "share": 1 / 12} for w in (1, 2) for m in models]
    bands = [{"model": m, "mean_cost_usd": 1.0} for m in models]
    names = share_chart(rows, bands)["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert len(names) == MOST_BANDS + 1
    assert names[-1] == "4 others"


def test_share_rows_follow_the_evaluation(evaluation):
    rows = share_rows(evaluation)
    assert len(rows) == len(evaluation.curve) * evaluation.n_models
    by_wtp: dict[float, float] = {}
    for row in rows:
        by_wtp[row["willingness_to_pay"]] = by_wtp.get(row["willingness_to_pay"], 0) + row["share"]
    assert list(by_wtp.values()) == pytest.approx([1.0] * len(evaluation.curve))


def test_reliability_counts_every_pair_and_brackets_the_mean(evaluation):
    bins = reliability_bins(evaluation.pooled_reliability)
    assert sum(group["count"] for group in bins) == evaluation.n_prompts * evaluation.n_models
    for group in bins:
        assert group["low"] <= group["predicted"] <= group["high"] + 1e-9
        assert 0 <= group["observed_low"] <= group["observed"] <= group["observed_high"] <= 1


def test_cost_cells_hold_the_sample_on_a_square(evaluation):
    cells = cost_cells(evaluation)
    assert sum(cell["count"] for cell in cells) == len(evaluation.cost_sample.true_usd)
    scales = cost_chart(cells)["layer"][0]["encoding"]
    assert scales["x"]["scale"] == scales["y"]["scale"]


def test_the_task_chart_shows_the_largest_and_says_never():
    rows = [
        {
            "task": f"exam_{i}",
            "prompts": i + 1,
            "router": 0.6,
            "zero_router": 0.5,
            "oracle": 0.9,
            "cost_to_match": None if i % 2 else 0.25,
        }
        for i in range(30)
    ]
    values = task_chart(rows)["data"]["values"]
    assert min(value["prompts"] for value in values) == 7
    assert {value["figure"] for value in values} == {"never", "25%"}
    assert {value["label"].split(" ")[0] for value in values} <= {str(i) for i in range(30)}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.text("abcxyz", min_size=1, max_size=12), st.floats(0, 300), st.floats(0, 200)),
        max_size=15,
    )
)
def test_labels_never_overlap_nor_leave_the_plot(wanted):
    size = 12
    placed = place(wanted, [(x, y) for _, x, y in wanted], 300, 200, size=size)
    boxes = []
    for label in placed:
        length = len(label.text) * size * 0.52
        left = label.x - {"left": 0, "center": length / 2, "right": length}[label.align]
        assert left >= -1e-9
        assert left + length <= 300 + 1e-9
        assert size / 2 - 1e-9 <= label.y <= 200 - size / 2 + 1e-9
        for other, end, y in boxes:  # rounding apart
            apart = max(left - end, other - left - length, abs(label.y - y) - size)
            assert apart >= -1e-9
        boxes.append((left, left + length, label.y))


@pytest.mark.parametrize("pixels", [300, 700])
@pytest.mark.parametrize("high", [1e-4, 2e-4, 1e-2, 10])
def test_dollar_ticks_fit_their_axis(pixels, high):
    scale = log_scale([1e-4, high], pixels)
    ticks = decades(scale)
    assert all(scale.low <= tick <= scale.high for tick in ticks)
    assert ticks
    assert len(ticks) <= max(pixels / 50, np.log10(high / 1e-4) + 1)


@pytest.mark.parametrize("cost", [1.3e-5, 3.4e-4, 9.9e-2])
def test_an_axis_of_one_amount_is_marked(cost):
    scale = log_scale([cost], 300)
    assert len(decades(scale)) == 1
    assert scale.low <= decades(scale)[0] <= scale.high


def test_short_names_stay_unambiguous():
    assert short_models(["a/x", "b/x", "c/y"]) == {"a/x": "a/x", "b/x": "b/x", "c/y": "y"}
    assert short_tasks(["mmlu-pro-law", "mmlu-pro-maths"]) == {
        "mmlu-pro-law": "law",
        "mmlu-pro-maths": "maths",
    }
    assert short_tasks(["gsm8k", "law"]) == {"gsm8k": "gsm8k", "law": "law"}
    assert short_tasks(["mmlu-law"]) == {"mmlu-law": "mmlu-law"}


def test_inline_pictures_can_stand_beside_each_other(evaluation):
    spec = figures(evaluation)[0].draw(300)
    ids = [set(re.findall(r'\bid="([^"]+)"', inline_svg(spec, name))) for name in ("one", "two")]
    assert ids[0].isdisjoint(ids[1])
