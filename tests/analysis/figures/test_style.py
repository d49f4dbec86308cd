"""Laws of looks: colours, line styles, widths and fonts."""

from __future__ import annotations

import re

import pytest

from nthrun.agents import registry
from nthrun.analysis.figures.style import (
    AGENT_COLOURS,
    LINE_STYLES,
    VENUES,
    agent_colour,
    grid_of,
    looks,
    new_figure,
)


def test_agents() -> None:
    """Every shipped agent has a colour of its own choosing, and any other always the same one."""
    assert set(registry.AGENTS) <= set(AGENT_COLOURS)
    assert agent_colour("mine.module:Agent") == agent_colour("mine.module:Agent")
    assert re.fullmatch("#[0-9A-F]{6}", agent_colour("mine.module:Agent"))


def test_looks() -> None:
    """Lines of one agent share its colour and differ in style; no two lines look alike."""
    found = looks(["SAC", "VAC", "SAC", "SAC"])
    assert found[0].colour == found[2].colour == found[3].colour != found[1].colour
    assert len({str(look.style) for look in found if look.colour == found[0].colour}) == 3
    many = looks(["SAC"] * 3 * len(LINE_STYLES))
    assert len({(look.colour, str(look.style)) for look in many}) == len(many)


@pytest.mark.parametrize("venue", VENUES)
def test_venues(venue: str) -> None:
    """A figure is exactly as wide as its venue's text."""
    assert new_figure(VENUES[venue], (2, 3)).get_figwidth() == VENUES[venue].width_inches


@pytest.mark.parametrize("number", range(1, 14))
def test_grid(number: int) -> None:
    """A grid has room for every panel, and no empty row."""
    rows, columns = grid_of(number, VENUES["screen"])
    assert (rows - 1) * columns < number <= rows * columns
