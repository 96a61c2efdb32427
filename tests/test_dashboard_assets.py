"""Vendored files are what they are said to be, pages need nothing from elsewhere, and stay light."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from onehead.dashboard.shell import _VEGA, Frame, page
from onehead.dashboard.static import CHARTS, FOLDER, address, asset, content

OWN = ("page.js", "charts.js", "playground.js", "policy.js", "theme.js", "style.css", CHARTS)
_ROW = re.compile(
    r"^\| `(?P<file>[\w.-]+)` \| \[[\w-]+\]\(\S+\) \| (?P<version>\S+) \| .*?`(?P<licence>LICENSE\.[\w-]+)` \| `(?P<hash>[0-9a-f]{64})` \|$",
    re.MULTILINE,
)
VENDORED = list(_ROW.finditer((FOLDER / "VENDORED.md").read_text()))


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[Route("/ui/assets/{name}", asset)]))


def test_every_minified_script_is_listed() -> None:
    assert sorted(row["file"] for row in VENDORED) == sorted(
        path.name for path in FOLDER.glob("*.min.js")
    )


@pytest.mark.parametrize("row", VENDORED, ids=lambda row: row["file"])
def test_a_vendored_file_is_the_one_published(row: re.Match[str]) -> None:
    data = (FOLDER / row["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == row["hash"]
    if row["file"] != "vega-embed.min.js":
        assert row["version"].encode() in data
    assert "Redistribution and use" in (FOLDER / row["licence"]).read_text()


def test_nothing_of_ours_reaches_out_or_evaluates() -> None:
    for name in OWN:
        text = (content(name) or b"").decode()
        assert "//" not in re.sub(r"^\s*//.*$|/\* .*? \*/", "", text, flags=re.MULTILINE), name
        assert not re.search(r"\beval\b\(|new Function|innerHTML|outerHTML|document\.write", text)


def test_the_heaviest_page_weighs_less_than_a_megabyte_and_a_half() -> None:
    names = {"page.js", "theme.js", "icon.svg", "style.css", CHARTS, *_VEGA}
    assert sum(len(content(name) or b"") for name in names) < 1_000_000


def test_addresses_change_with_the_content_and_may_be_kept(client: TestClient) -> None:
    where = address("style.css")
    assert hashlib.sha256(content("style.css") or b"").hexdigest()[:10] in where
    kept = client.get(where)
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-type"].startswith("text/css")
    assert "immutable" not in client.get("/ui/assets/style.css").headers["cache-control"]


def test_files_are_packed_for_those_who_unpack(client: TestClient) -> None:
    plain = client.get(address("vega.min.js"), headers={"accept-encoding": "identity"})
    with client.stream("GET", address("vega.min.js"), headers={"accept-encoding": "gzip"}) as raw:
        packed = b"".join(raw.iter_raw())
    assert gzip.decompress(packed) == plain.content
    assert len(packed) < len(plain.content) / 2


@pytest.mark.parametrize(
    "name", ["nothing.js", "VENDORED.md", "..%2fshell.py", "%2e%2e", "LICENSE.vega"]
)
def test_no_other_file_is_given(client: TestClient, name: str) -> None:
    assert client.get(f"/ui/assets/{name}").status_code == 404


def test_an_unknown_file_in_a_page_is_our_own_mistake() -> None:
    with pytest.raises(FileNotFoundError):
        page(Frame("x", "X", scripts=("nothing.js",)))


def test_charts_turn_dark_by_choice_and_by_system() -> None:
    rules = (content(CHARTS) or b"").decode()
    assert ":root[data-theme=dark] svg [fill=" in rules
    assert "@media (prefers-color-scheme: dark){:root:not([data-theme=light]) svg [" in rules
