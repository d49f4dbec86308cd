"""What Slurm's commands print, read: the commands are make-believe, their texts real."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest
from plans import NAME, Commands, only_commands

from nthrun.errors import SlurmError
from nthrun.scheduling import slurm as slurm_module
from nthrun.scheduling.slurm import (
    Job,
    ask,
    cancel_jobs,
    cancel_named,
    has_slurm,
    is_login_node,
    job_state,
    read_accounting,
    read_queue,
    requeue,
    seconds_left,
)

OURS = f"nthrun-{NAME}-0"
OTHER = "20260102-030405-fedcba"
DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """No command at all, until a test makes one."""
    return only_commands(tmp_path, monkeypatch)


def test_the_queue_is_told_by_name(commands: Commands) -> None:
    """Our jobs are found by plan, array and element, whatever their ids; all jobs are counted; a
    one-element array is a plain job without an element."""
    commands.answer(
        "squeue",
        f"12|0|RUNNING|None|n1|{OURS}\n"
        f"12|7|PENDING|Priority||{OURS}\n"
        f"15|N/A|PENDING|Resources||nthrun-{OTHER}-3\n"
        "16|N/A|RUNNING|None|n2|bash\n"
        "17|4|RUNNING|None|n2|nthrun-mine\n",
    )
    queue = read_queue()
    assert queue.ours == {
        (NAME, 0, 0): Job("12_0", "RUNNING", "None", "n1"),
        (NAME, 0, 7): Job("12_7", "PENDING", "Priority", ""),
        (OTHER, 3, 0): Job("15", "PENDING", "Resources", ""),
    }
    assert queue.num_jobs == 5
    (call,) = commands.calls("squeue")
    assert "--array" in call
    assert "--user" in call


def test_the_queue_reads_any_name(commands: Commands) -> None:
    """Jobs of any name and the headings of several clusters do no harm."""
    commands.answer(
        "squeue", f"CLUSTER: fir\n16|N/A|RUNNING|None|n2|a|b|\n12|0|RUNNING|None|n1|{OURS}\n\n"
    )
    queue = read_queue()
    assert (list(queue.ours), queue.num_jobs) == ([(NAME, 0, 0)], 2)


def test_an_empty_queue_is_known(commands: Commands) -> None:
    """That nothing is queued is an answer."""
    commands.answer("squeue", "")
    queue = read_queue()
    assert (queue.ours, queue.num_jobs) == ({}, 0)


def test_a_queue_that_does_not_answer_is_an_error(commands: Commands) -> None:
    """A failing squeue is never taken for an empty queue, even if it printed something."""
    commands.answer("squeue", f"12|0|RUNNING|None|n1|{OURS}\n", 1, DOWN)
    with pytest.raises(SlurmError, match="Unable to contact slurm controller") as failed:
        read_queue()
    assert len(failed.value.lines()) == 1
    assert "the same command can be given again" in failed.value.hint


def test_no_slurm_is_told_plainly(commands: Commands) -> None:
    """Where the command is not there, the error says what else can be done."""
    assert not has_slurm()
    with pytest.raises(SlurmError, match=r"no Slurm on this machine.*clusters/local.json"):
        read_queue()
    commands.answer("squeue", "")
    assert not has_slurm()
    commands.answer("sbatch", "")
    assert not has_slurm()
    commands.answer("srun", "")
    assert has_slurm()


def test_a_login_node_is_told_by_its_configuration(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands alone make none, nor does a job's own node, nor one that runs jobs, such as a
    workstation with a Slurm of its own; a shell with an allocation is still on it."""
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    monkeypatch.setattr(slurm_module, "PROCESSES", tmp_path / "proc")
    for number, name in enumerate(("slurmstepd", "bash")):
        (tmp_path / f"proc/{number}").mkdir(parents=True)
        (tmp_path / f"proc/{number}/comm").write_text(f"{name}\n")
    monkeypatch.setattr(slurm_module, "CONFIGURATIONS", (str(tmp_path / "slurm.conf"),))
    for command in ("squeue", "sbatch", "srun"):
        commands.answer(command, "")
    assert not is_login_node()
    (tmp_path / "slurm.conf").touch()
    assert is_login_node()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert is_login_node()
    with monkeypatch.context() as patched:
        patched.setenv("SLURMD_NODENAME", "node7")
        assert not is_login_node()
    (tmp_path / "proc/1/comm").write_text("slurmd\n")
    assert not is_login_node()


def test_slurm_that_hangs_is_not_waited_for(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that does not return is an error after a while."""
    monkeypatch.setattr(slurm_module, "ANSWER_SECONDS", 0.2)
    (commands.folder / "squeue").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (commands.folder / "squeue").chmod(0o755)
    with pytest.raises(SlurmError, match="does not answer: squeue"):
        read_queue()


def test_what_users_set_does_not_filter(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables by which a user shapes squeue's output would hide jobs, or break its columns."""
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    monkeypatch.setenv("SQUEUE_PARTITION", "main")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    commands.answer("squeue", "")
    read_queue()
    environment = commands.environment("squeue")
    assert not [name for name in environment if name.startswith("SQUEUE_")]
    assert environment["SLURM_CONF"] == "/etc/slurm.conf"
    assert environment["SLURM_BITSTR_LEN"] == "0"


def test_own_rows_win_over_ranges(commands: Commands) -> None:
    """A cancelled remainder that goes on naming elements which have run does not count for them,
    whichever row comes first."""
    rows = [
        f"1478_4|{OURS}|COMPLETED|0:0|n1",
        f"1478_[4-6,9%2]|{OURS}|CANCELLED by 0|0:0|None assigned",
        f"1478_5|{OURS}|FAILED|3:0|n2",
    ]
    found = []
    for order in (rows, rows[::-1]):
        commands.answer("sacct", "\n".join(order) + "\n")
        found.append(read_accounting([OURS], "2026-01-01"))
    assert found[0] == found[1]
    assert {place[2]: job.state for place, job in found[0].items()} == {
        4: "COMPLETED",
        5: "FAILED",
        6: "CANCELLED",
        9: "CANCELLED",
    }
    assert found[0][NAME, 0, 5] == Job("1478_5", "FAILED", "exit code 3:0", "n2")
    assert found[0][NAME, 0, 9].id == "1478_9"


def test_ids_that_came_back_do_no_harm(commands: Commands) -> None:
    """Of two jobs with one id, and of one id for a forgotten array and a later job, each is found
    by its name."""
    commands.answer(
        "sacct",
        f"125_0|{OURS}|RUNNING|0:0|n1\n"
        f"125|nthrun-{OTHER}-0|COMPLETED|0:0|n1\n"
        "125_1|somebody|FAILED|1:0|n1\n",
    )
    found = read_accounting([OURS, f"nthrun-{OTHER}-0"], "2026-01-01")
    assert {place: job.state for place, job in found.items()} == {
        (NAME, 0, 0): "RUNNING",
        (OTHER, 0, 0): "COMPLETED",
    }
    (call,) = commands.calls("sacct")
    assert f"--name={OURS},nthrun-{OTHER}-0" in call
    assert "--starttime=2026-01-01" in call


def test_a_range_of_one_is_a_range(commands: Commands) -> None:
    """A remainder of one element loses to the element's own row too."""
    commands.answer(
        "sacct", f"9_3|{OURS}|TIMEOUT|0:0|n1\n9_[3]|{OURS}|CANCELLED by 5|0:0|None assigned\n"
    )
    assert read_accounting([OURS], "2026-01-01")[NAME, 0, 3].state == "TIMEOUT"


def test_without_accounting_nothing_is_known(commands: Commands) -> None:
    """A cluster that keeps no accounts is no error; no names are no question."""
    assert read_accounting([OURS], "2026-01-01") == {}
    commands.answer("sacct", "", 1, "Slurm accounting storage is disabled")
    assert read_accounting([OURS], "2026-01-01") == {}
    assert len(commands.calls("sacct")) == 1
    assert read_accounting([], "2026-01-01") == {}
    assert len(commands.calls("sacct")) == 1


@pytest.mark.parametrize("seconds", [0, 45, 10_747, 86_401])
def test_time_left(commands: Commands, seconds: int) -> None:
    """A job's end, in this machine's time, tells what is left; an end that has passed is now."""
    for moment, left in ((time.time() + seconds, seconds), (time.time() - seconds, 0)):
        commands.answer("squeue", time.strftime("%Y-%m-%dT%H:%M:%S\n", time.localtime(moment)))
        assert seconds_left("12_3") == pytest.approx(left, abs=2)
    assert "--jobs 12_3" in commands.calls("squeue")[0]


@pytest.mark.parametrize("text", ["N/A", "Unknown", "NONE", ""])
def test_no_time_is_no_answer(commands: Commands, text: str) -> None:
    """What is no moment tells nothing."""
    commands.answer("squeue", text)
    assert seconds_left("12_3") is None


def test_one_job_that_nobody_knows(commands: Commands) -> None:
    """Where Slurm does not know a job or does not answer, that is neither an end nor a state."""
    commands.answer("squeue", "", 1, "slurm_load_jobs error: Invalid job id specified")
    assert seconds_left("12") is None
    assert job_state("12") == ""
    commands.answer("squeue", "RUNNING\n")
    assert job_state("12") == "RUNNING"


def test_only_ids_of_jobs_reach_scancel(commands: Commands) -> None:
    """What is not the number of a job or of an element of an array is not handed to `scancel`."""
    commands.answer("scancel", "")
    hostile = ["--user=root", "-u", "", " 5", "5 6", "5\n", "٥", "5_", "_5", "5_[0-9]", "*", "5;6"]
    cancel_jobs([*hostile, "12", "12_3"])
    assert commands.calls("scancel") == ["12 12_3"]


def test_many_jobs_are_cancelled_in_parts(commands: Commands) -> None:
    """Every id is given to scancel once, few enough at a time for a command line; none, no call."""
    commands.answer("scancel", "")
    cancel_jobs([])
    assert commands.calls("scancel") == []
    ids = [f"1_{n}" for n in range(1201)]
    cancel_jobs(ids)
    calls = [call.split() for call in commands.calls("scancel")]
    assert [name for call in calls for name in call] == ids
    assert max(map(len, calls)) <= 500


def test_refusals_are_passed_on(commands: Commands) -> None:
    """What Slurm says on refusing is in the error, in one line."""
    commands.answer("scontrol", "", 1, "slurm_update error:\n Requested operation is disabled")
    with pytest.raises(SlurmError, match="error: Requested operation is disabled"):
        requeue("12_3")
    assert commands.calls("scontrol") == ["requeue 12_3"]
    commands.answer("scancel", "said on stdout", 1)
    with pytest.raises(SlurmError, match="said on stdout"):
        cancel_jobs(["1"])
    commands.answer("sinfo", "", 7)
    with pytest.raises(SlurmError, match="exit code 7"):
        ask(["sinfo"])


def test_the_queue_is_that_of_the_process(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs are looked for, and ended by name, as those of the user the process runs as, whatever
    the variables say that name one."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody")
    user = pwd.getpwuid(os.geteuid()).pw_name
    commands.answer("squeue", "")
    commands.answer("scancel", "")
    read_queue()
    cancel_named(OURS)
    assert f"--user {user} " in commands.calls("squeue")[0]
    assert commands.calls("scancel") == [f"--user={user} --name={OURS}"]
