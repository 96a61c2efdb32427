"""Turn benchmarks/results/*.json into docs/benchmarks.md, its pictures and the README's table.

    python benchmarks/page.py [--check]

Nothing on those pages is typed in: a test asserts that they are what this script makes of the JSON.
With --check nothing is written, and pages that differ are an error.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from common import RESULTS, ROOT
from page_gateway import gateway_sections
from page_knowledge import knowledge_sections
from page_models import model_sections
from page_preferences import preference_pictures, preference_sections
from page_readme import readme_table
from page_speed import speed_sections

from onehead.bench.page import sections
from onehead.bench.pictures import pictures
from onehead.bench.write import draw

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"
README = ROOT / "README.md"
BEGIN = "<!-- benchmarks: made by benchmarks/page.py -->"
END = "<!-- benchmarks: end -->"

INTRODUCTION = """\
# Benchmarks

Made by `python benchmarks/page.py` from `benchmarks/results/*.json`; no number here is typed in. What every
script measures, and how to run it again, stands in
[benchmarks/README.md](../benchmarks/README.md); figures are defined in [evaluation](evaluation.md). Ideas
that were tried, with what they brought, are in [benchmarks/LOG.md](../benchmarks/LOG.md).
"""


def main() -> None:
    check = "--check" in sys.argv[1:]
    found = results()
    if not check:
        draw(PICTURES, [*pictures(found["recipes"]), *preference_pictures(found)])
    for path, text in ((PAGE, page(found)), (README, readme(README.read_text("utf-8"), found))):
        if check and path.read_text("utf-8") != text:
            sys.exit(f"{path.name} is not what the results say: run python benchmarks/page.py")
        path.write_text(text, encoding="utf-8")


def results(folder: Path = RESULTS) -> dict[str, Any]:
    """Every result by the name of its script."""
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))
    }


def page(found: dict[str, Any]) -> str:
    """The page of all figures; what was not measured has no section."""
    drawn = {name for name, _ in pictures(found["recipes"])}
    recipes = sections(
        found["recipes"], lambda name: f"{PICTURES.name}/{name}.svg" if name in drawn else None
    )
    parts = [
        INTRODUCTION,
        *recipes,
        *preference_sections(found),
        *model_sections(found),
        *knowledge_sections(found),
        *speed_sections(found),
        *gateway_sections(found),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def readme(text: str, found: dict[str, Any]) -> str:
    """The README with what stands between the two marks made anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"README.md lacks its marks: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{readme_table(found).strip()}\n\n{END}{after}"


if __name__ == "__main__":
    main()
