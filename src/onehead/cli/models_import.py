"""`onehead models import`: what an upstream offers, as blocks for a configuration file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onehead.cli.options import Place, json_option, models_option
from onehead.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    import httpx

    from onehead.config.offers import Listing, Offer

_TIMEOUT_S = 30.0
_LARGEST = 64 << 20
_HEAD = """\
# What {base_url} offered. Check prices and limits, then: onehead config check FILE
"""


@click.command(
    "import",
    epilog="\b\nExample:\n  onehead models import --base-url https://openrouter.ai/api/v1 "
    "--api-key-env OPENROUTER_API_KEY",
)
@click.option("--base-url", required=True, metavar="URL", help="Upstream, up to and with /v1.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the upstream's key.")
@click.option(
    "--prices", type=Place(), metavar="FILE", help="Your prices and limits (TOML or JSON)."
)
@click.option("--like", metavar="MODEL", help="Model of the router that the new ones start from.")
@models_option("Only these of the upstream's models.")
@click.option("--out", type=Place(), metavar="FILE", help="Write the blocks to this new file.")
@json_option
def import_models(
    *,
    base_url: str,
    api_key_env: str | None,
    prices: str | None,
    like: str | None,
    models: tuple[str, ...] | None,
    out: str | None,
    as_json: bool,
) -> None:
    """Print a [[models]] block for every model that an upstream offers.

    Prices and limits come from FILE, else from the upstream's own list, else from list prices that
    come with onehead and may be out of date. A price that nobody knows stays a comment:
    `onehead config check` refuses the file until it is filled in.
    """
    from onehead.cli.output import note, print_json
    from onehead.config.blocks import block, fields_of

    url = _base_url(base_url)
    listing = _ask(url, _key(api_key_env))
    offers = _priced(_named(listing.offers, models), url, prices)
    for reason in listing.skipped:
        note(f"left out: {_printable(reason)}")
    text = "\n".join(
        [_HEAD.format(base_url=url), *(block(one, url, api_key_env, like) for one in offers)]
    )
    if out is not None:
        _write(out, text)
    missing = [one.id for one in offers if not one.priced]
    if as_json:
        rows = [{**fields_of(one, url, api_key_env, like), "source": one.source} for one in offers]
        print_json({"base_url": url, "models": rows, "missing_prices": missing, "out": out})
    elif out is None:
        click.echo(text, nl=False)
    else:
        note(f"wrote {len(offers)} models to {out}")
    if missing:
        note(
            f"no price known for {len(missing)} of {len(offers)}: fill them in, pass --prices, or "
            "choose others with --models."
        )


def _base_url(value: str) -> str:
    """The address, checked as in a configuration file."""
    from onehead.config.place import Place as Where
    from onehead.config.place import Source
    from onehead.config.urls import BaseUrl

    url: str = BaseUrl()(value.replace("${", "$${"), Where(Source("--base-url")))
    return url


def _key(variable: str | None) -> str | None:
    """The key in the environment variable that was named."""
    if variable is None:
        return None
    if not variable.isidentifier() or not variable.isascii():
        raise UsageError(
            "--api-key-env takes the name of a variable, such as OPENAI_API_KEY, not the key itself."
        )
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UsageError(
            f"the variable {variable} is empty or not set.{did_you_mean(variable, os.environ)} "
            "Put the upstream's key in it."
        )
    if not key.isascii() or not key.isprintable():
        raise UsageError(f"the key in {variable} holds characters that no HTTP header can carry.")
    return key


def _client() -> httpx.Client:
    """What asks the upstream; redirects are not followed, they would carry the key elsewhere."""
    import httpx

    return httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)


def _ask(url: str, key: str | None) -> Listing:
    """The upstream's list; DataError says what it answered instead."""
    import httpx

    from onehead.config.offers import read_listing

    place = f"{url}/models"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        with _client() as client, client.stream("GET", place, headers=headers) as response:
            _check_status(response, place, key)
            content = _body(response, place)
    except httpx.TimeoutException as error:
        raise DataError(f"{place} did not answer in {_TIMEOUT_S:g} s; try later.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(
            f"{place} cannot be reached ({type(error).__name__}). Check the URL, and that it runs."
        ) from error
    try:
        listing = read_listing(_json(content))
    except (ValueError, RecursionError):
        raise DataError(
            f"{place} did not answer with JSON. Check the base URL; it usually ends in /v1."
        ) from None
    except DataError as error:
        raise DataError(f"{place}: {error}") from None
    if not listing.offers:
        raise DataError(f"{place} offers no model that could be used; check the URL and the key.")
    return listing


def _json(content: bytes) -> Any:
    import json

    return json.loads(content)


def _body(response: httpx.Response, place: str) -> bytes:
    """The body, unless it is longer than any list of models."""
    content = bytearray()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > _LARGEST:
            raise DataError(f"{place} answers with more than {_LARGEST >> 20} MB; is it the list?")
    return bytes(content)


def _check_status(response: httpx.Response, place: str, key: str | None) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (401, 403):
        what = "the key was refused" if key else "it asks for a key"
        raise DataError(
            f"{place} answered {status}: {what}. Name the variable that holds a valid one with "
            "--api-key-env."
        )
    if 300 <= status < 400:
        raise DataError(f"{place} answered {status} and leads elsewhere; give the final base URL.")
    remedy = "Check the base URL; it usually ends in /v1." if status == 404 else "Try later."
    raise DataError(f"{place} answered {status}. {remedy}")


def _named(offers: list[Offer], names: tuple[str, ...] | None) -> list[Offer]:
    """The offers of these names, in their order; all without names."""
    if names is None:
        return offers
    known = {one.id: one for one in offers}
    for name in names:
        if name not in known:
            raise UsageError(
                f"the upstream offers no model {name!r}.{did_you_mean(name, known)} "
                f"It offers {len(known)} models."
            )
    return [known[name] for name in names]


def _priced(offers: list[Offer], url: str, path: str | None) -> list[Offer]:
    """The offers with prices: the user's, else the upstream's, else list prices."""
    from onehead.config.prices import read_prices, shipped_prices

    own = read_prices(path) if path else None
    known = [shipped_prices().complete(one, url) for one in offers]
    return [own.complete(one, url, over=True) for one in known] if own else known


def _write(out: str, text: str) -> None:
    """A new file; one that is there is never overwritten."""
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{out} exists; name a new file, or print without --out.") from None


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
