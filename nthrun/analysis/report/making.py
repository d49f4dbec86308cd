"""Where an experiment's runs come from, and how to make them again, as parts of the page."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.analysis.report.findings import Findings
from nthrun.analysis.report.markup import Html, data_address, details, element, table
from nthrun.analysis.report.origin import origins
from nthrun.analysis.report.reproducing import (
    AGENT_FILE,
    BEST_FILE,
    spec_files,
    steps,
)
from nthrun.specs.search.search_spec import BAYES


def provenance(found: Findings) -> Iterator[Html]:
    """What the runs say of where they were made."""
    yield element("h3", "Provenance")
    rows = []
    for origin in origins(found.data):
        several = len(origin.values) > 1
        texts = [
            f"{value} ({number} runs)" if several else value
            for value, number in origin.values.items()
        ]
        more = origin.num_distinct - len(texts)
        items = [element("li", element("code", text)) for text in texts]
        tail = [element("li", f"{more} more")] if more else []
        rows.append((origin.name, str(origin.num_distinct), element("ul", *items, *tail)))
    yield table("What the runs were made with", ("what", "different", "which"), rows)


def reproduction(found: Findings) -> Iterator[Html]:
    """The specs, to be saved beside main.py, and commands that take them."""
    yield element("h3", "Reproduce")
    yield element("p", "Save the specs in the folder of main.py, and run there:")
    for name, text in spec_files(found).items():
        address = data_address(text.encode(), "application/json")
        link = element("a", f"Save {name}", href=address, download=name)
        note = " – the best setting alone, an experiment of its own" * (name == BEST_FILE)
        yield details(name + note, element("p", link), element("pre", text, class_="copied"))
    for step in steps(found):
        yield element("p", step.purpose[0].upper() + step.purpose[1:] + ":")
        yield element("pre", step.command, class_="copied")
    if found.search["method"] == BAYES:
        yield element(
            "p",
            "The search suggests settings from what it has seen, so that its indices mean these "
            f"settings in its own directory only; {BEST_FILE} in place of {AGENT_FILE} makes the "
            "best one anywhere.",
            class_="note",
        )
