"""Configuration files that cannot be taken: what is said, where, and what is never said."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from config_files import EVERYTHING, MODEL, SECRETS, attempt, refused
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onehead.config import load_config
from onehead.config.describe import describe, lines
from onehead.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SHA = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
KEY = f'[[keys]]\nname = "team"\nsha256 = "{SHA}"\n'


def model(extra: str = "", **changed: str) -> str:
    """A model with some of its lines changed."""
    text = MODEL
    for name, value in changed.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
    return text + extra


CASES = [
    # unknown names
    ("[gatway]", "onehead.toml:1: gatway: unknown table. Did you mean 'gateway'?"),
    ("[gateway]\nprot = 1", "onehead.toml:2: gateway.prot: unknown key. Did you mean 'port'?"),
    (model("inputusd_per_million = 1"), "Did you mean 'input_usd_per_million'?"),
    ("port = 1", "port: unknown table. It belongs in [gateway]."),
    ("[routing]\nworkers = 1", "It belongs in [gateway]."),
    ("[routing]\nxyz = 1", "Known here: router, willingness_to_pay"),
    ("[store]\nbudget_usd = 1", "It belongs in [[keys]]."),
    # shapes
    ("gateway = 1", "gateway: a whole number where a table is wanted"),
    ("[[gateway]]\nport = 1", "write [gateway] with single brackets"),
    ("[models]\nid = 'a'", "begin each with [[models]]"),
    ("models = [1]", "models[0]: a whole number where a table is wanted"),
    ("keys = [1]", "keys[0]: a whole number where a table is wanted"),
    # types
    ("gateway.port = '8080'", "a string where a whole number is wanted; write it without quotes"),
    ("gateway.port = 80.5", "gateway.port: a number where a whole number is wanted"),
    ("gateway.port = true", "gateway.port: true or false where a whole number is wanted"),
    ("gateway.host = 1", "gateway.host: a whole number where a string is wanted"),
    ("gateway.host = 2026-01-01", "a date or time where a string is wanted"),
    ("routing.sticky = 1", "a whole number where true or false is wanted"),
    ("routing.sticky = 'no'", "a string where true or false is wanted"),
    ("gateway.keys = 'k'", "gateway.keys: a string where a list of strings is wanted"),
    ("gateway.keys = [1]", "gateway.keys[0]: a whole number where a string is wanted"),
    (model("capabilities = 'tools'"), "models[0].capabilities (model 'strong'): a string where a"),
    (model("headers = 'a'"), "a string where a table such as"),
    (model("body = [1]"), "body (model 'strong'): a list where a table such as"),
    # ranges
    ("gateway.port = 65536", "gateway.port: 65536 is out of range; give a whole number from 0 to"),
    ("gateway.port = -1", "out of range"),
    ("gateway.workers = 0", "gateway.workers: 0 is out of range"),
    ("gateway.drain_s = inf", "the number is not finite"),
    ("gateway.body_timeout_s = nan", "the number is not finite"),
    ("gateway.body_timeout_s = 0", "give a number above 0"),
    ("upstreams.max_attempts = 0", "upstreams.max_attempts: 0 is out of range"),
    ("upstreams.retry_base_s = 9", "upstreams.retry_base_s: longer than retry_max_s"),
    ("upstreams.breaker_open_s = 999", "longer than breaker_max_s"),
    ("routing.min_quality = 1.5", "from 0 to 1"),
    ("routing.max_cost_usd = 0", "above 0"),
    ("store.retention_days = -1", "above 0"),
    ("store.queue = 0", "a whole number from 1"),
    (f"gateway.port = {10**400}", "out of range"),
    # words
    ("gateway.log_format = 'jsn'", "not one of: text, json. Did you mean 'json'?"),
    ("routing.reward = 'linaer'", "not one of: exponential, linear. Did you mean 'linear'?"),
    ("routing.willingness_to_pay = 'chep'", "Did you mean 'cheap'?"),
    ("routing.willingness_to_pay = 0", "above 0 and finite"),
    ("routing.willingness_to_pay = inf", "above 0 and finite"),
    ("routing.willingness_to_pay = true", "true or false where one of cheap"),
    ("store.prompts = 'all'", "not one of: none, hash, full"),
    (
        model("capabilities = ['visoin']"),
        "capabilities[0] (model 'strong'): not one of: tools, vision",
    ),
    (model("capabilities = ['visoin']"), "Did you mean 'vision'?"),
    (model("capabilities = ['tools', 'tools']"), "twice"),
    # names
    (model(id='""'), "models[0].id (model ''): empty"),
    (model(id='"  "'), "empty"),
    (model(id='" a"'), "begins or ends with a blank"),
    (model(id='"a,b"'), "holds no comma"),
    (model(id='"a\\\\nb"'), "line break"),
    (model(id='"auto"'), "asks the router to choose"),
    (model(id='"auto:best"'), "asks the router to choose"),
    (model(id=f'"{"a" * 300}"'), "longer than 256"),
    (MODEL + MODEL, "models[1].id (model 'strong'): models[0] has the same id"),
    ("[[models]]\nfree = true", "models[0].id: missing; write id = "),
    ("gateway.host = ' '", "gateway.host: empty"),
    ("routing.router = ''", "routing.router: empty"),
    # prices
    (model(input_usd_per_million="-1"), "-1 is out of range; give a number from 0 to"),
    (model(input_usd_per_million="nan"), "input_usd_per_million (model 'strong'): the number is"),
    (model("free = true"), "a price, and free = true; remove one"),
    (MODEL.replace("input_usd", "# "), "models[0].input_usd_per_million (model 'strong'): missing"),
    (
        MODEL.replace("output_usd", "# ") + "auto = false",
        "unknown price is never taken for zero. Write output_usd_per_million = …, or free = true",
    ),
    ("[[models]]\nid = 'a'\nfree = true\nrequest_usd = 0.1", "request_usd (model 'a'): a price"),
    (model("context_window = 10\nmax_output_tokens = 11"), "larger than context_window"),
    # URLs
    (model(base_url='"api.openai.com/v1"'), "begins with http:// or https://"),
    (model(base_url='"ftp://host/v1"'), "begins with http:// or https://"),
    (model(base_url='"http://"'), "names no host"),
    (model(base_url='"http://u:planted@host/v1"'), "the URL holds a user or password"),
    (model(base_url='"http://planted@host/v1"'), "the URL holds a user or password"),
    (model(base_url='"http://host:planted/v1"'), "check its host and port"),
    (model(base_url='"http://host:70000/v1"'), "check its host and port"),
    (model(base_url='"http://[host/v1"'), "check its host and port"),
    (model(base_url='"http://host/v1?key=planted"'), "put parameters in query"),
    (model(base_url='"http://host/v1/chat/completions"'), "ends before /chat/completions"),
    (model(base_url='"http://a b/v1"'), "names no host"),
    # models that there are not
    ("routing.fallback = 'a'", "routing.fallback: names a model, and the file has none"),
    ("routing.fallback = 'stron'\n" + MODEL, "Did you mean 'strong'? Known: strong."),
    ("routing.shadow = 'calller'\n" + MODEL, "no model has this id, or 'caller'"),
    (MODEL + KEY + "models = ['x']", "keys[0].models[0] (key 'team'): no model has this id"),
    (MODEL + KEY + "deny = ['x']", "keys[0].deny[0] (key 'team'): no model has this id"),
    (KEY + "models = []", "the key may use no model"),
    (KEY + "models = ['a']\ndeny = ['a']", "the key may use no model"),
    # keys
    (KEY + KEY, "keys[1].name (key 'team'): another key has the same name"),
    (KEY + KEY.replace("team", "b"), "keys[1] (key 'b'): the same key as 'team'"),
    ("[[keys]]\nname = 'a'", "keys[0].key (key 'a'): missing; write key = \"${NAME}\""),
    ("[[keys]]\nkey = '${A}'", "keys[0].name: missing"),
    (KEY + "key = '${A}'", "key and sha256 are both given"),
    ("[[keys]]\nname = 'a'\nkey = '${NONE:-}'", "the variable is empty; set it, or remove"),
    (KEY.replace(SHA, "planted"), "not a SHA-256 in hexadecimal"),
    (KEY + "period = 'weak'", "Did you mean 'week'?"),
    (KEY + "budget_usd = -1", "out of range"),
    (KEY + "warn_at = 2", "from 0 to 1"),
    (KEY + "requests_per_minute = 0", "out of range"),
    ("gateway.keys = ['${A}', '${A}']", "gateway.keys[1] (key 'key-2'): the same key as 'key-1'"),
    # secrets in the file
    (
        "gateway.keys = ['sk-planted']",
        "gateway.keys[0]: a secret is written in the file; put it in",
    ),
    ("gateway.keys = ['${NONE:-sk-planted}']", "as the default of a variable; put it in the"),
    ("[[keys]]\nname = 'a'\nkey = 'sk-planted'", "a secret is written in the file; put it in"),
    (model("api_key = 'sk-planted'"), 'for example api_key = "${NAME}"'),
    (model("api_key = 'sk-planted${A}'"), "a secret is written in the file"),
    (model("headers.Authorization = 'Bearer planted'"), "a secret is written in the file"),
    (model("headers.x-api-key = 'planted'"), "headers.x-api-key (model 'strong'): a secret is"),
    (model("headers.Cookie = 'planted'"), "a secret is written in the file"),
    (model("headers.api-key = '${NONE:-planted}'"), "a secret is written in the file"),
    (model("query.key = 'planted'"), "query.key (model 'strong'): a secret is written"),
    ("store.url = 'postgresql://u:planted@h/db'", "the password is written in the file; put it in"),
    ("store.url = 'postgresql://u:${NONE:-planted}@h/db'", "the password is written in the file"),
    ("store.url = '${NONE:-postgresql://u:planted@h/db}'", "the password is written in the file"),
    ("store.url = 'postgresql://u@h/db?password=planted'", "the password is written in the file"),
    # headers and bodies
    (model("headers = { 'a b' = 'x' }"), "a header's name holds"),
    (model("headers = { Host = 'x' }"), "follows from the request"),
    (model("headers = { A = 'x', a = 'y' }"), "the header is set twice"),
    (model('headers = { a = "x\\ny" }'), "line break"),
    (model('headers = { a = "é" }'), "no HTTP header can carry"),
    (
        model("api_key = '${A}'\nheaders = { Authorization = 'Bearer ${A}' }"),
        "api_key sets this header too",
    ),
    (model("body = { model = 'x' }"), "body.model (model 'strong'): this key is the client's"),
    (model("body = { a = [nan] }"), "body.a[0] (model 'strong'): the number is not finite"),
    (model(f"body = {{ a = {'[' * 40}{']' * 40} }}"), "nested deeper than 32 levels"),
    (model("body = { a = 2026-01-01 }"), "a date or time where a string, number"),
    # the store
    ("store.url = 'mysql://h/db'", "the store is none that onehead knows"),
    ("store.url = 'postgres://h/db'", "Write postgresql:// in full"),
    ("store.url = 'sqlite:///'", "three slashes and a path"),
    ("store.url = 'sqlite://onehead.db'", "three slashes and a path"),
    ("store.url = 'postgresql:///db'", "names no host"),
    ("store.url = 'postgresql://h'", "names no database"),
    ("store.url = 'postgresql://u:${SLASH}@h/db'", "percent-encode what"),
    ("store.url = 'postgresql://u:${HASH}@h/db'", "percent-encode what"),
    ("store.url = 'postgresql://u:${AT}@h/db'", "percent-encode what"),
    ("store.url = 'sqlite:///a.db?mode=ro'", "holds ? or #"),
    # variables
    ("gateway.host = '${HOTS}'", "variable HOTS is not set. Did you mean 'HOST'?"),
    ("gateway.host = '${HOST'", "a variable is not written properly"),
    ("gateway.host = '${1}'", "a variable is not written properly"),
    ("gateway.port = '${A}'", "gateway.port: what the variable holds is not a whole number"),
    ("routing.sticky = '${A}'", "what the variable holds is not true or false"),
    (model("api_key = '${UTF}'"), "holds characters that no HTTP header can carry"),
    # open beyond this machine
    ("gateway.host = '0.0.0.0'", "open to everyone who reaches this address. Set gateway.keys"),
    ("gateway = { host = '::', keys = ['${NONE:-}'] }", "or listen on 127.0.0.1"),
    ("gateway.host = 'http://127.0.0.1'", "give a host name or address alone"),
    ("gateway.host = '[::1]'", "give a host name or address alone"),
    (model(f"body = {{ a = {2**63} }}"), "does not fit in 64 bits"),
    ("gateway.host = '127.0.0.1:80'", "give a host name or address alone"),
]
ENVIRONMENT = {
    "A": "planted-a",
    "HOST": "::1",
    "AT": "planted/x@y",
    "SLASH": "planted/x",
    "HASH": "planted#x",
    "UTF": "plantedé",
}


@pytest.mark.parametrize(("text", "says"), CASES, ids=[case[1][:60] for case in CASES])
def test_refused(text: str, says: str) -> None:
    said = refused(text, ENVIRONMENT)
    assert says in said
    assert said.startswith("onehead.toml")
    assert "planted" not in said
    assert "\n" not in said


def test_the_line_and_the_model_are_named() -> None:
    text = MODEL + MODEL.replace("strong", "weak").replace("10.0", "-10.0")
    assert refused(text).startswith(
        "onehead.toml:12: models[1].output_usd_per_million (model 'weak'): -10 is out of range"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\nb = planted\n", "onehead.toml:2:5: not valid TOML: "),
        ("a = 1\na = 2\n", "onehead.toml:2:6: not valid TOML: "),
        ('a = "planted', "onehead.toml:1:13: not valid TOML: "),
        ("a = " + "[" * 100_000, "onehead.toml"),
        (f"a = {'9' * 10_000}", "onehead.toml"),
        ("a = 2026-02-31", "onehead.toml"),
    ],
)
def test_text_that_is_not_toml(text: str, place: str) -> None:
    said = refused(text)
    assert said.startswith(place)
    assert "planted" not in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a = 1\nb = '\xff'", r"a\.toml:2:6: not UTF-8"),
        (b"#" * (5 << 20), "larger than 4 MB"),
        (None, r"a\.toml: No such file"),
    ],
)
def test_files_that_cannot_be_read(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        load_config(path)


def test_a_folder_and_an_odd_path_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match="is no path"):
        load_config("a\0b")


LINES = [line for line in EVERYTHING.splitlines() if " = " in line]
PLAIN = ("id", "name", "upstream_model", "like", "host", "router", "spill", "models", "deny")
"""Keys whose values are names or places, which are shown."""


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("value", ['"Zq7 7qZ"', '["Zq77qZ"]', '{ a = 1, b = "Zq77qZ" }'])
def test_a_secret_in_the_wrong_place_is_not_repeated(line: str, value: str) -> None:
    name = line.partition(" = ")[0]
    result = attempt(EVERYTHING.replace(line, f"{name} = {value}", 1), SECRETS)
    if isinstance(result, str):
        assert "Zq7" not in result or name in ("id", "name")
    elif name not in PLAIN:
        shown = repr(result) + json.dumps(describe(result)) + "".join(lines(result))
        assert "Zq7" not in shown


@settings(max_examples=300)
@given(st.text(max_size=200))
@example("a.b.c = 1")
@example("[[models]]\n[[models.id]]")
@example("[gateway]\nkeys = [[[]]]")
@example("gateway.keys.a = 1")
def test_any_text_is_taken_or_refused(text: str) -> None:
    result = attempt(text)
    assert not isinstance(result, str) or result.startswith("onehead.toml")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300)
@given(st.sampled_from(LINES), _JSON)
def test_any_value_is_taken_or_refused(line: str, value: object) -> None:
    written = json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")
    written = re.sub(r"\\ud[89a-f]..|\x7f", "?", written).replace("null", "{}")
    name = line.partition(" = ")[0]
    result = attempt(EVERYTHING.replace(line, f"{name} = {written}", 1), SECRETS)
    assert not isinstance(result, str) or result.startswith("onehead.toml")
