"""Small sweeps, scheduled by the real command on a cluster of the tests."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from processes import ROOT, call, recorded
from slurm.cluster import SlurmCluster

from nthrun.records.experiment import open_experiment
from nthrun.records.schema import Run, first_difference
from nthrun.scheduling.plan import Plan, read_plans

ENVIRONMENT = {
    "env_name": "Pendulum-v1",
    "total_timesteps": 300,
    "steps_per_episode": 50,
    "eval_interval_timesteps": 150,
    "eval_episodes": 1,
    "checkpoint_interval_seconds": 0.5,
}
PARAMETERS = {
    "policy_type": ["SquashedGaussian"],
    "critic_lr": [0.001, 0.01],
    "batch_size": 8,
    "hidden_dim": 8,
    "replay_capacity": 200,
}
SAC = {"agent_name": "SAC", "parameters": PARAMETERS}
PPO_IN_WORLDS = {
    "agent_name": "PPO",
    "parameters": {
        "policy_type": ["Gaussian"],
        "num_worlds": [2],
        "n_steps": [16],
        "batch_size": [16],
        "lr": [0.001, 0.01],
    },
}
"""Two settings whose rollouts, 32 steps of both worlds, end neither with blocks nor with runs."""
CLUSTER = {"time": "10", "cores": 2, "memPerCpu": "900M", "signalSeconds": 20}
LONG, VERY_LONG = 3_000, 40_000
"""Steps of a run that is still going when a test wants to disturb it, some ten seconds or a minute
and a half of a core."""
PATIENCE_SECONDS = 900.0


@dataclass
class Sweep:
    """A sweep in a directory of its own, scheduled on a cluster.

    Attributes:
        cluster: the Slurm it is scheduled on.
        directory: of its specs and results.
        environment, fields: what differs from the small specs above.
        agent: the agent's spec.
        root: the checkout that tasks run a snapshot of.
    """

    cluster: SlurmCluster
    directory: Path
    environment: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=lambda: SAC)
    root: Path = ROOT

    def __post_init__(self) -> None:
        write_sweep_specs(self.directory, self.environment, self.agent)
        self._file("cluster").write_text(json.dumps(CLUSTER | dict(self.fields)))

    @property
    def save_dir(self) -> Path:
        """Where results go."""
        return self.directory / "results"

    @property
    def experiment(self) -> Path:
        """The experiment's directory."""
        return self.save_dir / experiment_of(self.agent)

    def schedule(self, runs: int, *options: str) -> subprocess.CompletedProcess[str]:
        """Give the schedule.py command."""
        return self._call(*self.arguments(runs, *options))

    def arguments(self, runs: int, *options: str) -> list[str]:
        """The arguments of the schedule.py command."""
        positions = [
            *(str(self._file("cluster")), "main.py", str(self.root)),
            *(str(self._file("environment")), str(self.save_dir), str(self._file("agent"))),
        ]
        return ["--runs", str(runs), "--yes", "--backend", "eager", *options, *positions]

    def submit(self, runs: int, *options: str) -> str:
        """The same, which must succeed; returns what it printed."""
        done = self.schedule(runs, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def look(self, option: str, *options: str) -> str:
        """`schedule.py --status` or `--cancel`."""
        done = self._call(option, *options, str(self.save_dir))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def newest_plan(self) -> Plan:
        """What was submitted last."""
        return next(read_plans(self.experiment))

    def jobs(self) -> dict[str, str]:
        """Job or array element -> state, of what is queued or running of this sweep."""
        queue = self.cluster.run("squeue", "--noheader", "--array", "--format", "%i %T %k")
        rows = (line.split(maxsplit=2) for line in queue.splitlines() if line.strip())
        return {job: state for job, state, comment in rows if comment == str(self.experiment)}

    def wait(self, until: Callable[[], bool], what: str) -> None:
        """Wait for something to happen.

        Raises:
            AssertionError: it did not, in time; with how the sweep stands.
        """
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < give_up, f"waited for {what}:\n{self.look('--status')}"
            time.sleep(0.2)

    def wait_until_done(self) -> None:
        """Wait until nothing is queued or running."""
        self.wait(lambda: not self.jobs(), "the queue to be empty")

    def wait_until_advanced(self, num_packs: int = 1) -> None:
        """Wait until packs have done steps and checkpoints of them are on disk."""
        self.wait(lambda: self.num_checkpointed() >= num_packs, "packs to advance")

    def num_checkpointed(self) -> int:
        """Packs that have a checkpoint on disk."""
        states = (self.experiment / "checkpoints").glob("*/state-*.ckpt")
        return len({path.parent for path in states})

    def num_records(self) -> int:
        """Records in all shards, repeats counted."""
        if not (self.experiment / "manifest.json").exists():
            return 0
        return sum(map(len, open_experiment(self.experiment).inventory().entries.values()))

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return call("schedule.py", *arguments, cwd=self.directory, **self.cluster.environment)


def experiment_of(agent: Mapping[str, Any]) -> str:
    """The name of an agent's experiment."""
    (policy,) = agent["parameters"]["policy_type"]
    return f"{ENVIRONMENT['env_name']}_{agent['agent_name']}_{policy}"


def write_sweep_specs(
    directory: Path, environment: Mapping[str, Any], agent: Mapping[str, Any] = SAC
) -> None:
    """Write environment.json and agent.json of a small sweep."""
    (directory / "environment.json").write_text(json.dumps(ENVIRONMENT | dict(environment)))
    (directory / "agent.json").write_text(json.dumps(agent))


def require_recorded_once(sweep: Sweep, num_runs: int) -> None:
    """Every index from 0 has exactly one record, and it is a completed one."""
    found = open_experiment(sweep.experiment).inventory()
    assert not found.unreadable
    counts = Counter({index: len(entries) for (_, index), entries in found.entries.items()})
    assert counts == Counter(range(num_runs)), sweep.look("--status")
    assert set(found.statuses(0).values()) == {"completed"}


def require_same_bits(sweep: Sweep, num_runs: int) -> None:
    """Every record equals that of a run that nothing disturbed, made by main.py alone, and so does
    the hash of the code that made it, though tasks run a snapshot of that code."""
    documents = json.dumps(dict(sweep.environment)), json.dumps(dict(sweep.agent))
    expected = undisturbed(*documents, num_runs)
    found = recorded(sweep.save_dir, sweep.experiment.name)
    assert found.keys() == expected.keys()
    for key, run in found.items():
        assert first_difference(run, expected[key]) is None, key
        assert run["provenance"]["code"] == expected[key]["provenance"]["code"], key


@cache
def undisturbed(environment: str, agent: str, num_runs: int) -> dict[tuple[int, int], Run]:
    """The records of indices from 0, by one command of main.py; made once for all tests."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        write_sweep_specs(directory, json.loads(environment), json.loads(agent))
        done = call(
            "main.py",
            *("--env-json", str(directory / "environment.json")),
            *("--agent-json", str(directory / "agent.json")),
            *("--index", f"0-{num_runs - 1}", "--save-dir", temporary),
            *("--backend", "eager", "--workers", "2"),
        )
        assert done.returncode == 0, done.stderr
        return recorded(directory, experiment_of(json.loads(agent)))


def worker_processes(pid: int) -> list[int]:
    """The worker processes of a task."""
    done = subprocess.run(
        ["pgrep", "--parent", str(pid), "--full", "spawn_main"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(line) for line in done.stdout.split()]
