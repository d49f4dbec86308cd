"""`main.py` with settings that are suggested, and with runs that are ended early."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, call, command

from nthrun.analysis.scores import read_scores
from nthrun.errors import NthrunError
from nthrun.records.combine import combine
from nthrun.records.data import open_data
from nthrun.records.experiment import open_experiment
from nthrun.records.schema import Run
from nthrun.records.tables import table
from nthrun.studies.journal import ASK, TELL, Journal
from nthrun.training.saved_policy import last_evaluation, read_learned, restored

ENVIRONMENT = {
    "env_name": "Pendulum-v1",
    "total_timesteps": 200,
    "steps_per_episode": 50,
    "eval_interval_timesteps": 50,
    "eval_episodes": 1,
}
RANGES = {"critic_lr": {"loguniform": [0.001, 1]}, "actor_lr": {"loguniform": [0.001, 1]}}
CAPACITY = 100
BAYES = {"method": "bayes", "capacity": CAPACITY}


class Search:
    """A search of a linear actor-critic's settings in a directory of its own.

    Args:
        directory: of its specs and results.
        environment: keys of the environment's spec that are set otherwise.
        search: of the agent's spec.
    """

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, Any] | None = None,
        search: Mapping[str, Any] = BAYES,
        parameters: Mapping[str, Any] = RANGES,
    ) -> None:
        self.directory = directory
        agent = {"agent_name": "linearAC", "parameters": parameters, "search": search}
        documents = {"environment": ENVIRONMENT | dict(environment or {}), "agent": agent}
        for name, document in documents.items():
            (directory / f"{name}.json").write_text(json.dumps(document))
        self.arguments = [
            *("--env-json", str(directory / "environment.json")),
            *("--agent-json", str(directory / "agent.json")),
            *("--save-dir", str(directory / "out"), "--backend", "eager"),
        ]
        self.root = directory / "out" / "Pendulum-v1_linearAC"

    def call(self, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Give the command."""
        return call("main.py", *self.arguments, *more, **variables)

    def run(self, *more: str) -> str:
        """The same, which must succeed; returns what it printed."""
        done = self.call(*more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, code: int, *more: str, **variables: str) -> str:
        """The same, which must end with a code and one line; returns the line."""
        done = self.call(*more, **variables)
        assert done.returncode == code, done.stderr
        [line] = done.stderr.splitlines()
        return line

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Give the command and do not wait."""
        return subprocess.Popen(
            command("main.py", *self.arguments, *more),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_events(self, more: int, process: subprocess.Popen[str]) -> None:
        """Wait until a process, which may end, has added events to the journal."""
        journal = Journal(self.root)
        num_events = len(journal.events()) + more
        while process.poll() is None and len(journal.events()) < num_events:
            time.sleep(0.02)

    def runs(self, stage: int = 0) -> dict[int, Run]:
        """Index -> record, of which there is one each."""
        entries = [e for e in open_data(self.root).entries if e.identity.stage == stage]
        runs = [entry.load(()) for entry in entries]
        assert len({run["index"] for run in runs}) == len(runs)
        return {run["index"]: run for run in runs}

    def settings(self) -> dict[int, dict[str, Any]]:
        """Setting number -> setting of the journal, which has one each."""
        asked = [event for event in Journal(self.root).events() if ASK in event]
        assert Counter(event[ASK] for event in asked).most_common(1)[0][1] == 1
        return {event[ASK]: event["setting"] for event in asked}

    def require_consistent(self, indices: list[int]) -> None:
        """Exactly these indices are recorded, each with the journal's setting of its number."""
        runs, settings = self.runs(), self.settings()
        assert sorted(runs) == indices
        assert {index % CAPACITY for index in indices} == settings.keys()
        for index, run in runs.items():
            assert run["agent_params"] == settings[index % CAPACITY], index


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """A search of which six settings were tried, of the first two twice."""
    search = Search(tmp_path_factory.mktemp("searched"))
    search.run("--settings", "0-3")
    search.run("--settings", "0-5")
    search.run("--settings", "0-1", "--runs", "2")
    return search


def test_a_search_is_extended(searched: Search) -> None:
    """The same command with more settings tries those, and further runs have their setting's own;
    every result is told, once."""
    indices = [0, 1, 2, 3, 4, 5, CAPACITY, CAPACITY + 1]
    searched.require_consistent(indices)
    told = [event[TELL] for event in Journal(searched.root).events() if TELL in event]
    assert len(set(told)) == len(told)
    assert set(told) >= {0, 1, 2, 3}
    assert len({str(setting) for setting in searched.settings().values()}) == 6


