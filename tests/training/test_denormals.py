"""Denormal numbers are zero in steps, in either backend, and what they are everywhere else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from denormal import SMALL, World, is_kept
from packs import BACKENDS, train

from nthrun.agents.base import gradient
from nthrun.commands.run import run as main
from nthrun.compiler.denormals import Flushing, can_flush, is_flushing
from nthrun.compiler.kernel import Kernel
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import Run
from nthrun.training import provenance
from nthrun.training.comparability import NUMBERS, difference
from nthrun.training.context import make_context

RECORDS = Path(__file__).parents[1] / "data/records_of_before"
PROTOCOL = {
    "total_timesteps": 20,
    "steps_per_episode": 5,
    "eval_interval_timesteps": 10,
    "eval_episodes": 1,
}


def spec_of(agent: str, environment: str) -> ExperimentSpec:
    """An agent, own or not, in an environment."""
    document = PROTOCOL | {"env_name": environment}
    if environment == "GHM":
        document |= {"horizon": 10.0, "dt": 1.0, "steps_per_episode": 10}
    return experiment_spec_of(document, {"agent_name": agent, "parameters": {}}, "e")


def trained(agent: str, environment: str, backend: str) -> Run:
    """The record of one run; whatever trained it, this thread is as it was."""
    run = train(
        spec_of(agent, environment), [0], context=make_context(spec_of(agent, environment), backend)
    )[0]
    assert is_kept()
    assert run["status"] == "completed", run["reason"]
    return run


@pytest.mark.parametrize("environment", ["Pendulum-v1", "denormal:World"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_takes_a_denormal_number_for_zero(backend: str, environment: str) -> None:
    """A denormal number in a state that steps compute with is 0 after them, and worlds on the host
    see such numbers as they are."""
    World.seen.clear()
    run = trained("denormal:Denormal", environment, backend)
    assert run["learned_params"]["small"].tolist() == [0.0]
    assert all(World.seen)
    assert len(World.seen) == (0 if environment == "Pendulum-v1" else 2 + 5 + 20 + 3 * 6)


def test_an_oracle_sees_denormal_numbers() -> None:
    """What a solver computes on the host beside its steps has denormal numbers as they are."""
    run = trained("denormal:Oracle", "GHM", "eager")
    assert run["learned_params"]["small"].tolist() == [0.0]
    assert run["eval_metrics"]["kept"].tolist() == [1.0, 1.0, 1.0]


def test_compiled_code_flushes_where_its_caller_does() -> None:
    """In every lane and step, and only within the block that asks for it."""
    kernel = Kernel(
        [lambda given: {"x": given["x"] * 0.5}], {"x": torch.ones(1, 3)}, frozenset("x")
    )

    def halved() -> list[float]:
        state = {"x": torch.tensor([[1.0, SMALL, -2e-38]] * 2)}
        kernel(state, {}, np.zeros(1, np.uint8), [0, 1])
        assert torch.equal(state["x"][0], state["x"][1])
        return [abs(number) for number in state["x"][0].tolist()]

    with Flushing():
        assert halved() == [0.5, 0.0, 0.0]
    assert min(halved()) > 0.0


def test_flushing_ends_with_its_block_whatever_ends_it() -> None:
    """Gradients within are flushed too; an exception restores what was, one block within another
    as well."""
    slope = None
    with pytest.raises(KeyError), Flushing():
        with Flushing():
            _, _, slope = gradient(
                lambda x: ((x * 1e-30).sum(1), x), torch.full((1, 1), 1.0) * torch.tensor(1.0)
            )
            (small,) = gradient(lambda x: ((x * 1e-30 * 1e-10).sum(1), x), torch.ones(1, 1))[2]
            assert small.tolist() == [0.0]
        assert is_flushing()
        raise KeyError
    assert is_kept()
    assert slope is not None
    assert slope.item() == pytest.approx(1e-30)


def test_records_say_what_is_done_with_denormal_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record says that they are flushed, and where the processor cannot, that they are not."""
    run = trained("random", "Pendulum-v1", "eager")
    assert can_flush()
    assert run["provenance"]["denormals"] == "flushed to zero"
    assert run["provenance"]["numbers"] == NUMBERS
    monkeypatch.setattr(provenance, "can_flush", lambda: False)
    kept = trained("random", "Pendulum-v1", "eager")
    assert kept["provenance"]["denormals"] == "as the processor has them"


def test_what_was_made_before_is_not_comparable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verifying a record made before steps flushed says so, and exits with 3; nothing differs."""
    case = RECORDS / "random-Uniform-continuous"
    shutil.copytree(case / "save", tmp_path / "save")
    specs = ["--env-json", str(case / "environment.json"), "--agent-json", str(case / "agent.json")]
    where = ["--save-dir", str(tmp_path / "save"), "--index", "0-1", "--verify"]
    assert main.main([*specs, *where], standalone_mode=False) == 3
    lines = capsys.readouterr().out.splitlines()
    told = "not comparable, made before denormal numbers were flushed to zero"
    assert [line.partition(": ")[2][: len(told)] for line in lines] == [told] * 2


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"torch": "1", "numbers": 2, "denormals": "x"}, ""),
        ({"torch": "1"}, "made before denormal numbers were flushed to zero"),
        (
            {"torch": "0", "numbers": 1},
            "made before denormal numbers were flushed to zero, made with other torch",
        ),
        ({"torch": "1", "numbers": 3, "denormals": "x"}, "made with other numbers"),
        ({"torch": "1", "numbers": 2, "denormals": "y"}, "made with other denormals"),
        ({"torch": "1", "numbers": "2", "denormals": "x"}, "made with other numbers"),
    ],
)
def test_what_differs_is_told(made: dict[str, Any], told: str) -> None:
    """What was made by an earlier version, or with other things, is told apart by name."""
    assert difference(made, {"torch": "1", "numbers": 2, "denormals": "x"}) == told
