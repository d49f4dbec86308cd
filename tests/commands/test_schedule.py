"""`schedule.py` in front of a make-believe Slurm: what it refuses, shows and submits."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_process import ended
from plans import Commands, only_commands
from processes import EXPERIMENT, ROOT, write_specs
from schedule_commands import CEDAR, arguments, listing

from nthrun.commands.schedule import schedule
from nthrun.scheduling import submission
from nthrun.scheduling.plan import plan_paths, read_plan
from nthrun.specs.cluster_spec import FIELDS

SHORT = {"total_timesteps": 100}
ONE_SETTING = {"critic_lr": [0.001], "alpha": [0.1]}


def invoke(*words: str) -> tuple[object, str, list[str]]:
    """Exit code of `schedule.py`, stdout and the lines of stderr."""
    outcome = ended(schedule, *words)
    return outcome.code, outcome.out, outcome.errors


def refused(*words: str, code: int = 2) -> str:
    """The one line of stderr that refuses a command, which prints nothing else."""
    ending, output, errors = invoke(*words)
    assert (ending, output, len(errors)) == (code, "", 1), errors
    return errors[0]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """No Slurm on this process's PATH, until a test makes one."""
    made = only_commands(tmp_path, monkeypatch)
    (made.folder / "git").symlink_to("/usr/bin/git")
    monkeypatch.setattr(submission, "PAUSE_SECONDS", 0.0)
    yield made


def one_run_a_task(directory: Path, runs: int) -> list[str]:
    """Arguments that submit every run as a task of its own."""
    lanes = ("--pack", "1", "--packsPerTask", "1")
    return [*arguments(directory, CEDAR, runs), "--yes", *lanes]


def replaced(given: list[str], place: int, value: str) -> list[str]:
    """Arguments with one of the six positions replaced."""
    return [*given[: 4 + place], value, *given[5 + place :]]


REFUSED = {
    "executable": (1, "run.py", "the executable must be main.py"),
    "root": (2, "/usr", "/usr: main.py is not there"),
    "cluster": (0, "nosuch.json", "nosuch.json"),
    "environment": (3, "nosuch.json", "nosuch.json"),
    "agent": (5, "nosuch.json", "nosuch.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_positions_are_refused(tmp_path: Path, commands: Commands, case: str) -> None:
    """A position that is not what it should be is refused in one line that names it, with exit
    code 2, and nothing is written."""
    write_specs(tmp_path)
    place, value, said = REFUSED[case]
    assert said in refused(*replaced(arguments(tmp_path), place, value), "--yes")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "3"], "No such option"),
        (["--time", "3h"], '--time: got "3h", allowed: MM, MM:SS'),
        (["--cores", "many"], "--cores: got"),
        (["--memPerCpu", "0"], "--memPerCpu: got"),
        (["--wholeNode", "yes"], "--wholeNode: got"),
        (["--emailType", "SOMETIMES"], "--emailType: got"),
        (["--pack", "0"], "--pack 0: allowed"),
        (["--backend", "native"], "--backend"),
        (["--runs", "0"], "--runs"),
        (["--stage", "-1"], "--stage"),
        (["--rerun", "--stage", "2"], "--rerun is --stage 1"),
        (["--status", "--cancel"], "not both"),
    ],
)
def test_bad_options_are_refused(
    tmp_path: Path, commands: Commands, options: list[str], said: str
) -> None:
    """So is an option."""
    write_specs(tmp_path)
    assert said in refused(*arguments(tmp_path), "--yes", *options)
    assert not (tmp_path / "out").exists()


def test_missing_arguments_are_named(tmp_path: Path, commands: Commands) -> None:
    """Too few positions, no --runs and no directory are refused, saying what is wanted."""
    write_specs(tmp_path)
    given = arguments(tmp_path)
    for args, said in (
        (given[:-1], "got 5 arguments, allowed: CLUSTER main.py ROOT"),
        (given[2:], "--runs is missing"),
        (["--status"], "allowed: SAVE_DIR"),
        (["--cancel"], "allowed: SAVE_DIR"),
        (["--status", str(tmp_path)], "no experiment here"),
    ):
        assert said in refused(*args)


def test_two_agents_of_one_directory_are_refused(tmp_path: Path, commands: Commands) -> None:
    """Agent files that would share an experiment's directory are refused before anything runs."""
    write_specs(tmp_path)
    given = arguments(tmp_path)
    assert "another agent file of this command" in refused(*given, given[-1], "--yes")


def test_a_cluster_without_slurm_is_told(tmp_path: Path, commands: Commands) -> None:
    """Where Slurm is not on this machine, or down, nothing is submitted or written."""
    write_specs(tmp_path)
    given = [*arguments(tmp_path, CEDAR), "--yes"]
    assert "no Slurm on this machine" in refused(*given)
    for name in ("sbatch", "squeue", "srun"):
        commands.answer(name, "", 1, "Unable to contact slurm controller")
    assert "Unable to contact slurm controller" in refused(*given)
    assert not commands.calls("sbatch")
    assert not (tmp_path / "out").exists()


def sbatch_lines(output: str) -> dict[str, str]:
    """The options of the only batch script in an output."""
    lines = [line for line in output.splitlines() if line.startswith("#SBATCH ")]
    pairs = [line.removeprefix("#SBATCH --").partition("=") for line in lines]
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value for name, _, value in pairs}


def test_a_dry_run_touches_nothing(tmp_path: Path, commands: Commands) -> None:
    """Without any Slurm, --dry-run shows costs and the batch script, in which every option of the
    command line counts, and leaves everything as it was."""
    write_specs(tmp_path, parameters=ONE_SETTING)
    before = listing(tmp_path)
    options = {
        "time": "5:00:00",
        "cores": "3",
        "memPerCpu": "3G",
        "coresPerNode": "0",
        "account": "def-other",
        "partition": "long",
        "qos": "high",
        "email": "a@b.org",
        "emailType": "END,FAIL",
        "parallel": "1",
        "signalSeconds": "90",
        "packsPerTask": "3",
        "sbatch": "--constraint=genoa",
        "setup": "module load gcc",
        "output": str(tmp_path / "logs"),
    }
    given = [x for name, value in options.items() for x in (f"--{name}", value)]
    code, output, errors = invoke(
        *arguments(tmp_path, CEDAR, 7), "--pack", "1", "--dry-run", *given
    )
    assert code == 0
    assert len(errors) == 1
    assert "no Slurm answers here" in errors[0]
    header, row, *_ = output.splitlines()
    assert header.split()[-1] == "core-hours"
    assert row.split()[1:6] == ["0", "0", "7", "3", "1-3"]
    # two tasks of three runs make an array, the third has a single run
    scripts = output.split("#!/bin/bash")[1:]
    assert len(scripts) == 2
    found = sbatch_lines(scripts[0])
    code_directory = found.pop("chdir")
    assert re.fullmatch(rf"{tmp_path}/out/{EXPERIMENT}/code/[0-9a-f]{{12}}", code_directory)
    name = found.pop("job-name")
    assert re.fullmatch(r"nthrun-\d{8}-\d{6}-[0-9a-f]{6}-0", name)
    assert found.pop("comment").strip('"') == str(tmp_path / "out" / EXPERIMENT)
    found.pop("open-mode", None)
    assert found == {
        "account": "def-other",
        "array": "0-1%1",
        "constraint": "genoa",
        "cpus-per-task": "3",
        "mail-type": "END,FAIL",
        "mail-user": "a@b.org",
        "mem-per-cpu": "3G",
        "nodes": "1",
        "ntasks-per-node": "1",
        "output": str(tmp_path / "logs" / "%A_%a.log"),
        "partition": "long",
        "qos": "high",
        "requeue": "",
        "signal": "B:USR2@90",
        "time": "05:00:00",
    }
    assert "module load gcc" in scripts[0].splitlines()
    assert f"exec {sys.executable}" in scripts[0]
    single = sbatch_lines(scripts[1])
    assert "array" not in single
    assert (single["cpus-per-task"], single["output"]) == ("1", str(tmp_path / "logs" / "%j.log"))
    assert listing(tmp_path) == before


@pytest.mark.parametrize("option", ["--gpus", "-g"])
def test_gpus_reach_the_script(tmp_path: Path, commands: Commands, option: str) -> None:
    """GPUs of a kind are asked for, with the cores that go with them, and paid for by the hour; by
    the older tool's option too."""
    write_specs(tmp_path)
    cluster = str(ROOT / "clusters" / "fir_gpu.json")
    code, output, _ = invoke(
        *arguments(tmp_path, cluster), "--dry-run", option, "2", "--gpuType", "h100"
    )
    assert code == 0
    assert "GPU-hours" in output
    assert sbatch_lines(output)["gres"] == "gpu:h100:2"


def test_every_field_is_an_option(commands: Commands) -> None:
    """--help tells of every field of a cluster spec, without Slurm or torch."""
    code, output, errors = invoke("--help")
    assert (code, errors) == (0, []), errors
    assert not [field.name for field in FIELDS if f"--{field.name} " not in output]


def test_odd_directory_names_are_shown_as_they_are(tmp_path: Path, commands: Commands) -> None:
    """A name that would be markup is shown, not obeyed."""
    directory = tmp_path / "a[b] [red] :smile:"
    directory.mkdir()
    write_specs(directory)
    code, output, _ = invoke(*arguments(directory, CEDAR), "--dry-run")
    assert code == 0
    assert output.splitlines()[1].startswith(str(directory))


SLURM = {
    "sinfo": "main*|64|256000|(null)|infinite\n",
    "scontrol": "MaxArraySize = 1001\n",
    "squeue": "",
    "sacctmgr": "",
    "srun": "",
    "sbatch": "Submitted batch job 42\n",
}


@pytest.fixture
def cluster(tmp_path: Path, commands: Commands) -> Commands:
    """A cluster that takes everything and has nothing queued, and specs of one setting."""
    write_specs(tmp_path, parameters=ONE_SETTING)
    for name, text in SLURM.items():
        commands.answer(name, text)
    return commands


def queue(commands: Commands, root: Path) -> None:
    """Let the cluster have every task of every plan queued."""
    plans = [read_plan(path) for path in plan_paths(root)]
    commands.answer(
        "squeue",
        "".join(
            f"42|{element}|PENDING|Priority||{plan.job_name(number)}\n"
            for plan in plans
            for number, array in enumerate(plan.arrays)
            for element in range(array.num_tasks)
        ),
    )


def test_what_is_queued_is_not_submitted_again(tmp_path: Path, cluster: Commands) -> None:
    """A submission writes the plan and a snapshot of the code; while its tasks are queued the same
    command submits nothing and more runs submit only the new ones; what left the queue without a
    record is submitted again. `--cancel` ends the jobs by their ids."""
    root = tmp_path / "out" / EXPERIMENT
    given = one_run_a_task(tmp_path, 4)
    code, output, errors = invoke(*given)
    assert (code, errors) == (0, []), errors
    assert "submitted job 42: 4 tasks" in output
    (path,) = plan_paths(root)
    plan = read_plan(path)
    assert (root / plan.code / "main.py").read_bytes() == (ROOT / "main.py").read_bytes()
    assert [task.indices for task in plan.tasks] == [[0], [1], [2], [3]]
    queue(cluster, root)
    assert invoke(*given)[0] == 0
    assert len(cluster.calls("sbatch")) == 1
    more = one_run_a_task(tmp_path, 5)
    code, output, _ = invoke(*more)
    assert (code, len(cluster.calls("sbatch"))) == (0, 2)
    assert "submitted job 42: 1 task\n" in output
    planned = [read_plan(path) for path in plan_paths(root)]
    indices = [[index for task in plan.tasks for index in task.indices] for plan in planned]
    assert sorted(indices) == [[0, 1, 2, 3], [4]]
    queue(cluster, root)
    cluster.answer("scancel", "")
    code, output, _ = invoke("--cancel", str(tmp_path / "out"), "--yes")
    assert (code, output.startswith("cancelled 5 tasks")) == (0, True)
    (call_of_scancel,) = cluster.calls("scancel")
    assert sorted(call_of_scancel.split()) == ["42_0", "42_0", "42_1", "42_2", "42_3"]
    cluster.answer("squeue", "")
    invoke(*given)
    assert len(cluster.calls("sbatch")) == 3


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (
            "sbatch: error: Batch job submission failed: Invalid job array specification",
            "--arrayLimit",
        ),
        (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy",
            "--submitLimit",
        ),
        (
            "sbatch: error: Batch job submission failed: "
            "Invalid account or account/partition combination specified",
            "--account",
        ),
        (
            "sbatch: error: invalid partition specified: nosuch\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified",
            "--partition",
        ),
        ("sbatch: error: Batch job submission failed: Invalid qos specification", "--qos"),
        (
            "sbatch: error: Batch job submission failed: "
            "Requested time limit is invalid (missing or exceeds some limit)",
            "--time",
        ),
        (
            "sbatch: error: Batch job submission failed: "
            "Requested node configuration is not available",
            "--cores",
        ),
    ],
)
def test_refusals_of_slurm_are_told(
    tmp_path: Path, cluster: Commands, said: str, hint: str
) -> None:
    """What sbatch refuses is told in one line with the option to change, and leaves neither plan
    nor logs, so that the same command can be given again."""
    cluster.answer("sbatch", "", 1, said)
    code, _, errors = invoke(*arguments(tmp_path, CEDAR), "--yes")
    assert (code, len(errors)) == (2, 1), errors
    assert said.rpartition(": ")[2] in errors[0]
    assert hint in errors[0].partition("hint: ")[2]
    root = tmp_path / "out" / EXPERIMENT
    assert not plan_paths(root)
    assert not list(root.glob("logs/*"))


def test_limits_are_kept(tmp_path: Path, cluster: Commands) -> None:
    """Arrays are no larger than the limit, no more is submitted than may be queued, and the rest
    is named; with nothing free nothing is submitted."""
    given = one_run_a_task(tmp_path, 9)
    limits = ("--arrayLimit", "2", "--submitLimit")
    code, output, _ = invoke(*given, *limits, "5")
    assert code == 0
    assert re.findall(r"submitted job 42: (\d)", output) == ["2", "2", "1"]
    assert "4 of the missing runs stay unsubmitted" in output
    queue(cluster, tmp_path / "out" / EXPERIMENT)
    code, output, _ = invoke(*given, *limits, "5")
    assert (code, len(cluster.calls("sbatch"))) == (0, 3)
    assert "4 of the missing runs stay unsubmitted" in output


def test_a_refusal_in_the_middle(tmp_path: Path, cluster: Commands) -> None:
    """When Slurm refuses a later array, what was submitted before stays planned and is not
    submitted again."""
    script = cluster.folder / "sbatch"
    script.write_text(
        "#!/bin/sh\nPATH=/bin:/usr/bin\n"
        f"echo x >> {cluster.folder}/number\n"
        f"[ $(wc -l < {cluster.folder}/number) -lt 2 ] && echo Submitted batch job 42 && exit\n"
        "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2\nexit 1\n"
    )
    given = one_run_a_task(tmp_path, 4)
    code, output, errors = invoke(*given, "--arrayLimit", "3")
    assert (code, len(errors)) == (2, 1)
    assert "submitted job 42: 3 tasks" in output
    assert "(3 of 4 tasks were submitted before)" in errors[0]
    root = tmp_path / "out" / EXPERIMENT
    (path,) = plan_paths(root)
    name = read_plan(path).job_name(0)
    cluster.answer("squeue", "".join(f"42|{n}|PENDING|x||{name}\n" for n in range(3)))
    cluster.answer("sbatch", SLURM["sbatch"])
    code, output, _ = invoke(*given)
    assert code == 0
    assert "submitted job 42: 1 task\n" in output


def test_own_settings_of_sbatch_do_not_count(
    tmp_path: Path, cluster: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables by which a user sets options of sbatch, which would count before the script's, do
    not reach it and are there again afterwards; others do reach it."""
    own = {"SBATCH_TIMELIMIT": "1", "SBATCH_ARRAY_INX": "0-9", "SBATCH_ACCOUNT": "def-mine"}
    for name, value in (own | {"SLURM_CONF": "/etc/slurm.conf"}).items():
        monkeypatch.setenv(name, value)
    given = [*arguments(tmp_path, CEDAR), "--yes"]
    assert invoke(*given)[0] == 0
    environment = cluster.environment("sbatch")
    assert not [name for name in environment if name.startswith("SBATCH_")]
    assert environment["SLURM_CONF"] == "/etc/slurm.conf"
    assert own.items() <= os.environ.items()
    cluster.answer("sbatch", "", 1, "sbatch: error: Invalid qos specification")
    assert invoke(*given)[0] == 2
    assert own.items() <= os.environ.items()


def test_a_job_that_submits_does_not_pass_itself_on(
    tmp_path: Path, cluster: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Slurm and submitit tell a job of itself reaches no job that it submits; what says which
    cluster it is does, and all of it is there again afterwards."""
    own = {
        "SLURM_JOB_ID": "7",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_MEM_PER_NODE": "100",
        "SLURM_RESTART_COUNT": "2",
        "SLURMD_NODENAME": "n1",
        "SRUN_DEBUG": "3",
        "SUBMITIT_FOLDER": "/elsewhere",
    }
    kept = {"SLURM_CONF": "/etc/slurm.conf", "SLURM_CLUSTERS": "c", "SLURM_CLUSTER_NAME": "c"}
    for name, value in (own | kept).items():
        monkeypatch.setenv(name, value)
    assert invoke(*arguments(tmp_path, CEDAR), "--yes")[0] == 0
    environment = cluster.environment("sbatch")
    assert not own.keys() & environment.keys()
    assert kept.items() <= environment.items()
    assert (own | kept).items() <= os.environ.items()


@pytest.mark.parametrize("place", ["save dir", "account"])
def test_a_line_break_is_refused_before_anything_is_written(
    tmp_path: Path, cluster: Commands, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A save dir, or an account of the environment's, that would add a line to the batch script is
    refused in one line, also by a dry run."""
    hostile = "a\ntouch PWN\n#"
    given = [*arguments(tmp_path, CEDAR)]
    if place == "save dir":
        given = [text.replace("/out", f"/{hostile}") for text in given]
    else:
        monkeypatch.setenv("SBATCH_ACCOUNT", hostile)
        given += ["--account", ""]
    before = {*tmp_path.iterdir()}
    for options in (["--yes"], ["--dry-run"]):
        assert "control characters" in refused(*given, *options)
    assert {*tmp_path.iterdir()} == before
    assert cluster.calls("sbatch") == []


def test_jobs_of_the_original_are_not_cancelled_in_a_copy(
    tmp_path: Path, cluster: Commands
) -> None:
    """A directory that holds a plan of another's name does not reach the other's jobs: those are
    named, and `scancel` gets none of them."""
    assert invoke(*arguments(tmp_path, CEDAR), "--yes")[0] == 0
    root = tmp_path / "out" / EXPERIMENT
    copy = tmp_path / "copy" / EXPERIMENT
    shutil.copytree(root, copy)
    (plan,) = map(read_plan, plan_paths(root))
    cluster.answer("squeue", f"42|N/A|RUNNING|None|n1|{plan.job_name(0)}|{root}\n")
    cluster.answer("scancel", "")
    code, output, errors = invoke("--cancel", str(tmp_path / "copy"), "--yes")
    assert (code, output.startswith("cancelled 0 tasks")) == (0, True)
    assert f"note: job 42 is of the same plan in {root}: cancel it there" in errors
    assert cluster.calls("scancel") == []
    assert invoke("--cancel", str(tmp_path / "out"), "--yes")[1].startswith("cancelled 1 task")
    assert cluster.calls("scancel") == ["42"]


def test_an_account_that_is_not_named(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither file nor option names an account, $SBATCH_ACCOUNT does, as with sbatch."""
    write_specs(tmp_path, parameters=ONE_SETTING)
    for given, own, expected in (
        ("", "def-mine", "def-mine"),
        ("def-other", "def-mine", "def-other"),
        ("", "", None),
    ):
        monkeypatch.setenv("SBATCH_ACCOUNT", own)
        code, output, _ = invoke(*arguments(tmp_path, CEDAR), "--dry-run", "--account", given)
        assert code == 0
        assert sbatch_lines(output).get("account") == expected


def test_logs_that_cannot_be_made(tmp_path: Path, cluster: Commands) -> None:
    """Where the folder of the logs cannot be made nothing is submitted and no plan stays, so that
    the same command can be given again."""
    (tmp_path / "file").touch()
    given = [*arguments(tmp_path, CEDAR), "--yes", "--output", str(tmp_path / "file" / "logs")]
    code, _, errors = invoke(*given)
    assert (code, len(errors)) == (1, 1), errors
    assert f"cannot write {tmp_path}/file/logs" in errors[0]
    assert not cluster.calls("sbatch")
    assert not plan_paths(tmp_path / "out" / EXPERIMENT)
    (tmp_path / "file").unlink()
    assert invoke(*given)[0] == 0
    assert len(cluster.calls("sbatch")) == 1


def test_status_and_cancel_of_what_waits(tmp_path: Path, cluster: Commands) -> None:
    """`--status` tells why tasks wait. With Slurm down it says that what became of them is not
    known, and `--cancel` is an error that ends nothing."""
    out = str(tmp_path / "out")
    given = one_run_a_task(tmp_path, 3)
    assert invoke(*given)[0] == 0
    queue(cluster, tmp_path / "out" / EXPERIMENT)
    code, output, errors = invoke("--status", out)
    assert (code, errors) == (0, [])
    assert output.splitlines()[-1].endswith("3 tasks wait: Priority")
    cluster.answer("scancel", "")
    cluster.answer("squeue", "", 1, "Unable to contact slurm controller")
    code, output, errors = invoke("--status", out)
    assert (code, len(errors)) == (0, 1)
    assert "index 0-2: submitted, and what became of it is not known" in output
    assert "Unable to contact slurm controller" in refused("--cancel", out, "--yes")
    assert not cluster.calls("scancel")


SEARCH = {"method": "random", "capacity": 1000}


def test_more_settings_submit_only_what_is_missing(tmp_path: Path, cluster: Commands) -> None:
    """Settings of a search are submitted by number; while they are queued, more settings and more
    runs submit only the new ones, and the status counts everything that was ever asked for. Plans
    keep the search and what was set."""
    write_specs(tmp_path, parameters={"critic_lr": {"loguniform": [1e-4, 1e-2]}, "alpha": [0.1]})
    spec = tmp_path / "agent.json"
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"search": SEARCH}))
    root = tmp_path / "out" / EXPERIMENT
    gamma = ("--set", "environment.gamma=0.5")
    submitted: list[int] = []
    for runs, selected, new in (
        (2, ["--settings", "0-2"], [0, 1, 2, 1000, 1001, 1002]),
        (2, ["--settings", "0-3"], [3, 1003]),
        (1, ["--settings", "0-9", "--where", "critic_lr > 0"], [4, 5, 6, 7, 8, 9]),
        (3, ["--settings", "1"], [2001]),
    ):
        code, _, errors = invoke(*one_run_a_task(tmp_path, runs), *gamma, *selected)
        assert (code, errors) == (0, []), errors
        plans = [read_plan(path) for path in plan_paths(root)]
        indices = sorted(i for plan in plans for task in plan.tasks for i in task.indices)
        submitted = sorted([*submitted, *new])
        assert indices == submitted
        queue(cluster, root)
    assert all(plan.environment["gamma"] == 0.5 for plan in plans)
    assert all(plan.agent["search"] == {**SEARCH, "seed": 0} for plan in plans)
    code, output, _ = invoke("--status", str(tmp_path / "out"))
    assert code == 0
    expected, queued = (output.splitlines()[1].split()[place] for place in (2, 6))
    assert (expected, queued) == (str(len(submitted)), str(len(submitted)))


def test_a_selection_that_is_refused(tmp_path: Path, commands: Commands) -> None:
    """Settings there are not, and fields there are not, are refused before anything is planned."""
    write_specs(tmp_path)
    for options, said in (
        (["--settings", "99"], "--settings: setting 99: allowed 0 to 5"),
        (["--where", "alpha > 9"], "--where alpha > 9: no setting has that"),
        (["--set", "environment.gama=1"], "--set environment.gama=1: gama: unknown key"),
    ):
        assert said in refused(*arguments(tmp_path), "--dry-run", *options)


def test_agent_files_of_one_experiment(tmp_path: Path, commands: Commands) -> None:
    """Files that main.py would merge are experiments here: where one is no whole one, or two are
    the same, the line says to write one file."""
    write_specs(tmp_path)
    part, sweep, whole = (tmp_path / name for name in ("part.json", "sweep.yaml", "whole.json"))
    part.write_text('{"parameters": {"alpha": [0.5]}}')
    sweep.write_text("method: grid\nparameters: {alpha: {values: [0.5]}}\n")
    whole.write_text((tmp_path / "agent.json").read_text())
    for more, said in (
        (part, f"{part}: agent_name: missing; hint: each agent file here is an experiment"),
        (sweep, f"{sweep}: agent_name: missing; hint: each agent file here is an experiment"),
        (whole, "as another agent file of this command"),
    ):
        line = refused(*arguments(tmp_path), str(more), "--dry-run")
        assert said in line
        assert "what main.py merges of several agent files, write into one" in line
