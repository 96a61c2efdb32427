"""`onehead feedback`: say how good an answer was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from onehead.cli.log import open_store, store_options
from onehead.cli.options import Number, Place, json_option
from onehead.errors import OneheadError, UnknownDecision, UsageError

if TYPE_CHECKING:
    import httpx

_KEY = "ONEHEAD_KEY"
_PATIENCE_S = 30.0


@click.command(
    epilog="\b\nExample:\n  onehead feedback dec_0c8f3a… --quality 1 --url http://127.0.0.1:8080"
)
@click.argument("decision_id")
@click.option("--quality", required=True, type=Number(), help="From 0 (useless) to 1 (perfect).")
@click.option("--comment", metavar="TEXT", help="Why.")
@click.option(
    "--url",
    "gateway",
    type=Place(),
    metavar="URL",
    help=f"A running gateway; its key is read from ${_KEY}.",
)
@store_options
@json_option
def feedback(
    *,
    decision_id: str,
    quality: float,
    comment: str | None,
    gateway: str | None,
    url: str | None,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Say how good the answer of a decision was.

    The id stands in the answer's header x-onehead-decision-id. Said again, the last word counts.
    """
    from onehead.cli.output import note, print_json

    if gateway is not None:
        if url is not None or config_path is not None:
            raise UsageError("give one of --url, --store and --config.")
        _send(gateway, {"decision_id": decision_id, "quality": quality, "comment": comment})
    else:
        with open_store(url, config_path) as store:
            store.add_feedback(decision_id, quality, comment, source="cli")
    if as_json:
        print_json({"decision_id": decision_id, "quality": quality})
    else:
        note("kept.")


def _send(gateway: str, body: dict[str, Any]) -> None:
    """Post to the gateway; its own words where it refuses."""
    import httpx

    key = os.environ.get(_KEY)
    given = {name: value for name, value in body.items() if value is not None}
    address = f"{gateway.rstrip('/').removesuffix('/v1')}/v1/feedback"
    try:
        answer = httpx.post(
            address,
            json=given,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=_PATIENCE_S,
        )
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise UsageError(
            f"{gateway}: no gateway answers there ({error or type(error).__name__}). "
            "Check the address and that `onehead serve` runs."
        ) from None
    if answer.is_success:
        return
    said = f"{gateway}: {_reason(answer)}"
    if answer.status_code == 404:
        raise UnknownDecision(said)
    if answer.status_code == 401:
        raise UsageError(f"{said} Set {_KEY} to a key of the gateway.")
    raise UsageError(said) if answer.is_client_error else OneheadError(said)


def _reason(answer: httpx.Response) -> str:
    """What the gateway says, or its status where that is no error of its own."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"answered {answer.status_code} and no reason. Is it a onehead gateway?"
