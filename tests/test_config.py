"""Configuration files that can be taken: every key, variables, secrets, and what stays hidden."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import tomllib
from dataclasses import MISSING, fields, replace
from pathlib import Path

import pytest
from config_files import EVERYTHING, MODEL, SECRETS, attempt, read
from hypothesis import given
from hypothesis import strategies as st

from onehead.config import (
    CAPABILITIES,
    Config,
    KeyConfig,
    ModelConfig,
    Secret,
    check_config,
    default_config,
    load_config,
)
from onehead.config.describe import describe, lines
from onehead.config.parse import LISTS, SECTIONS
from onehead.config.place import line_of
from onehead.errors import ConfigError

ROOT = Path(__file__).parents[1]


def test_everything_is_read() -> None:
    config = read(EVERYTHING, SECRETS)
    document = tomllib.loads(EVERYTHING)
    for section in SECTIONS:
        for name, value in document[section].items():
            if name not in ("keys", "url"):
                assert getattr(getattr(config, section), name) == value, name
    strong, cheap, through = config.models
    assert (through.via, through.upstream_model) == ("any-llm", "anthropic/claude")
    assert (strong.id, strong.upstream_model, cheap.upstream_model) == (
        "strong",
        "gpt-large",
        "cheap",
    )
    assert strong.base_url == "https://host.example/openai/v1"
    assert strong.headers["api-key"].reveal() == SECRETS["AZURE_KEY"]
    assert strong.headers["cookie"].reveal() == f"session={SECRETS['COOKIE']}"
    assert strong.headers["x-title"].reveal() == "onehead"
    assert strong.query == {"api-version": "2024-10-21", "key": SECRETS["QUERY_KEY"]}
    assert strong.body["nested"] == {"list": [1, "two", True]}
    assert strong.capabilities == {
        "tools",
        "vision",
        "json_schema",
        "streaming",
        "chat",
        "responses",
    }
    assert cheap.api_key == Secret(SECRETS["UPSTREAM_KEY"])
    assert cheap.free
    assert not cheap.auto
    assert cheap.capabilities == set(CAPABILITIES)
    assert config.store.url.reveal() == "postgresql://onehead:pg-planted-5@db:5432/onehead"


def test_every_key_of_every_table_is_in_the_file_that_says_everything() -> None:
    """A field that is added without a test here would go unread."""
    document = tomllib.loads(EVERYTHING)
    for name, kind in {**SECTIONS, **LISTS}.items():
        tables = document[name] if isinstance(document[name], list) else [document[name]]
        given = {key for table in tables for key in table}
        assert {one.name for one in fields(kind)} <= given, name


def test_keys_are_kept_as_digests() -> None:
    listed, team, hashed = read(EVERYTHING, SECRETS).keys
    digest = hashlib.sha256(SECRETS["GATEWAY_KEY"].encode()).hexdigest()
    assert (listed.name, listed.sha256) == ("key-1", digest)
    assert (team.name, team.budget_usd, team.period) == ("team", 20, "week")
    assert team.sha256 == hashlib.sha256(SECRETS["TEAM_KEY"].encode()).hexdigest()
    assert (team.models, team.deny) == (("strong", "cheap"), ("cheap",))
    assert hashed.sha256 == hashlib.sha256(b"hello").hexdigest()


def test_the_contracts_example_is_open_on_loopback() -> None:
    config = read('[gateway]\nkeys = ["${ONEHEAD_KEY:-}"]\n' + MODEL)
    assert config.keys == ()
    named = read('[gateway]\nkeys = ["${ONEHEAD_KEY:-}"]\n' + MODEL, {"ONEHEAD_KEY": "k"})
    assert [key.name for key in named.keys] == ["key-1"]


def test_an_empty_file_is_the_default() -> None:
    assert read("") == default_config() == Config()
    assert default_config().routing.router == "bundled"
    assert default_config().store.url.reveal().startswith("sqlite:///")


def test_a_model_can_be_built_by_hand() -> None:
    model = ModelConfig(id="a", input_usd_per_million=None, output_usd_per_million=None)
    assert (model.upstream_model, model.base_url, model.auto) == ("a", None, True)


def test_variables_work_in_any_value() -> None:
    environment = {"PORT": " 81 ", "PRICE": "2.5", "STICKY": "False", "HOST": "::1", "EMPTY": ""}
    config = read(
        """
        gateway = { host = "${HOST}", port = "${PORT}", workers = "${WORKERS:-3}", log_level = "${EMPTY:-debug}" }
        routing = { sticky = "${STICKY}", willingness_to_pay = "${WTP:-$0.01}" }
        [[models]]
        id = "${PREFIX:-a}/b"
        input_usd_per_million = "${PRICE}"
        output_usd_per_million = 1
        body = { text = "$${PRICE} costs ${PRICE}" }
        """,
        environment,
    )
    assert (config.gateway.host, config.gateway.port, config.gateway.workers) == ("::1", 81, 3)
    assert (config.gateway.log_level, config.routing.sticky) == ("debug", False)
    assert config.routing.willingness_to_pay == 0.01
    model = config.models[0]
    assert (model.id, model.input_usd_per_million) == ("a/b", 2.5)
    assert model.body == {"text": "${PRICE} costs 2.5"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST.", "::1", "127.9.9.9"])
def test_open_is_allowed_on_this_machine(host: str) -> None:
    assert read(f'gateway.host = "{host}"').keys == ()


def test_an_option_that_opens_the_gateway_is_refused_too() -> None:
    config = default_config()
    exposed = replace(config, gateway=replace(config.gateway, host="0.0.0.0"))
    with pytest.raises(ConfigError, match=r"gateway\.host: without a key"):
        check_config(exposed)
    check_config(replace(exposed, keys=(KeyConfig(name="a", sha256="0" * 64),)))


@pytest.mark.parametrize(
    ("url", "memory"),
    [
        ("sqlite:///a.db", False),
        ("sqlite:////var/lib/a.db", False),
        ("sqlite://", True),
        ("sqlite:///:memory:", True),
        ("postgresql://host/db", False),
        ("postgresql://user@[::1]:5432/db?sslmode=require", False),
    ],
)
def test_stores(url: str, memory: bool) -> None:
    assert read(f'store.url = "{url}"').store.in_memory is memory
    whole = read('store.url = "${DATABASE_URL:-sqlite:///a.db}"', {"DATABASE_URL": url})
    assert whole.store.url.reveal() == url


def test_load_reads_files_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "81")
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbf" + b'gateway.port = "${PORT}"\r\n')
    config = load_config(path)
    assert (config.gateway.port, config.path) == (81, path)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("sk-planted")
    shown = f"{secret} {secret!r} {secret!s} {secret:>9} {[secret]} {{'a': {secret}}}" + str(secret)
    assert "planted" not in shown
    assert (secret.reveal(), bool(secret), bool(Secret(""))) == ("sk-planted", True, False)
    assert secret == Secret("sk-planted") != Secret("ö")
    assert secret != "sk-planted"
    assert len({secret, Secret("sk-planted"), Secret("other")}) == 2
    assert copy.deepcopy(secret) == pickle.loads(pickle.dumps(secret)) == secret
    with pytest.raises(TypeError):
        json.dumps(secret)


def shown_of(config: Config) -> str:
    return "\n".join([repr(config), json.dumps(describe(config)), *lines(config)])


def test_nothing_secret_is_shown() -> None:
    shown = shown_of(read(EVERYTHING, SECRETS))
    assert [name for name, value in SECRETS.items() if value in shown] == []
    digests = [hashlib.sha256(value.encode()).hexdigest() for value in SECRETS.values()]
    assert [digest for digest in digests if digest in shown] == []


_VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=40)


@given(_VISIBLE)
def test_no_secret_is_shown_whatever_it_looks_like(text: str) -> None:
    """Planted between marks that nothing else holds; who refuses it says nothing of it either."""
    environment = dict.fromkeys(SECRETS, f"Zq7{text}7qZ")
    environment["TEAM_KEY"] += "team"
    result = attempt(EVERYTHING, environment)
    shown = result if isinstance(result, str) else shown_of(result)
    assert "Zq7" not in shown
    assert "7qZ" not in shown


def test_description_tells_what_the_file_means() -> None:
    config = read(EVERYTHING, SECRETS)
    told = describe(config)
    assert told["gateway"]["address"] == "http://0.0.0.0:9090"
    assert not told["gateway"]["open"]
    assert told["store"]["url"] == "postgresql://db:5432/onehead"
    assert [key["name"] for key in told["keys"]] == ["key-1", "team", "hashed"]
    strong, cheap, _ = told["models"]
    assert (strong["upstream"], cheap["upstream"]) == (
        "https://host.example",
        "http://10.0.0.7:8000",
    )
    assert (strong["api_key_set"], cheap["api_key_set"]) == (False, True)
    assert (strong["connect_timeout_s"], cheap["connect_timeout_s"]) == (9, 1)
    text = "\n".join(lines(config))
    for part in (
        "Asks for one of 3 keys",
        "team: $20 a week, 60 requests a minute, 100,000 tokens a minute, only strong, cheap",
        "linear reward",
        "the model that the caller names answers",
        "strong answers",
        "$2.5 in, $10 out per million tokens, $0.001 a call; 128,000 tokens of context",
        "cheap: cheap at http://10.0.0.7:8000; key set; free; by name only",
        "prompts are kept in full, records for 30 days",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("", "no [[models]]"),
        (MODEL, "no routing.fallback"),
        (MODEL, "no store.retention_days"),
        (MODEL, "'strong' has no context_window"),
        (MODEL.replace("127.0.0.1", "a.example"), None),
        (MODEL.replace("http://127.0.0.1", "https://a.example"), "'strong' has no api_key"),
        (
            MODEL.replace("127.0.0.1", "a.example") + 'api_key = "${K}"',
            "without encryption",
        ),
        (MODEL.replace("base_url", "#"), "'strong' has no base_url"),
        (
            'routing.fallback = "strong"\n' + MODEL.replace("base_url", "#"),
            "'strong' has no base_url, so it cannot answer",
        ),
        (MODEL + "auto = false", "every model has auto = false"),
        ('store.prompts = "full"', "whoever reads the store"),
        ('store.url = "sqlite://"', "serve refuses it"),
    ],
)
def test_warnings(text: str, warning: str | None) -> None:
    told = describe(read(text, {"K": "k"}))["warnings"]
    if warning is None:
        assert not any("key" in one for one in told)
    else:
        assert any(warning in one for one in told), told


def test_the_documented_example_says_nothing_odd() -> None:
    example = read((ROOT / "examples" / "onehead.toml").read_text("utf-8"), {"OPENAI_API_KEY": "k"})
    assert describe(example)["warnings"] == []
    assert example.routing.fallback in {model.id for model in example.models}


def test_lines_of_keys() -> None:
    for path, wanted in (
        (("gateway", "host"), 'host = "0.0.0.0"'),
        (("store", "url"), "url = "),
        (("keys", 1, "sha256"), "sha256 = "),
        (("models", 0, "headers", "api-key"), "headers = "),
        (("models", 1, "output_usd_per_million"), "[[models]]"),
        (("models", 1, "free"), "free = true"),
    ):
        line = line_of(EVERYTHING, path)
        assert line is not None
        assert EVERYTHING.splitlines()[line - 1].startswith(wanted), path
    assert line_of("a = 1", ("b",)) is None


def test_lines_are_not_fooled_by_strings_and_lists() -> None:
    text = 'a = """\nport = 1\n"""\nb = [\n"x",\n["y"],\n]\n[gateway]\n"port" = 2\n'
    assert line_of(text, ("gateway", "port")) == 9
    assert line_of(text, ("port",)) is None


def test_every_field_says_what_it_is() -> None:
    for kind in {**SECTIONS, **LISTS}.values():
        for one in fields(kind):
            assert one.metadata["doc"].endswith("."), one.name
            assert one.metadata["read"].kind
            needed = one.default is MISSING and one.default_factory is MISSING
            assert needed == (one.name in ("id", "name", "sha256")), one.name
