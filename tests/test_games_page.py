"""docs/games.md: its specs and programs work as they stand, and its table is what they find."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from pages import blocks, lines
from processes import ROOT, TIMEOUT
from warm import warm_process

from nthrun import (
    ExperimentSpec,
    nash_equilibria,
    payoff_tables,
    read_experiment_spec,
    response_gains,
    responses,
)

PAGE = ROOT / "docs/games.md"
TEXT = PAGE.read_text()
GAMES = sorted(path.stem for path in (ROOT / "config/environment").glob("MatrixGame*.json"))


def spec_of(game: str) -> ExperimentSpec:
    """A shipped game."""
    files = ["environment/" + game, "agent/random"]
    environment, agent = ([str(ROOT / f"config/{name}.json")] for name in files)
    return read_experiment_spec(environment, agent)


def shown(numbers: object) -> str:
    """Numbers as the table has them."""
    return " ".join(f"{round(float(number), 3) + 0.0:g}" for number in numbers)  # type: ignore[attr-defined]


@pytest.mark.parametrize("game", GAMES)
def test_the_table_is_what_is_found(game: str) -> None:
    """Every shipped game has a row with what uniform play earns, what it leaves to gain, and all
    equilibria."""
    tables = payoff_tables(spec_of(game).environment.values)
    sizes = next(iter(tables.values())).shape
    uniform = {name: [1 / size] * size for name, size in zip(tables, sizes, strict=True)}
    earned = {name: [values.mean()] for name, values in responses(tables, uniform).items()}
    gains = {name: [gain] for name, gain in response_gains(tables, uniform).items()}
    cells = [", ".join(f"{n} {shown(v)}" for n, v in part.items()) for part in (earned, gains)]
    if len(tables) == 2:
        found = []
        for mixed in nash_equilibria(tables).mixed:
            odds = ", ".join(f"{name} {shown(part)}" for name, part in mixed.items())
            best = responses(tables, mixed)
            found.append(f"{odds}: " + ", ".join(shown([best[name].max()]) for name in tables))
        cells.append("; ".join(found))
    else:
        cells.append("not found for three roles")
    assert f"| `{game}` | {' | '.join(cells)} |" in TEXT.splitlines()


def test_the_example_is_the_shipped_game() -> None:
    """The spec that the page shows is chicken."""
    [example] = blocks(TEXT, "json")
    shipped = json.loads((ROOT / "config/environment/MatrixGame_chicken.json").read_text())
    assert json.loads(example).items() <= shipped.items()


def test_commands_and_programs_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's command trains four runs of uniform play, near what the table says of it, and its
    program prints three equilibria."""
    [command] = lines(TEXT)
    words = [str(ROOT / word) if "." in word else word for word in command.split()[1:]]
    words += ["--save-dir", str(tmp_path), "--backend", "eager"]
    done = warm_process().call(words, tmp_path, os.environ, TIMEOUT)
    returns = [float(number) for number in re.findall(r"return (\S+)", done.stdout + done.stderr)]
    assert len(returns) == 4, done.stderr
    assert all(abs(value - 3.75) < 0.5 for value in returns)
    [program] = blocks(TEXT, "python")
    exec(program.replace('"config/', f'"{ROOT}/config/'), {})
    *equilibria, _ = capsys.readouterr().out.splitlines()
    assert len(equilibria) == 3


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (PAGE.parent / link).exists(), link