def test_describing_tells_what_is_known(searched: Search, tmp_path: Path) -> None:
    """Before anything was trained no setting is known; afterwards those that were tried are, and
    describing suggests none."""
    fresh = Search(tmp_path)
    said = fresh.run("--describe", "--index", "3")
    assert "index 3: setting 3, run 0, stage 0, seed 0: not suggested yet" in said
    assert not fresh.root.exists()
    said = searched.run("--describe", "--index", "3,103,50")
    rate = searched.settings()[3]["critic_lr"]
    assert said.count(f"critic_lr {rate}, actor_lr ") == 2
    assert said.count("not suggested yet") == 1
    assert 50 not in searched.settings()


def test_records_prove_themselves_without_the_journal(searched: Search, tmp_path: Path) -> None:
    """--verify reproduces every record from what the record tells, the journal gone; the policy
    that a record holds plays its last evaluation again."""
    journal = Journal(searched.root).path
    moved = journal.rename(tmp_path / "journal")
    try:
        said = searched.run("--verify", "--index", "0-5,100")
        assert said.splitlines() == [f"index {index}: equal" for index in [*range(6), 100]]
        policy = restored(read_learned(searched.root, index=4))
        returns = last_evaluation(policy)[1]["eval_returns"][0]
        assert returns.tolist() == searched.runs()[4]["eval_episode_rewards"][-1].tolist()
    finally:
        moved.rename(journal)


def test_confirmations_have_known_settings(searched: Search) -> None:
    """--rerun trains what was tried, with its setting; of others it says in one line that there is
    nothing to confirm."""
    searched.run("--rerun", "--index", "2")
    assert searched.runs(1)[2]["agent_params"] == searched.settings()[2]
    line = searched.refused(2, "--rerun", "--index", "9")
    assert "setting 9: not tried in stage 0, so nothing to confirm; hint: " in line
    assert 9 not in searched.settings()


def test_another_space_is_another_experiment(searched: Search, tmp_path: Path) -> None:
    """With another range the directory is refused, by describing too, with a command that works."""
    other = Search(tmp_path, parameters=RANGES | {"critic_lr": {"loguniform": [0.01, 1]}})
    other.arguments[other.arguments.index("--save-dir") + 1] = str(searched.directory / "out")
    for what in ("--index", "--describe"):
        line = other.refused(2, *((what, "0") if what == "--index" else (what,)))
        assert "critic_lr" in line
        assert "hint: " in line
        assert "_new" in line


def test_a_missing_package_is_told(tmp_path: Path) -> None:
    """Without Optuna a search says in one line what installs it, and every other works."""
    blocked = tmp_path / "blocked"
    (blocked / "optuna").mkdir(parents=True)
    (blocked / "optuna" / "__init__.py").write_text("raise ImportError('blocked')\n")
    line = Search(tmp_path).refused(2, "--index", "0", PYTHONPATH=str(blocked))
    assert line == (
        "error: sampler tpe needs the package optuna, which is not installed; "
        'hint: pip install ".[bayes]"'
    )
    drawn = Search(tmp_path, search=BAYES | {"method": "random"})
    drawn.arguments[drawn.arguments.index("--save-dir") + 1] = str(tmp_path / "drawn")
    done = drawn.call("--index", "0", PYTHONPATH=str(blocked))
    assert done.returncode == 0, done.stderr


def test_a_metric_that_no_run_has(tmp_path: Path) -> None:
    """Before anything is trained, the search ends in one line that names those there are."""
    search = Search(tmp_path, search=BAYES | {"metric": "joy", "goal": "maximize"})
    line = search.refused(2, "--settings", "0-3")
    assert 'search.metric: got "joy", which no run of linearAC has, allowed: return, ' in line
    assert not search.root.exists()


def test_overwriting_keeps_the_setting_and_tells_again(tmp_path: Path) -> None:
    """--overwrite trains the setting again that the number has, and its new record is told."""
    search = Search(tmp_path)
    search.run("--settings", "0-1")
    before = search.settings()
    search.run("--overwrite", "--index", "0")
    search.run("--settings", "0-2")
    search.require_consistent([0, 1, 2])
    assert {number: search.settings()[number] for number in (0, 1)} == before
    shards = {e[TELL]: e["shard"] for e in Journal(search.root).events() if TELL in e}
    kept = {e.identity.setting_number: e.shard for e in open_data(search.root).entries}
    assert shards == {number: kept[number] for number in (0, 1)}


PRUNED = {"pruner": "median", "pruner_startup_runs": 2}


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """A drawn search of twelve settings, some runs of which were ended early."""
    search = BAYES | {"method": "random"} | PRUNED
    found = Search(tmp_path_factory.mktemp("pruned"), search=search)
    (found.directory / "said").write_text(found.run("--settings", "0-11"))
    return found


