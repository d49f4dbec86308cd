"""A plot of the page, with what it shows in words and the runs that it is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.report.markup import Html, details, element, table
from nthrun.index import format_indices

MAX_PARTS = 40


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot.

    Attributes:
        title: of it.
        body: drawing and legend.
        caption: what it shows.
        shown: the runs.
    """

    title: str
    body: Html
    caption: str
    shown: Sequence[Shown]

    def html(self) -> Html:
        """As a figure of the page."""
        caption = element("figcaption", element("strong", self.title), ": ", self.caption)
        return element("figure", caption, self.body, _runs(self.shown))


def _runs(shown: Sequence[Shown]) -> Html:
    """The runs, folded away; those of many settings of one name and stage are put together."""
    parts: dict[tuple[str, str, int, str], set[int]] = {}
    many = len(shown) > MAX_PARTS
    numbers: dict[tuple[str, str, int, str], set[int]] = {}
    for one in shown:
        key = (one.source, one.label, one.stage, "" if many else str(one.setting_number))
        parts.setdefault(key, set()).update(one.indices)
        numbers.setdefault(key, set()).add(one.setting_number)
    rows = [
        (
            label,
            source,
            str(stage),
            format_indices(numbers[source, label, stage, setting]),
            format_indices(indices),
        )
        for (source, label, stage, setting), indices in parts.items()
    ]
    total = len({(s, stage, index) for (s, _, stage, _), all_ in parts.items() for index in all_})
    head = ("shown as", "read from", "stage", "settings", "indices")
    return details(f"Runs shown ({total})", table("Runs that the plot shows", head, rows))
