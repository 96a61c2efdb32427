"""Container, compose file and systemd unit: nothing builds them here, so they are read and compared."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

from onehead.cli.serve import serve
from onehead.config import GatewayConfig, parse_config

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
CONFIG = (DEPLOY / "config" / "onehead.toml").read_text("utf-8")
VARIABLE = re.compile(r"\$\{(\w+)")
ENVIRONMENT = dict.fromkeys(VARIABLE.findall(CONFIG), "secret")
ROUTES = {"/health", "/ready", "/metrics"}


def options(words: list[str]) -> dict[str, Any]:
    """What `onehead serve` understands of a command line; click refuses what it does not know."""
    assert words[0] == "serve"
    with serve.make_context("serve", words[1:]) as context:
        assert isinstance(context, click.Context)
        return context.params


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continuation lines joined."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return [
        (line.partition(" ")[0], line.partition(" ")[2].strip())
        for line in lines
        if line and not line.startswith("#")
    ]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return document


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(DEPLOY / "onehead.service", "utf-8")
    return parser


def test_the_image_starts_the_gateway_on_the_port_that_it_shows() -> None:
    last = dict(instructions())
    assert json.loads(last["ENTRYPOINT"]) == ["onehead"]
    params = options(json.loads(last["CMD"]))
    assert params["host"] == "0.0.0.0"
    assert str(params["port"]) == last["EXPOSE"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    check = last["HEALTHCHECK"].partition("CMD ")[2]
    url = urlsplit(re.findall(r"http://[^']+", json.loads(check)[-1])[0])
    assert (url.port, url.path) == (params["port"], "/health")
    compile(json.loads(check)[-1], "healthcheck", "exec")


def test_the_image_runs_as_nobody_in_particular_and_carries_no_tools() -> None:
    steps = instructions()
    final = steps[max(number for number, (word, _) in enumerate(steps) if word == "FROM") :]
    user = next(value for word, value in final if word == "USER")
    assert user.split(":")[0].isdecimal()
    assert int(user.split(":")[0]) > 0
    runs = " ".join(value for word, value in final if word == "RUN")
    assert "pip uninstall" in runs
    assert "apt-get" not in runs
    copied = [value for word, value in final if word == "COPY"]
    assert all(value.startswith("--from=build") for value in copied)


def test_the_image_is_built_of_what_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    steps = instructions()
    bases = [value.split()[0] for word, value in steps if word == "FROM"]
    assert set(bases) == {"python:3.12-slim"}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for word, value in steps:
        if word == "COPY" and not value.startswith("--from"):
            for source in value.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{Path(source)}" in ignored, f"{source} is not sent to the builder"
    extras = re.findall(r"'\.\[([\w,]+)\]'", " ".join(value for _, value in steps))
    assert extras
    assert set(extras[0].split(",")) <= set(project["optional-dependencies"])


def test_compose_gives_the_configuration_every_variable_and_no_secret() -> None:
    services = compose()["services"]
    gateway, database = services["gateway"], services["database"]
    assert set(ENVIRONMENT) == set(gateway["environment"])
    for service in services.values():
        for name, value in service["environment"].items():
            if name.endswith(("KEY", "PASSWORD")):
                assert re.fullmatch(rf"\$\{{{name}:\?.+\}}", value), (
                    "a secret, or one that may be empty"
                )
    config = parse_config(CONFIG, environment=ENVIRONMENT, where="compose")
    store = urlsplit(config.store.url.reveal())
    assert store.hostname in services
    assert store.username == database["environment"]["POSTGRES_USER"]
    assert store.path == f"/{database['environment']['POSTGRES_DB']}"


def test_compose_runs_the_image_as_it_is_meant() -> None:
    document = compose()
    gateway = document["services"]["gateway"]
    assert (DEPLOY / gateway["build"]["context"] / gateway["build"]["dockerfile"]).is_file()
    params = options(gateway["command"])
    mounts = dict(str(one).split(":")[:2] for one in gateway["volumes"])
    folder = next(inside for outside, inside in mounts.items() if outside == "./config")
    assert params["config_path"] == f"{folder}/onehead.toml"
    assert dict(instructions())["WORKDIR"] in mounts.values()
    assert set(mounts) - {"./config"} <= set(document["volumes"])
    config = parse_config(CONFIG, environment=ENVIRONMENT, where="compose")
    published, inside = gateway["ports"][0].rsplit(":", 1)
    assert published.startswith("127.0.0.1:")
    assert int(inside) == config.gateway.port
    seconds = int(gateway["stop_grace_period"].removesuffix("s"))
    assert seconds > config.gateway.drain_s
    assert gateway["depends_on"]["database"]["condition"] == "service_healthy"
    assert "pg_isready" in document["services"]["database"]["healthcheck"]["test"][1]
    path = urlsplit(re.findall(r"http://[^']+", gateway["healthcheck"]["test"][-1])[0]).path
    assert path in ROUTES
    assert gateway["read_only"] is True


def test_the_unit_starts_reloads_and_stops_the_gateway() -> None:
    service = unit()["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert Path(program).name == "onehead"
    assert options(words)["config_path"] == "/etc/onehead/onehead.toml"
    assert shlex.split(service["ExecReload"])[1:] == ["-HUP", "$MAINPID"]
    assert float(service["TimeoutStopSec"]) > GatewayConfig().drain_s + 15
    assert service["KillMode"] == "mixed"
    assert service["WorkingDirectory"] == f"%S/{service['StateDirectory']}"
    assert service["RestartPreventExitStatus"] == "2"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_finds_no_mistake_in_the_unit_and_little_exposure(tmp_path: Path) -> None:
    path = tmp_path / "onehead.service"
    text = (DEPLOY / "onehead.service").read_text("utf-8")
    path.write_text(text.replace("/opt/onehead/bin/onehead", "/bin/true"), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    shown = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout
