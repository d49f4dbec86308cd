"""`nthrun schedule` by the options of `nthrun run`, and of an experiment's directory alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import ended
from plans import LOCAL, make_cluster, own_experiment, record, written_plan
from processes import EXPERIMENT, ROOT, call, recorded, write_specs
from schedule_commands import arguments

from nthrun.__main__ import commands
from nthrun.commands.request import RunOptions
from nthrun.commands.schedule import ScheduleOptions
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.scheduling.plan import plan_paths, read_plan

SHORT = {"total_timesteps": 100}
TWO_SETTINGS = {"critic_lr": [0.001, 0.0003], "alpha": [0.1]}


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that name a small experiment's specs, in the working directory, and its save dir."""
    monkeypatch.chdir(tmp_path)
    options = write_specs(tmp_path, SHORT, TWO_SETTINGS)
    return [*options, "--save-dir", str(tmp_path / "out"), "--backend", "eager"]


def dry_run(*words: str) -> str:
    """What a submission would do, on this machine."""
    outcome = ended(commands, "schedule", "--dry-run", *words)
    assert outcome.code == 0, outcome.err
    return outcome.out


def test_schedule_takes_the_options_of_run() -> None:
    """Every option of `nthrun run` is one of `nthrun schedule`."""
    assert set(RunOptions.__dataclass_fields__) <= set(ScheduleOptions.__dataclass_fields__)