def test_pruned_runs_are_told_everywhere(pruned: Search) -> None:
    """Pruned runs count as recorded, and are told apart when trained, in the table, in what is
    combined, and where the best setting is chosen, by what all runs had when the first ended."""
    runs = pruned.runs()
    ended = sorted(index for index, run in runs.items() if run["status"] == "pruned")
    assert sorted(runs) == list(range(12))
    assert 2 <= len(ended) <= 10
    assert {runs[index]["total_timesteps"] for index in ended} <= {50, 100, 150}
    done = pruned.call("--settings", "0-11")
    assert done.returncode == 0
    assert "recorded as pruned, skipped; --overwrite runs them again" in done.stderr
    made = combine(open_experiment(pruned.root), pruned.root / "data.json").output
    for data in (open_data(pruned.root), open_data(made)):
        found = table(data)
        statuses = dict(zip(found["index"], found["status"], strict=True))
        assert sorted(i for i, status in statuses.items() if status == "pruned") == ended
    scores = read_scores(open_data(pruned.root))
    assert not scores.lost.any()
    assert scores.indices[scores.pruned].tolist() == ended
    assert scores.up_to == min(runs[index]["total_timesteps"] for index in ended)
    told = (pruned.directory / "said").read_text()
    assert all(f"index {index}: pruned, " in told for index in ended)
    assert f"{12 - len(ended)} completed, {len(ended)} pruned" in told


def test_verifying_prunes_where_the_record_does(pruned: Search) -> None:
    """Records of pruned runs are reproduced, though others have come further since."""
    said = pruned.run("--verify", "--settings", "0-11")
    assert said.splitlines() == [f"index {index}: equal" for index in range(12)]


def test_confirmations_are_not_pruned(pruned: Search) -> None:
    """Runs of stage 1 are trained to their end, those of settings that were pruned too."""
    ended = [str(index) for index, run in pruned.runs().items() if run["status"] == "pruned"]
    pruned.run("--rerun", "--index", ",".join(ended))
    confirmed = pruned.runs(1)
    assert sorted(confirmed) == sorted(map(int, ended))
    assert {run["status"] for run in confirmed.values()} == {"completed"}


def workers_of(parent: int) -> list[int]:
    """The living worker processes of a process."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            called = Path(f"/proc/{pid}/cmdline").read_bytes()
            if int(stat[1]) == parent and b"spawn_main" in called:
                found.append(int(pid))
    return found


@pytest.mark.parametrize(
    ("num_settings", "rounds", "search"),
    [
        (6, 1, BAYES),
        (40, 10, BAYES | PRUNED),
        (40, 10, BAYES | {"sampler": "cmaes"}),
    ],
)
@pytest.mark.slow
def test_kills_lose_nothing(
    tmp_path: Path, num_settings: int, rounds: int, search: dict[str, Any]
) -> None:
    """Workers and the command itself killed at random moments, the command repeated until it is
    done: every index is recorded, each setting was suggested once and is its record's, and
    every record is what training it again gives."""
    steps = {"total_timesteps": 1500, "eval_interval_timesteps": 500}
    study = Search(tmp_path, steps | {"checkpoint_interval_seconds": 0.05}, search)
    options = ("--settings", f"0-{num_settings - 1}", "--workers", "4")
    moments = random.Random(0)
    for _ in range(rounds):
        process = study.start(*options)
        study.wait_for_events(moments.randint(1, 3), process)
        time.sleep(moments.uniform(0, 0.3))
        if workers := workers_of(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(moments.choice(workers), signal.SIGKILL)
            study.wait_for_events(moments.randint(1, 3), process)
        process.kill()
        process.communicate()
    finish = options if rounds > 1 else options[:2]  # one process starts sooner than four
    assert any(study.call(*finish).returncode == 0 for _ in range(min(rounds, 3)))
    study.require_consistent(list(range(num_settings)))
    said = study.run("--verify", options[0], options[1])
    assert said.splitlines() == [f"index {index}: equal" for index in range(num_settings)]
    if "pruner" not in search:
        assert {run["status"] for run in study.runs().values()} == {"completed"}


def test_nothing_is_known_of_no_run(tmp_path: Path) -> None:
    """Verifying or restoring what was never trained is refused in one line."""
    search = Search(tmp_path)
    search.run("--index", "0")
    assert "index 7: not recorded" in search.refused(2, "--verify", "--index", "7")
    with pytest.raises(NthrunError, match="not recorded"):
        read_learned(search.root, index=7)
