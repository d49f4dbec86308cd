"""Where the tasks of an array print, and the lock that admits one submission at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plans import NAME, make_cluster, make_plan
from processes import ROOT

from nthrun.errors import SlurmError, SpecError, StorageError
from nthrun.scheduling.plan import Array, plan_paths
from nthrun.scheduling.submission import (
    log_pattern,
    require_plain_paths,
    require_plain_scripts,
    scheduling_lock,
    script_of,
)
from nthrun.terminal import is_plain

EXPERIMENT = Path("/experiment")
HOLD = """
import sys
from pathlib import Path
from typing import Any
from nthrun.scheduling.submission import scheduling_lock
with scheduling_lock(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


@pytest.mark.parametrize(
    ("output", "one", "many"),
    [
        ("", f"/experiment/logs/{NAME}-1/%j.log", f"/experiment/logs/{NAME}-0/%A_%a.log"),
        ("/logs", "/logs/%j.log", "/logs/%A_%a.log"),
        ("/logs/", "/logs/%j.log", "/logs/%A_%a.log"),
        ("$PLACE/logs", "/place/logs/%j.log", "/place/logs/%A_%a.log"),
        ("~/logs", "/home/a/logs/%j.log", "/home/a/logs/%A_%a.log"),
        ("/logs/%j.out", "/logs/%j.out", "/logs/%j.out"),
        ("/logs/%8j", "/logs/%8j", "/logs/%8j"),
        ("/logs/%A-%a.out", "/logs/%A-%a.out", "/logs/%A-%a.out"),
        ("/logs/%A.out", "/logs/%A-%j.out", "/logs/%A-%A_%a.out"),
        ("/logs/%a.out", "/logs/%a-%j.out", "/logs/%a-%A_%a.out"),
        ("/logs/%x.out", "/logs/%x-%j.out", "/logs/%x-%A_%a.out"),
        ("/logs/sweep.out", "/logs/sweep-%j.out", "/logs/sweep-%A_%a.out"),
        ("/dev/null", "/dev/null", "/dev/null"),
    ],
)
def test_every_task_has_a_log_of_its_own(
    monkeypatch: pytest.MonkeyPatch, output: str, one: str, many: str
) -> None:
    """`output` is a folder, or a pattern that is completed where it would give two tasks one file;
    nothing is added to the null device; without it logs lie beside the script."""
    monkeypatch.setenv("PLACE", "/place")
    monkeypatch.setenv("HOME", "/home/a")
    arrays = (Array(0, 2), Array(2, 1))
    plan = make_plan(EXPERIMENT, [[[0]], [[1]], [[2]]], make_cluster(output=output), arrays=arrays)
    assert [str(log_pattern(plan, array)) for array in (1, 0)] == [one, many]


@pytest.mark.parametrize("name", ["top10%ablation", "noise50%train", "50%", "a%%j", "a\\b"])
def test_a_directory_that_slurm_reads_as_a_pattern_is_refused(name: str) -> None:
    """A directory in which Slurm or submitit would put ids, or drop a sign, is named with it."""
    with pytest.raises(SlurmError, match=r"got a path with .*allowed: directories without % and"):
        require_plain_paths(make_cluster(), [EXPERIMENT, EXPERIMENT / name / "e"])


@pytest.mark.parametrize("name", ["a [b]*?", "{x}", "~", "$HOME", "'q\"", "#", "é ", "-x", "!&;|"])
def test_other_signs_are_taken_as_they_stand(name: str) -> None:
    """Signs that mean something to a shell or to glob mean nothing here."""
    require_plain_paths(make_cluster(), [EXPERIMENT / name])


def test_a_log_folder_is_no_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of `output` may not put a pattern into the folder, and no backslash is taken."""
    monkeypatch.setenv("PLACE", "/place%j")
    for output in ("$PLACE/logs/", "/logs\\x/%j.log"):
        with pytest.raises(SlurmError, match="allowed: a folder without % signs"):
            require_plain_paths(make_cluster(output=output), [EXPERIMENT])
    require_plain_paths(make_cluster(output="/logs/%x-%j.log"), [EXPERIMENT])


HOSTILE = (
    "a\ntouch PWN\n#",
    "a\rb",
    "a\0b",
    "a\x1b[2J",
    "a\x85b",
    "a\u2028b",
    "a\u202eb",
    "\udcff",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "field",
    [
        "root",
        "code",
        "account",
        "partition",
        "qos",
        "output",
        "email",
        "gpuType",
        "sbatch",
        "prefix",
    ],
)
def test_no_value_begins_a_line_of_the_script(
    field: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control character in whatever reaches the batch script is refused by name, as behind
    `#SBATCH` no quotes help."""
    changes: dict[str, Any] = {"root": EXPERIMENT}
    cluster: dict[str, Any] = {"gpus": 1}
    if field in ("root", "code"):
        changes |= {"root": Path(f"/{text}")} if field == "root" else {"code": text}
    elif field == "sbatch":
        cluster[field] = (f"--constraint={text}",)
    elif field == "prefix":
        cluster[field] = (text,)
    elif field == "output":  # the file is sound, and a variable that it names is not
        monkeypatch.setattr("os.path.expandvars", lambda text_of_file: f"/{text}/%j.log")
        cluster[field] = "$PLACE/%j.log"
    else:
        cluster[field] = text
    plan = make_plan(cluster=make_cluster(**cluster), **changes)
    with pytest.raises(SpecError, match="allowed: text without control characters") as refused:
        require_plain_scripts(plan)
    assert is_plain(str(refused.value))


def test_lines_of_ones_own_and_odd_names_stay() -> None:
    """`setup` is the user's own shell text; blanks, quotes and letters of any kind are taken."""
    cluster = make_cluster(setup=("module load gcc\nulimit -c 0",), account="def-é")
    plan = make_plan(Path("/it's a größe \u3000 名 $HOME `x`"), cluster=cluster)
    require_plain_scripts(plan)
    assert "ulimit -c 0" in script_of(plan, 0)


def test_a_prefix_stands_before_the_interpreter() -> None:
    """Words of `prefix`, quoted, and the interpreter that is named call a task; without them it is
    the interpreter that submits."""
    cluster = make_cluster(prefix=("apptainer", "exec", "an image.sif"), python="python3")
    script = script_of(make_plan(EXPERIMENT, cluster=cluster), 0)
    assert "\nexec apptainer exec 'an image.sif' python3 -u -m submitit.core._submit " in script
    assert f"\nexec {sys.executable} -u -m " in script_of(make_plan(EXPERIMENT), 0)


def test_only_one_holds_it(tmp_path: Path) -> None:
    """While a process holds the lock another is refused at once, by name and with what to do; when
    the holder is killed it is free."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(StorageError, match=f"{tmp_path}: another.*wait"), scheduling_lock(tmp_path):
        pass
    process.kill()
    process.communicate()
    with scheduling_lock(tmp_path):
        pass


def test_it_is_let_go(tmp_path: Path) -> None:
    """It ends with its block, also by an error, and is no plan."""
    with pytest.raises(ZeroDivisionError), scheduling_lock(tmp_path / "new"):
        raise ZeroDivisionError
    with scheduling_lock(tmp_path / "new"):
        assert plan_paths(tmp_path / "new") == []


def test_what_lies_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    """A link in the place of the lock does not lead to another file, nor is a FIFO waited for."""
    path, outside = tmp_path / "e" / "plans" / ".lock", tmp_path / "outside"
    path.parent.mkdir(parents=True)
    outside.write_text("kept")
    path.symlink_to(outside)
    with pytest.raises(StorageError), scheduling_lock(tmp_path / "e"):
        pass
    assert outside.read_text() == "kept"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StorageError, match="no regular file"), scheduling_lock(tmp_path / "e"):
        pass


def test_it_cannot_be_made(tmp_path: Path) -> None:
    """Where nothing can be written, that is said."""
    (tmp_path / "plans").touch()
    with pytest.raises(StorageError, match="cannot write"), scheduling_lock(tmp_path):
        pass
