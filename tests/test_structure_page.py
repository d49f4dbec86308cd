"""docs/structure.md and docs/glossary.md say what is there."""

from __future__ import annotations

import re
import tomllib

from processes import ROOT

from nthrun.records.schema import FLOATS, INTEGERS, JSON_TEXTS, OMITTED_FROM_JSON, TEXTS

PAGE = (ROOT / "docs/structure.md").read_text()
MOST_FILES = 15


def section(title: str) -> str:
    """The text under a heading."""
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_record_table_names_every_key() -> None:
    """The page documents every key of a record."""
    table = section("Keys of a record")
    arrays = ("eval_episode_rewards", "eval_episode_steps", "timesteps_at_eval")
    training = ("train_episode_rewards", "train_episode_steps", "eval_metrics")
    described = (*INTEGERS, *FLOATS, *TEXTS, *JSON_TEXTS, *OMITTED_FROM_JSON, *arrays, *training)
    assert not [key for key in described if f"`{key}`" not in table]


def test_an_index_passes_few_files() -> None:
    """From main.py to its record an index takes at most 15 files, each of which exists."""
    files = re.findall(r"^\d+\. `([^`]+)`", section("The way of an index"), re.MULTILINE)
    assert files[0] == "main.py"
    assert 5 < len(files) <= MOST_FILES
    assert not [file for file in files if not (ROOT / file).is_file()]


def test_the_layers_are_those_that_are_checked() -> None:
    """The table of layers has the order that `make check` enforces."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section("Layers"), re.MULTILINE)
    told = [set(re.findall(r"\w+", row)) for row in rows]
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = configuration["tool"]["importlinter"]["contracts"]
    (layers,) = (c["layers"] for c in contracts if c["name"].startswith("Layers"))
    checked = [set(re.findall(r"nthrun\.(\w+)", layer)) for layer in reversed(layers)]
    position = {name: place for place, names in enumerate(checked) for name in names}
    assert {name for names in told for name in names} == set(position)
    order = [position[name] for names in told for name in sorted(names, key=position.get)]
    assert order == sorted(order)


def test_the_glossary_has_fifteen_words() -> None:
    """The glossary stays short enough to be read."""
    glossary = (ROOT / "docs/glossary.md").read_text()
    assert len(re.findall(r"^\| [a-z ]+ \|", glossary, re.MULTILINE)) == 16  # with the heading
