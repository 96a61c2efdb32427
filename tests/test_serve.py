"""One worker as a process: clients that behave and those that do not, reload, drain."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from serving import TIMEOUT_S, Served, response, served, stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[gateway]
port = 0
max_header_kb = 8
header_timeout_s = 0.3
drain_s = {drain_s}
[routing]
willingness_to_pay = {wtp}
router = "{router}"
"""


def write(place: Path, *, drain_s: float = 10, wtp: float = 0.001, router: str = "r") -> Path:
    path = place / "onehead.toml"
    path.write_text(CONFIG.format(drain_s=drain_s, wtp=wtp, router=router), "utf-8")
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    flushed = {"STAND_IN_FLUSHED": str(tmp_path / "flushed")}
    with served(stand_in(write(tmp_path)), tmp_path / "log", flushed) as one:
        yield one


def error_of(body: bytes) -> dict[str, object]:
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return error


def test_headers_are_bounded_in_one_piece_and_in_many(server: Served) -> None:
    for pieces in (1, 40):
        with server.connect() as one:
            one.sendall(b"GET /pid HTTP/1.1\r\nhost: x\r\n")
            with contextlib.suppress(ConnectionError):
                for _ in range(pieces):
                    one.sendall(b"x-filler-%d: " % pieces + b"y" * (20_000 // pieces) + b"\r\n")
                one.sendall(b"\r\n")
            status, body = response(one)
        assert status == 431
        assert error_of(body)["code"] == "headers_too_large"


def test_a_header_without_an_end_is_refused_before_it_is_kept(server: Served) -> None:
    with server.connect() as one:
        one.sendall(b"GET /pid HTTP/1.1\r\nx-endless: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                one.sendall(b"y" * 1000)
        assert response(one)[0] == 431


@pytest.mark.parametrize(("start", "more"), [(b"1\r\na\r\n0\r\n", b"x-t: y\r\n"), (b"1;", b"e")])
def test_endless_trailers_and_chunk_extensions_end_the_connection(
    server: Served, start: bytes, more: bytes
) -> None:
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with server.connect() as one:
        one.sendall(head + start)
        with pytest.raises(ConnectionError):
            one.sendall(more * (16_000_000 // len(more)))


def test_large_bodies_behind_small_headers_pass(server: Served) -> None:
    with server.connect() as one:
        body = b"z" * 3_000_000
        head = f"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        one.sendall(head.encode() + b"connection: close\r\n\r\n" + body)
        assert response(one) == (200, b"3000000")


def test_slow_headers_are_answered_408_and_silence_is_hung_up(server: Served) -> None:
    with server.connect() as slow, server.connect() as silent:
        slow.sendall(b"GET /pid HTTP/1.1\r\nx-slow: ")
        status, body = response(slow)
        assert status == 408
        assert error_of(body)["code"] == "request_timeout"
        assert silent.recv(10) == b""


def test_dripping_headers_do_not_win_time(server: Served) -> None:
    with server.connect() as one:
        one.settimeout(0.05)
        one.sendall(b"GET /pid HTTP/1.1\r\nx-slow: ")
        begun = time.monotonic()
        answer = b""
        while not answer and time.monotonic() - begun < TIMEOUT_S:
            with contextlib.suppress(TimeoutError):
                one.sendall(b"y")
                answer = one.recv(20)
        assert b"408" in answer


def test_an_idle_connection_outlives_the_time_for_headers(server: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.connect()
        connection.auto_open = 0
        for _ in range(2):
            connection.request("GET", "/pid")
            connection.getresponse().read()
            with server.connect() as silent:
                assert silent.recv(10) == b""  # its time for headers is over, and so is ours


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /pid HTTP/1.1\r\nhost x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so_in_json(server: Served, junk: bytes) -> None:
    with server.connect() as one:
        one.sendall(junk)
        status, body = response(one)
        assert status == 400
        assert error_of(body)["code"] == "invalid_http"
    assert server.get("/pid")[0] == 200


def test_a_refused_upload_still_reads_its_answer(server: Served) -> None:
    size = 30_000_000
    with server.connect() as one:
        head = f"POST /refuse HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {size}"
        one.sendall(head.encode() + b"\r\n\r\n")
        for _ in range(size // 1_000_000):
            one.sendall(b"z" * 1_000_000)
        assert response(one)[0] == 413


def test_a_client_that_asks_for_another_protocol_is_served_in_this_one(server: Served) -> None:
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\n"
    with server.connect() as one:
        one.sendall(head + b"upgrade: h2c\r\nhttp2-settings: AA\r\ncontent-length: 3\r\n\r\nabc")
        one.sendall(b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n")
        one.sendall(b"content-length: 2\r\n\r\nab")
        data = b"".join(iter(lambda: one.recv(4096), b""))
    assert data.count(b"HTTP/1.1 200") == 2
    assert b"\r\n\r\n3" in data
    assert data.endswith(b"\r\n\r\n2")


def test_answers_name_the_time_and_no_software(server: Served) -> None:
    with server.connect() as one:
        one.sendall(b"GET /pid HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        head = one.recv(4096).lower()
    assert b"\r\ndate: " in head
    assert b"\r\nserver:" not in head
    assert b"uvicorn" not in head


def test_reload_under_load_drops_no_request(server: Served, tmp_path: Path) -> None:
    stop = threading.Event()
    seen: list[bytes] = []
    failures: list[Exception] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
        connection.auto_open = 0  # a connection that the server closes is a failure
        connection.connect()
        with contextlib.closing(connection):
            while not stop.is_set():
                try:
                    connection.request("GET", "/wtp")
                    seen.append(connection.getresponse().read())
                except (OSError, http.client.HTTPException) as error:
                    failures.append(error)
                    return

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for number in range(5):
        write(tmp_path, wtp=number + 1)
        server.signal(signal.SIGHUP)
        server.wait_for("configuration reloaded", number + 1)
    stop.set()
    for asker in askers:
        asker.join(TIMEOUT_S)
    assert not failures
    assert {b"0.001", b"1.0"} <= set(seen) <= {b"0.001", *(b"%d.0" % n for n in range(1, 6))}
    assert server.get("/wtp") == (200, b"5.0")


def test_a_bad_configuration_is_refused_with_its_reason_and_the_old_one_stays(
    server: Served, tmp_path: Path
) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text("utf-8").replace("willingness", "wilingness"), "utf-8")
    server.signal(signal.SIGHUP)
    server.wait_for(r"reload refused.*willingness_to_pay")
    write(tmp_path, wtp=7, router="damaged")
    server.signal(signal.SIGHUP)
    server.wait_for(r"reload refused.*the router is damaged")
    path.unlink()
    server.signal(signal.SIGHUP)
    server.wait_for(r"reload refused", 3)
    assert server.get("/wtp") == (200, b"0.001")
    assert "Traceback" not in server.said()


def test_what_only_a_restart_changes_is_said(server: Served, tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text("utf-8").replace("port = 0", "port = 1234"), "utf-8")
    server.signal(signal.SIGHUP)
    server.wait_for("gateway.port changed; it takes a restart")


def test_sigterm_lets_a_stream_end_and_open_connections_ask_once_more(
    server: Served, tmp_path: Path
) -> None:
    with server.connect() as stream, server.connect() as idle, server.connect() as other:
        for one in (idle, other):
            one.sendall(b"GET /pid HTTP/1.1\r\nhost: x\r\n\r\n")
            one.recv(4096)
        stream.sendall(b"GET /stream/30 HTTP/1.1\r\nhost: x\r\n\r\n")
        first = stream.recv(4096)
        server.signal(signal.SIGTERM)
        server.wait_for("stopping: 1 requests are running")
        idle.sendall(b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n")
        assert response(idle)[0] == 503  # answered, and closed
        other.sendall(b"GET /pid HTTP/1.1\r\nhost: x\r\n\r\n")
        assert response(other)[0] == 200
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        rest = b"".join(iter(lambda: stream.recv(65536), b""))
    assert (first + rest).endswith(b"3\r\nend\r\n0\r\n\r\n")
    assert server.process.wait(TIMEOUT_S) == 0
    assert float((tmp_path / "flushed").read_text("utf-8")) > 0
    assert server.said().rstrip().endswith("stopped")


def test_what_does_not_end_in_time_is_cut(tmp_path: Path) -> None:
    with (
        served(stand_in(write(tmp_path, drain_s=0.2)), tmp_path / "log") as server,
        server.connect() as stream,
    ):
        stream.sendall(b"GET /stream/100000 HTTP/1.1\r\nhost: x\r\n\r\n")
        stream.recv(4096)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 10
        with contextlib.suppress(ConnectionResetError):
            rest = b"".join(iter(lambda: stream.recv(65536), b""))
            assert not rest.endswith(b"0\r\n\r\n")  # the client sees that it was cut
        assert "cutting 1 requests" in server.said()
        assert "Traceback" not in server.said()


def test_a_second_signal_hurries(server: Served) -> None:
    with server.connect() as stream:
        stream.sendall(b"GET /stream/100000 HTTP/1.1\r\nhost: x\r\n\r\n")
        stream.recv(4096)
        server.signal(signal.SIGINT)
        server.wait_for("stopping")
        begun = time.monotonic()
        server.signal(signal.SIGINT)
        assert server.process.wait(TIMEOUT_S) == 0
        assert time.monotonic() - begun < 8  # drain_s is 10


def test_a_reader_that_takes_its_time_gets_all_of_a_large_answer_while_draining(
    server: Served,
) -> None:
    size = 20_000_000
    with server.connect() as one:
        one.sendall(f"GET /large/{size} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        data = one.recv(100)
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        data += b"".join(iter(lambda: one.recv(1 << 20), b""))
    assert len(data.partition(b"\r\n\r\n")[2]) == size


def run_serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "onehead", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_a_port_in_use_is_one_line_and_exit_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_serve("--port", str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: 127.0.0.1:{port} is in use")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0"], "without a key"),
        (
            ["--host", "no.such.host.invalid", "--config", "{keyed}"],
            "is no address of this machine",
        ),
        (["--host", "203.0.113.7", "--config", "{keyed}"], "cannot listen on 203.0.113.7:8080"),
        (["--config", "no/such/file.toml"], "no/such/file.toml"),
        (["--port", "70000"], "70000"),
        (["--workers", "0"], "0"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_2(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    keyed = tmp_path / "keyed.toml"
    keyed.write_text(f"[[keys]]\nname = 'a'\nsha256 = '{'0' * 64}'\n", "utf-8")
    done = run_serve(*(one.replace("{keyed}", str(keyed)) for one in arguments))
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
def test_ipv6_host(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text("utf-8").replace("port = 0", 'port = 0\nhost = "::1"'), "utf-8")
    with served(stand_in(path), tmp_path / "log") as server:
        assert server.host == "[::1]"
        assert server.get("/pid")[0] == 200


def test_logs_in_json_are_json_lines(tmp_path: Path) -> None:
    path = write(tmp_path)
    text = path.read_text("utf-8").replace("port = 0", 'port = 0\nlog_format = "json"')
    path.write_text(text, "utf-8")
    with served(stand_in(path), tmp_path / "log") as server:
        server.stop()
        lines = [json.loads(line) for line in server.said().splitlines()]
    assert lines[0]["message"] == "listening"
    assert lines[0]["address"] == server.url
    assert lines[0]["store"] == "sqlite:///onehead.db"
    assert lines[-1]["message"] == "stopped"