def test_options_and_positions_say_the_same(specs: list[str], tmp_path: Path) -> None:
    """By options or by positions, the plan is the same."""
    by_options = dry_run("--cluster", "local", *specs, "--runs", "2")
    assert by_options == dry_run(*arguments(tmp_path, runs=2))
    assert " 4 " in by_options


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        (["--runs", "3"], 6),
        (["--index", "0-2,5"], 4),
        (["--where", "critic_lr=0.001", "--runs", "5"], 5),
        (["--settings", "1"], 1),
        (["--set", "agent.critic_lr=[0.1,0.2,0.3,0.4]", "--runs", "1"], 4),
        (["--agent-json", "more.json", "--runs", "1"], 6),
    ],
)
def test_what_trains_here_can_be_scheduled(specs: list[str], more: list[str], missing: int) -> None:
    """Merged files, `--set`, `--where`, `--settings` and `--index` mean the same as in training."""
    Path("more.json").write_text('{"parameters": {"alpha": [0.1, 0.2, 0.3]}}')
    table = dry_run("--cluster", "local", *specs, *more).splitlines()
    assert dict(zip(table[0].split(), table[1].split(), strict=True))["missing"] == str(missing)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--runs is missing"),
        (["--index", "0", "--runs", "1"], "--index names runs one by one"),
        (["--runs", "1", "--verify"], "--verify is for `nthrun run`: it records nothing"),
        (["--runs", "1", "--overwrite"], "--overwrite is for `nthrun run`: tasks replace no"),
        (["--runs", "1", "--device", "cuda"], "--device cuda: tasks of local have 0 GPUs"),
        (["--index", "0-99999999999"], "--index"),
        (["--runs", "1", "--cluster", "nosuch"], "--cluster is given 2 times"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(specs: list[str], more: list[str], said: str) -> None:
    """What says no runs, twice which, or what no task can do, is one line, with exit code 2."""
    outcome = ended(commands, "schedule", "--dry-run", "--cluster", "local", *specs, *more)
    assert (outcome.code, outcome.out, len(outcome.errors)) == (2, "", 1)
    assert said in outcome.errors[0]


def test_clusters_have_names(specs: list[str]) -> None:
    """A cluster's name is a file here, in `clusters`, or one that is shipped, in this order."""
    for name, said in (("", "--cluster is missing"), ("nosuch", "nosuch: ")):
        given = ["--cluster", name] if name else []
        outcome = ended(commands, "schedule", "--dry-run", *given, *specs, "--runs", "1")
        assert outcome.code == 2
        assert said in outcome.err
    Path("clusters").mkdir()
    for place in ("clusters/fir.json", "fir.json"):
        Path(place).write_text(json.dumps({"time": "1:00:00", "cores": "many"}))
        outcome = ended(commands, "schedule", "--dry-run", "--cluster", "fir", *specs)
        assert f"{place}: cores: " in outcome.err


def test_an_index_is_trained_and_the_rest_finished(specs: list[str], tmp_path: Path) -> None:
    """Named indices are planned and trained; the directory alone then finishes what its plans
    asked for and is missing, on the cluster of the newest plan."""
    given = [*specs, "--cluster", "local", "--cores", "1", "--yes", "--index", "0,3"]
    done = call("schedule.py", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(recorded(tmp_path / "out")) == {(0, 0), (0, 3)}
    root = tmp_path / "out" / EXPERIMENT
    [path] = plan_paths(root)
    assert list(read_plan(path).wanted) == [0, 3]
    assert ended(commands, "forget", str(root), "--index", "3").code == 0
    done = call("schedule.py", str(tmp_path / "out"), "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(recorded(tmp_path / "out")) == {(0, 0), (0, 3)}
    newest = read_plan(plan_paths(root)[-1])
    assert [task.packs for task in newest.tasks] == [((3,),)]
    assert newest.cluster.integer("cores") == 1


class TestFinish:
    def test_all_stages_of_all_plans(self, tmp_path: Path) -> None:
        """What plans asked for is finished stage by stage, recorded runs aside."""
        root = tmp_path / "e"
        record(own_experiment(root), 0, 1, 2)
        written_plan(root, cluster=LOCAL, num_runs=2)
        written_plan(root, cluster=LOCAL, name="20260103-030405-abcdef", stage=1, settings="4")
        lines = dry_run(str(root)).splitlines()
        rows = [line.split() for line in lines if line.startswith(str(root)) and ":" not in line]
        assert [row[1:4] for row in rows] == [["3", "0", "9"], ["0", "0", "1"]]

    def test_without_a_plan(self, tmp_path: Path) -> None:
        """Where nothing was scheduled, options have to say which runs, and a cluster where."""
        root = tmp_path / "e"
        own_experiment(root)
        for words, said in (
            ([], "nothing was scheduled here yet"),
            (["--runs", "1"], "--cluster is missing"),
        ):
            outcome = ended(commands, "schedule", str(root), "--dry-run", *words)
            assert outcome.code == 2
            assert said in outcome.err
        assert " 6 " in dry_run(str(root), "--runs", "1", "--cluster", "local")

    @pytest.mark.parametrize("trust", [False, True])
    def test_code_of_a_directory_is_not_run_unasked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust: bool
    ) -> None:
        """A directory that names code is refused before the code is imported; with --trust it is
        said what is run."""
        (tmp_path / "hostile.py").write_text("open('ran', 'w')\nclass Agent: pass\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.delitem(sys.modules, "hostile", raising=False)
        agent = {"agent_name": "hostile:Agent", "parameters": {}}
        plan = written_plan(tmp_path / "e", cluster=LOCAL)
        content = json.loads(plan.path.read_text()) | {"agent": agent}
        plan.path.write_text(json.dumps(content))
        outcome = ended(commands, "schedule", "e", *(["--trust"] if trust else []))
        assert outcome.code == 2
        assert ("runs hostile:Agent, as --trust says" in outcome.err) == trust
        assert ("code that a file names is not run" in outcome.err) != trust
        assert Path("ran").exists() == trust

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "entry",
        [
            ["schedule.py"],
            pytest.param(["-P", "-m", "nthrun", "schedule"], marks=pytest.mark.slow),
        ],
    )
    def test_nothing_of_the_working_directory_is_imported(
        self, tmp_path: Path, entry: list[str]
    ) -> None:
        """What lies where the command is given may be anybody's: modules there are not imported,
        whatever their names, to plan or to train."""
        here, specs = tmp_path / "here", tmp_path / "specs"
        for folder in (here, specs):
            folder.mkdir()
        for name in ("torch", "optuna", "numpy"):
            (here / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
        options = write_specs(specs, SHORT, {"critic_lr": {"loguniform": [1e-4, 1e-2]}})
        agent = json.loads((specs / "agent.json").read_text())
        agent["search"] = {"method": "bayes", "capacity": 4}
        (specs / "agent.json").write_text(json.dumps(agent))
        spec = read_experiment_spec([options[1]], [options[3]])
        written_plan(tmp_path / EXPERIMENT, cluster=LOCAL, spec=spec)
        words = [str(tmp_path / EXPERIMENT), "--yes", "--index", "0", "--backend", "eager"]
        script = [str(ROOT / entry[0])] if len(entry) == 1 else entry
        variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *script, *words],
            cwd=here,
            env=variables,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "ran").exists()

    def test_the_same_specs_may_be_given(self, specs: list[str], tmp_path: Path) -> None:
        """Specs beside a directory have to be those of its experiment, and both be given."""
        dry = [*specs[:4], "--cluster", "local", "--runs", "1"]
        root = tmp_path / "out" / EXPERIMENT
        written_plan(root, cluster=LOCAL, spec=read_experiment_spec([specs[1]], [specs[3]]))
        assert " 2 " in dry_run(str(root), *dry)
        written_plan(tmp_path / "e", cluster=LOCAL)
        for words, said in (
            ([str(tmp_path / "e"), *dry], "these specs are of another experiment"),
            ([str(root), *dry[2:]], "give both, or neither"),
        ):
            outcome = ended(commands, "schedule", "--dry-run", *words)
            assert outcome.code == 2
            assert said in outcome.err

    def test_shell_lines_of_a_plan_are_not_run_unasked(self, tmp_path: Path) -> None:
        """A plan whose cluster has lines of shell needs --cluster, or --trust."""
        written_plan(tmp_path / "e", cluster=make_cluster(scheduler="local", setup=("touch x",)))
        outcome = ended(commands, "schedule", str(tmp_path / "e"), "--dry-run")
        assert outcome.code == 2
        assert "its cluster has setup, which is not taken from a file" in outcome.err
        assert " 6 " in dry_run(str(tmp_path / "e"), "--cluster", "local")
        assert " 6 " in dry_run(str(tmp_path / "e"), "--trust")
