"""Configuration files for tests: one that says everything, and how to read text as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from onehead.config import parse_config
from onehead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.config import Config

MODEL = """
[[models]]
id = "strong"
base_url = "http://127.0.0.1:9001/v1"
input_usd_per_million = 2.5
output_usd_per_million = 10.0
"""

SECRETS = {
    "GATEWAY_KEY": "gk-planted-1",
    "TEAM_KEY": "tk-planted-2",
    "UPSTREAM_KEY": "uk-planted-3",
    "AZURE_KEY": "az-planted-4",
    "PGPASSWORD": "pg-planted-5",
    "QUERY_KEY": "qk-planted-6",
    "BODY_TEXT": "bt-planted-7",
    "COOKIE": "ck-planted-8",
}

EVERYTHING = """
[gateway]
host = "0.0.0.0"
port = 9090
keys = ["${GATEWAY_KEY}", "${ONEHEAD_KEY:-}"]
workers = 2
max_body_mb = 16
max_header_kb = 32
body_timeout_s = 20
header_timeout_s = 10
max_concurrency = 100
drain_s = 5
log_format = "json"
log_level = "warning"

[routing]
router = "routers/mine"
willingness_to_pay = 0.002
reward = "linear"
fallback = "strong"
max_cost_usd = 0.5
min_quality = 0.25
sticky = false
shadow = "caller"

[upstreams]
connect_timeout_s = 1
first_byte_timeout_s = 2
idle_timeout_s = 3
total_timeout_s = 4
retries = 0
retry_base_s = 0.5
retry_max_s = 5
max_attempts = 2
breaker_failures = 3
breaker_open_s = 4
breaker_max_s = 8
hedge_after_s = 1.5
connections = 64
max_answer_mb = 8

[store]
url = "postgresql://onehead:${PGPASSWORD}@db:5432/onehead"
prompts = "full"
retention_days = 30
queue = 100
spill = "/var/spool/onehead"

[[keys]]
name = "team"
key = "${TEAM_KEY}"
budget_usd = 20
period = "week"
warn_at = 0.5
requests_per_minute = 60
tokens_per_minute = 100000
models = ["strong", "cheap"]
deny = ["cheap"]
dashboard = false
max_cost_usd = 0.1
willingness_to_pay = "cheap"

[[keys]]
name = "hashed"
sha256 = "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824"

[[models]]
id = "strong"
base_url = "https://host.example/openai/v1/"
upstream_model = "gpt-large"
headers = { api-key = "${AZURE_KEY}", X-Title = "onehead", Cookie = "session=${COOKIE}" }
query = { api-version = "2024-10-21", key = "${QUERY_KEY}" }
body = { temperature = 0, user = "${BODY_TEXT}", nested = { list = [1, "two", true] } }
input_usd_per_million = 2.5
output_usd_per_million = 10
cached_input_usd_per_million = 1.25
request_usd = 0.001
context_window = 128000
max_output_tokens = 4096
capabilities = ["tools", "vision", "json_schema", "streaming"]
like = "gpt-4o-2024-05"
auto = true
stream_usage = false
connect_timeout_s = 9
first_byte_timeout_s = 8
idle_timeout_s = 7
total_timeout_s = 6

[[models]]
id = "cheap"
base_url = "http://10.0.0.7:8000/v1"
api_key = "${UPSTREAM_KEY}"
free = true
auto = false

[[models]]
id = "translated"
via = "any-llm"
upstream_model = "anthropic/claude"
free = true
auto = false
"""


def read(text: str, environment: Mapping[str, str] | None = None) -> Config:
    """`text` as a file named onehead.toml."""
    return parse_config(text, environment=environment or {}, where="onehead.toml")


def refused(text: str, environment: Mapping[str, str] | None = None) -> str:
    """What is said of a file that cannot be taken."""
    with pytest.raises(ConfigError) as caught:
        read(text, environment)
    # Whoever logs the error logs what it came from, too.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def attempt(text: str, environment: Mapping[str, str] | None = None) -> Config | str:
    """The configuration, or what is said of a file that cannot be taken."""
    try:
        return read(text, environment)
    except ConfigError as error:
        return str(error)
