"""Records made by earlier code are reproduced bit for bit by the code of today.

Each folder of `data/records_of_before` holds an environment's and an agent's spec and two runs of
them, recorded by version 0.1.0 on one kind of processor.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nthrun.commands.run import run as main

RECORDS = Path(__file__).parent / "data/records_of_before"
CASES = sorted(path.name for path in RECORDS.iterdir())
QUICK = ("SAC-SquashedGaussian", "linearAC-continuous-compiled", "euler_quadrature")
NOT_COMPARABLE = 3


def is_slow(case: str) -> bool:
    """Whether a case is left to the long proofs: compiling takes seconds."""
    return case.endswith("compiled") and not case.startswith(QUICK)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * is_slow(case)) for case in CASES]
)
def test_a_record_of_before_is_reproduced(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Running its indices again gives every bit of it, where the processor and the versions are
    those it was made with."""
    shutil.copytree(RECORDS / case / "save", tmp_path / "save")
    specs = ["--env-json", str(RECORDS / case / "environment.json")]
    specs += ["--agent-json", str(RECORDS / case / "agent.json")]
    where = ["--save-dir", str(tmp_path / "save"), "--index", "0-1", "--verify"]
    code = main.main([*specs, *where], standalone_mode=False)
    told = "".join(capsys.readouterr())
    if code == NOT_COMPARABLE:
        pytest.skip(told.splitlines()[0])
    assert code == 0, told
    assert told.count(": equal") == 2, told
