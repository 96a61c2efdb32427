"""hub: names, against a local stand-in of the hub and the hub's real client."""

from __future__ import annotations

import hashlib
import re
import socket
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from onehead.errors import DataError, MissingExtraError, UsageError
from onehead.sources import hub, read_outcomes, read_prompts

FILE = Path(__file__).parent / "pickles" / "pandas-2.2.3_plain_5.pkl"
SHA256 = hashlib.sha256(FILE.read_bytes()).hexdigest()


class StandIn(BaseHTTPRequestHandler):
    """Answers as the hub does for one file of one data set at one revision."""

    asked: list[str]

    def do_HEAD(self):
        self.answer(body=b"")

    def do_GET(self):
        self.answer(body=FILE.read_bytes())

    def answer(self, body: bytes) -> None:
        self.asked.append(f"{self.command} {self.path}")
        release = hub.RELEASES["routerbench"]
        path = f"/datasets/{release.repo_id}/resolve/{release.revision}/{release.filename}"
        if self.path != path:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", release.revision)
        self.send_header("ETag", f'"{SHA256}"')
        self.send_header("Content-Length", str(FILE.stat().st_size))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def point_client_at(monkeypatch, tmp_path, url: str) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", template.replace(constants.ENDPOINT, url)
    )
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The stand-in is up, and the pin is that of its file; gives what the client asks for."""
    handler = type("Handler", (StandIn,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    point_client_at(monkeypatch, tmp_path, f"http://127.0.0.1:{server.server_port}")
    pin(monkeypatch, SHA256)
    yield handler.asked
    server.shutdown()
    thread.join()
    server.server_close()


def pin(monkeypatch, sha256: str) -> None:
    release = replace(hub.RELEASES["routerbench"], sha256=sha256)
    monkeypatch.setitem(hub.RELEASES, "routerbench", release)


def test_the_pinned_file_is_downloaded_once(asked):
    outcomes = read_outcomes(["hub:routerbench"])
    assert outcomes.models == ("m/one", "m/two")
    requests = len(asked)
    assert any(request.startswith("GET /datasets/withmartian/routerbench") for request in asked)
    assert read_prompts("hub:routerbench").prompts == outcomes.prompts
    assert len(asked) == requests


def test_another_hash_is_refused_before_the_file_is_read(asked, monkeypatch):
    pin(monkeypatch, "0" * 64)
    with pytest.raises(DataError, match=f"is not the file that was pinned.*{SHA256}.*Delete it"):
        read_outcomes(["hub:routerbench"])


def test_a_file_changed_in_the_cache_is_refused(asked, tmp_path):
    read_outcomes(["hub:routerbench"])
    blob = next(path for path in (tmp_path / "cache").rglob("blobs/*") if path.is_file())
    blob.write_bytes(blob.read_bytes() + b"!")
    with pytest.raises(DataError, match="is not the file that was pinned"):
        read_outcomes(["hub:routerbench"])


def test_a_file_the_hub_lacks_is_one_clear_error(asked, monkeypatch):
    release = hub.RELEASES["routerbench"]
    monkeypatch.setitem(hub.RELEASES, "routerbench-5shot", replace(release, filename="absent.pkl"))
    with pytest.raises(DataError, match=r"absent\.pkl of the data set .* cannot be downloaded"):
        read_outcomes(["hub:routerbench-5shot"])


def test_no_network_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between its tries
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        point_client_at(monkeypatch, tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(DataError, match=r"hub:routerbench: .* Check the network"):
            read_outcomes(["hub:routerbench"])


def test_unknown_names_list_the_known():
    with pytest.raises(UsageError, match="hub:routerbench, hub:routerbench-5shot"):
        read_outcomes(["hub:nothing"])


def test_without_the_client_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'onehead\["):
        read_outcomes(["hub:routerbench"])


def test_pins_are_whole():
    for release in hub.RELEASES.values():
        assert re.fullmatch("[0-9a-f]{40}", release.revision)
        assert re.fullmatch("[0-9a-f]{64}", release.sha256)
