"""Records made by earlier code: what the code of today makes of them.

Each folder of `data/records_of_before` holds an environment's and an agent's spec and two runs of
them, recorded by version 0.1.0 on one kind of processor. Steps did not take denormal numbers for
zero then; these runs, which are short, met none, so that their bits are those of today.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from packs import pack_of

from nthrun.commands.run import run as main
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.records.data import open_directory
from nthrun.records.experiment import open_experiment
from nthrun.records.schema import first_difference
from nthrun.training.comparability import DENORMALS, VERSION, difference
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.provenance import comparable

RECORDS = Path(__file__).parent / "data/records_of_before"
CASES = sorted(path.name for path in RECORDS.iterdir())
QUICK = ("SAC-SquashedGaussian", "linearAC-continuous-compiled", "euler_quadrature")
NOT_COMPARABLE = 3


OF_BEWLEY = ("egm", "euler_quadrature", "euler_all_in_one")
"""Solvers whose equilibria were found on other grids of wealth."""


def is_slow(case: str) -> bool:
    """Whether a case is left to the long proofs: compiling takes seconds."""
    return case.endswith("compiled") and not case.startswith(QUICK)


@pytest.mark.parametrize("case", CASES)
def test_a_record_of_before_is_not_comparable(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verifying it says since when bits are others, and exits with a code of its own; it is not
    said to differ."""
    shutil.copytree(RECORDS / case / "save", tmp_path / "save")
    specs = ["--env-json", str(RECORDS / case / "environment.json")]
    specs += ["--agent-json", str(RECORDS / case / "agent.json")]
    where = ["--save-dir", str(tmp_path / "save"), "--index", "0-1", "--verify"]
    assert main.main([*specs, *where], standalone_mode=False) == NOT_COMPARABLE
    lines = capsys.readouterr().out.splitlines()
    told = "not comparable, made before denormal numbers were flushed to zero"
    assert len(lines) == 2
    assert all(told in line for line in lines)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] * is_slow(case))
        for case in CASES
        if not case.startswith(OF_BEWLEY)
    ],
)
def test_a_run_that_met_no_denormal_number_is_reproduced(case: str, tmp_path: Path) -> None:
    """Running its indices again gives every bit of it, where the processor and the versions are
    those it was made with."""
    folder = shutil.copytree(RECORDS / case, tmp_path / case)
    spec = read_experiment_spec([f"{folder}/environment.json"], [f"{folder}/agent.json"])
    experiment = open_experiment(spec.directory(f"{folder}/save"))
    manifest = experiment.manifest
    context = make_context(spec, manifest.backend, manifest.device, manifest.threads)
    here = comparable(context.setup)
    since = {name: here[name] for name in (VERSION, DENORMALS)}
    for before in [entry.load(()) for entry in open_directory(experiment).entries]:
        if reason := difference(before["provenance"] | since, here):
            pytest.skip(reason)
        [run] = Training(pack_of(spec, [before["index"]]), context).run()
        assert first_difference(before, run) is None


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith(OF_BEWLEY)])
def test_an_economy_of_before_has_the_same_equilibrium(case: str, tmp_path: Path) -> None:
    """On the grids of today the interest rate of every evaluation is that of before to .005
    points."""
    folder = shutil.copytree(RECORDS / case, tmp_path / case)
    spec = read_experiment_spec([f"{folder}/environment.json"], [f"{folder}/agent.json"])
    experiment = open_experiment(spec.directory(f"{folder}/save"))
    before = open_directory(experiment).entries[0].load(())["eval_metrics"]["r"]
    [run] = Training(pack_of(spec, [0]), make_context(spec)).run()
    np.testing.assert_allclose(run["eval_metrics"]["r"], before, rtol=0, atol=5e-5)
