"""README's examples are run, and its tables are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pages import blocks, copied_checkout, lines, run_commands
from processes import ROOT

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.specs.fingerprint import fingerprint

README = (ROOT / "README.md").read_text()
SHORT = {"total_timesteps": 200, "eval_interval_timesteps": 100, "eval_episodes": 1}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose Pendulum trains for 200 steps."""
    changes = {"config/environment/PendulumContinuous-v1.json": SHORT}
    return copied_checkout(tmp_path_factory.mktemp("checkout"), changes)


def test_commands_and_code_run(checkout: Path) -> None:
    """Every `bash` line and `python` block of README runs, in order, in a fresh checkout."""
    commands = lines(README)
    assert len(commands) >= 6
    run_commands(
        checkout, [*commands, *(f"python -c '{code}'" for code in blocks(README, "python"))]
    )
    assert (checkout / "plots/png/Pendulum-v1.png").stat().st_size > 10_000
    assert (checkout / "results/classic_sweep/Pendulum-v1_SAC_SquashedGaussian/runs").is_dir()


def test_the_index_table_is_the_golden_one() -> None:
    """README's table of indices is taken from docs/golden_index.json, whose spec it shows."""
    golden = json.loads((ROOT / "docs/golden_index.json").read_text())
    (spec,) = blocks(README, "json")
    assert json.loads(spec) == {key: golden[key] for key in ("agent_name", "parameters")}
    for row in golden["rows"]:
        line = f"| {' | '.join(map(str, row))} |"
        assert (line in README) == (row[0] in (0, 1, 2, 3, 9, 35, 36)), line


def test_every_file_the_map_names_exists() -> None:
    """README's map and links point at what is there."""
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
    for name in re.findall(r"^\| `([^|]+)` \|", README.partition("## Map")[2], re.MULTILINE):
        for part in name.replace("`", "").split(", "):
            assert list(ROOT.glob(part)), part


def test_the_shipped_sweep_has_eighty_settings() -> None:
    """The shipped SAC sweep spans 80 settings, and differs from the best spec in fingerprint."""
    environment = [str(ROOT / "config/environment/PendulumContinuous-v1.json")]
    specs = {
        name: read_experiment_spec(environment, [str(ROOT / f"config/agent/{name}.json")])
        for name in ("SAC_classic_sweep", "SAC_classic_best_pendulum")
    }
    assert specs["SAC_classic_sweep"].sweep.num_settings == 80
    assert specs["SAC_classic_best_pendulum"].sweep.num_settings == 1
    prints = {
        fingerprint(s.agent.as_document(), s.environment.as_document()) for s in specs.values()
    }
    assert len(prints) == 2
