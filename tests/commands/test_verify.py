"""`--verify`: in what packs recorded runs are run again, and what is said of those that failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixing import Failing
from packs import ENVIRONMENT

from nthrun.commands.run import run as main
from nthrun.errors import IndexSpecError, RunFailedError
from nthrun.planning.packs import Place, packed_otherwise
from nthrun.records.data import open_data

Told = tuple[int, str]
"""Exit status and what was printed."""


class Command:
    """`main.py` in this process, of an agent of `mixing` on a short Pendulum."""

    def __init__(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = tmp_path, capsys

    def __call__(self, agent: str, *options: str) -> Told:
        protocol = {"total_timesteps": 60, "steps_per_episode": 20, "eval_episodes": 0}
        for name, content in {
            "agent": {"agent_name": f"mixing:{agent}", "parameters": {}},
            "environment": ENVIRONMENT | protocol,
        }.items():
            (self.folder / f"{name}.json").write_text(json.dumps(content))
        specs = ["--env-json", str(self.folder / "environment.json")]
        specs += ["--agent-json", str(self.folder / "agent.json"), "--backend", "eager"]
        where = ["--save-dir", str(self.folder / "out")]
        code = main.main([*specs, *where, *options], standalone_mode=False)
        return int(code or 0), "".join(self._capsys.readouterr())

    def statuses(self) -> list[str]:
        """How the recorded runs ended."""
        (root,) = (self.folder / "out").iterdir()
        return [entry.status for entry in open_data(root).entries]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `main.py`."""
    return Command(tmp_path, capsys)


@pytest.fixture
def failing() -> Iterator[Callable[[bool], None]]:
    """Says whether `mixing:Failing` fails."""

    def set_to(fails: bool) -> None:
        Failing.fails = fails

    yield set_to
    Failing.fails = True


@given(st.lists(st.integers(1, 9), min_size=1), st.data())
def test_no_two_neighbours_meet_again(widths: list[int], data: st.DataObject) -> None:
    """Each run comes once, in a pack of another width than before if not alone, and beside none
    that it stood beside."""
    recorded = [(pack, lane, width) for pack, width in enumerate(widths) for lane in range(width)]
    before = dict(enumerate(recorded))
    places = {index: Place(lane, width) for index, (_, lane, width) in before.items()}
    chosen = sorted(data.draw(st.sets(st.sampled_from(sorted(before)), min_size=1)))
    packs = packed_otherwise(chosen, places)
    assert sorted(index for pack in packs for index in pack) == chosen
    for pack in packs:
        assert len(pack) == 1 or all(places[index].width != len(pack) for index in pack)
        for one, other in pairwise(pack):
            assert before[one][0] != before[other][0] or abs(one - other) > 1


MIXING = ["Mean", "First", "Next", "Pairs", "Count"]


@pytest.mark.parametrize("recorded", [["0-3"], ["0-1", "2-3"], ["0", "1", "2", "3"]])
@pytest.mark.parametrize("agent", MIXING)
def test_an_agent_that_mixes_lanes_is_found_out(
    command: Command, agent: str, recorded: list[str]
) -> None:
    """Runs whose bits depend on what shared their pack are not equal, whether they were recorded
    together or one by one, and run again together or alone."""
    for indices in recorded:
        command(agent, "--index", indices)
    code, text = command(agent, "--index", "0-3", "--verify")
    assert code == 1
    assert text.count("differs") >= 2
    alone = [command(agent, "--index", str(index), "--verify")[0] for index in range(4)]
    assert 1 in alone


@pytest.mark.parametrize("agent", MIXING)
def test_it_is_found_out_by_a_single_run(command: Command, agent: str) -> None:
    """A run that was recorded alone is not run alone again, unless a pack is to have one lane."""
    command(agent, "--index", "1")
    assert command(agent, "--index", "1", "--verify")[0] == 1
    assert command(agent, "--index", "1", "--verify", "--pack", "1") == (0, "index 1: equal\n")


@pytest.mark.parametrize("recorded", [["0-4"], ["0-1", "2", "3-4"], ["0", "1-4"]])
@pytest.mark.parametrize("asked", ["0-4", "0", "1,3", "2-4"])
def test_an_honest_agent_is_equal(command: Command, recorded: list[str], asked: str) -> None:
    """An agent that keeps its lanes apart is equal in every pack, told index by index, and nothing
    is told of what was not asked for."""
    for indices in recorded:
        command("Own", "--index", indices)
    code, text = command("Own", "--index", asked, "--verify")
    wanted = {"0-4": range(5), "0": [0], "1,3": [1, 3], "2-4": [2, 3, 4]}[asked]
    assert (code, text) == (0, "".join(f"index {index}: equal\n" for index in wanted))


def test_a_run_that_failed_says_why(command: Command, failing: Callable[[bool], None]) -> None:
    """Of a recorded run that failed it is told that it did, and why; the others are verified; one
    that is not recorded is another thing."""
    with pytest.raises(RunFailedError):
        command("Failing", "--index", "1")
    failing(False)
    command("Failing", "--index", "0,2")
    code, text = command("Failing", "--index", "0-2", "--verify")
    assert code == 1
    failed, *others = text.splitlines()[-3:]
    assert failed.startswith(
        "index 1: failed, so that there is nothing to verify: ZeroDivisionError"
    )
    assert others == ["index 0: equal", "index 2: equal"]
    with pytest.raises(IndexSpecError, match="index 7: not recorded"):
        command("Failing", "--index", "1,7", "--verify")


def test_an_overwriting_run_that_fails_replaces_nothing(
    command: Command, failing: Callable[[bool], None]
) -> None:
    """Where a run fails that was to replace a record, that record stands, which is said, with what
    runs it again; of one that had no record the reason is recorded."""
    failing(False)
    command("Failing", "--index", "0-1")
    failing(True)
    with pytest.raises(RunFailedError) as caught:
        command("Failing", "--index", "0-2", "--overwrite")
    assert "failed: index 0-2" in caught.value.message
    standing, recorded = caught.value.hint.split("; their records")
    assert standing.startswith("the earlier records of index 0-1 stand")
    assert "--overwrite runs them again" in standing
    assert "--retry-failed runs them again" in recorded
    assert command.statuses() == ["completed", "completed", "failed"]
    with pytest.raises(RunFailedError) as caught:
        command("Failing", "--index", "0", "--overwrite")
    assert "--retry-failed" not in caught.value.hint
    failing(False)
    command("Failing", "--index", "0", "--overwrite")
    assert command.statuses() == ["completed", "completed", "failed"]
