"""`simple_combine.py` and `python -m nthrun combine | forget` from the outside."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_experiment, make_run
from warm import ROOT, warm_process

from nthrun.commands.summary_file import write_summary
from nthrun.records import open_data
from nthrun.records.experiment import Experiment

SIMPLE_COMBINE = (str(ROOT / "simple_combine.py"),)
COMBINE = ("-m", "nthrun", "combine")
FORGET = ("-m", "nthrun", "forget")
every_combine = pytest.mark.parametrize("script", [SIMPLE_COMBINE, COMBINE], ids=["simple", "-m"])


def call(
    *arguments: str | Path, expect: int = 0, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a command, whose output must be plain: one line an error, nothing on stdout after bad
    input, no traceback."""
    done = warm_process().call([*map(str, arguments)], cwd, os.environ, 50)
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    if expect:
        assert all(line.startswith(("error: ", "note: ")) for line in done.stderr.splitlines())
    if expect == 2:
        assert len(done.stderr.splitlines()) == 1
        assert done.stdout == ""
    return done


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Two settings, two runs each, in two shards."""
    made = make_experiment(tmp_path / "Pendulum v1_SAC", 2)
    for run_number in (0, 1):
        made.write(0, [make_run(2 * run_number + s, s, run_number) for s in (0, 1)])
    return made


@every_combine
def test_default_output(experiment: Experiment, script: tuple[str, ...]) -> None:
    """Without OUT it is DIR/data.json; the path and the number of runs are what is printed."""
    done = call(*script, experiment.root)
    output = experiment.root / "data.json"
    assert done.stdout == f"{output}: 4 runs\n"
    assert done.stderr == ""
    assert list(json.loads(output.read_bytes())["experiment_data"]) == ["0", "1"]
    assert call(*script, experiment.root).stdout == f"{output}: 4 runs (unchanged)\n"


def test_output(experiment: Experiment, tmp_path: Path) -> None:
    """OUT may be anywhere, relative to where the command is given; its suffix is the type."""
    done = call(*SIMPLE_COMBINE, experiment.root.name, "new/all.h5", cwd=tmp_path)
    assert done.stdout == "new/all.h5: 4 runs\n"
    found = open_data(tmp_path / "new" / "all.h5")
    assert "learned_params" in found["experiment_data"][0]["runs"][0]


@pytest.mark.parametrize("name", ["data.json", "data.h5"])
def test_summary(experiment: Experiment, name: str) -> None:
    """The summary that combining writes, and writes again where nothing is new, is that of the
    file that it wrote."""
    summaries = []
    for _ in range(2):
        call(*SIMPLE_COMBINE, experiment.root, experiment.root / name)
        summaries.append((experiment.root / "summary.json").read_bytes())
        (experiment.root / "summary.json").unlink()
    write_summary(open_data(experiment.root / name), experiment.root, stage=0)
    assert set(summaries) == {(experiment.root / "summary.json").read_bytes()}


def test_nothing_is_asked(experiment: Experiment) -> None:
    """A standard input that never says anything nor ends is not waited for."""
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE) as silent:
        command = [sys.executable, *SIMPLE_COMBINE, str(experiment.root)]
        done = subprocess.run(command, stdin=silent.stdout, timeout=50, check=False)
        silent.kill()
    assert done.returncode == 0


def test_full(experiment: Experiment) -> None:
    """--full leaves nothing out of data.json."""
    call(*SIMPLE_COMBINE, experiment.root)
    assert "learned_params" in json.loads((experiment.root / "data.json").read_bytes())["omitted"]
    call(*SIMPLE_COMBINE, experiment.root, "--full")
    assert json.loads((experiment.root / "data.json").read_bytes())["omitted"] == []


class TestBadInput:
    def test_directory(self, tmp_path: Path) -> None:
        """A directory that is absent, no directory or no experiment is one line and exit code 2."""
        (tmp_path / "file").write_text("")
        for path in (tmp_path / "absent", tmp_path / "file", tmp_path):
            for script in (SIMPLE_COMBINE, (*FORGET, "--index", "0")):
                assert str(path) in call(*script, path, expect=2).stderr

    def test_damaged_manifest(self, experiment: Experiment) -> None:
        """A damaged manifest is named."""
        (experiment.root / "manifest.json").write_text("{")
        assert "manifest.json" in call(*SIMPLE_COMBINE, experiment.root, expect=2).stderr

    @pytest.mark.parametrize("name", ["data", "data.txt", "data.hdf5"])
    def test_suffix(self, experiment: Experiment, name: str) -> None:
        """Another suffix is refused, saying which there are."""
        done = call(*SIMPLE_COMBINE, experiment.root, experiment.root / name, expect=2)
        assert done.stderr.endswith("unknown file type, allowed: .json, .h5, .csv, .parquet\n")
        assert not (experiment.root / name).exists()

    def test_no_records(self, tmp_path: Path) -> None:
        """An experiment without records says so, and no file is written."""
        experiment = make_experiment(tmp_path / "experiment")
        done = call(*SIMPLE_COMBINE, experiment.root, expect=2)
        assert done.stderr == f"error: {experiment.root}: no records yet\n"
        assert not (experiment.root / "data.json").exists()

    def test_nothing_readable(self, experiment: Experiment) -> None:
        """Where no record can be read every file is named, and none is written or set aside."""
        output = experiment.root / "data.json"
        output.write_text("{")
        paths = [output, *sorted(experiment.runs.glob("*.h5"))]
        for path in paths[1:]:
            path.write_bytes(path.read_bytes()[:-1])
        done = warm_process().call([*SIMPLE_COMBINE, str(experiment.root)], ROOT, os.environ, 50)
        assert (done.returncode, done.stdout) == (2, "")
        *named, last = done.stderr.splitlines()
        for line, path in zip(named, paths, strict=True):
            assert line.startswith(f"error: could not read {path}: damaged")
        assert last.startswith(f"error: {experiment.root}: no record that can be read; hint: ")
        assert "kept as" not in done.stderr
        assert [path.name for path in experiment.root.glob("data*")] == ["data.json"]

    def test_arguments(self, experiment: Experiment) -> None:
        """No argument, one too many and an unknown option are one line each."""
        call(*SIMPLE_COMBINE, expect=2)
        call(*SIMPLE_COMBINE, experiment.root, "a.json", "b.json", expect=2)
        assert "--fill" in call(*SIMPLE_COMBINE, experiment.root, "--fill", expect=2).stderr
        call(*FORGET, experiment.root, expect=2)

    @pytest.mark.parametrize("indices", ["", "x", "3-1", "-1", "0,,2"])
    def test_indices(self, experiment: Experiment, indices: str) -> None:
        """Indices that cannot be read are refused before anything is forgotten."""
        call(*FORGET, experiment.root, f"--index={indices}", expect=2)
        assert experiment.inventory().recorded(0) == {0, 1, 2, 3}

    def test_another_experiment(self, experiment: Experiment, tmp_path: Path) -> None:
        """A file with another experiment's records is not replaced."""
        other = make_experiment(tmp_path / "other", env_name="Other-v0", runs=[make_run(0, 0, 0)])
        call(*SIMPLE_COMBINE, other.root, tmp_path / "data.json")
        done = call(*SIMPLE_COMBINE, experiment.root, tmp_path / "data.json", expect=2)
        assert "another experiment; hint: choose another OUT" in done.stderr


class TestExitCode1:
    def test_unreadable(self, experiment: Experiment) -> None:
        """A file that cannot be read is named, each time; the rest is in the file."""
        path = sorted(experiment.runs.glob("*.h5"))[0]
        path.write_bytes(path.read_bytes()[:-1])
        for state in ("", " (unchanged)"):
            done = call(*SIMPLE_COMBINE, experiment.root, expect=1)
            assert done.stderr.startswith(f"error: could not read {path}: damaged")
            assert len(done.stderr.splitlines()) == 1
            assert done.stdout == f"{experiment.root / 'data.json'}: 2 runs{state}\n"

    def test_conflict(self, experiment: Experiment) -> None:
        """A conflict is named with the command that ends it; it is true that it does."""
        experiment.write(0, [make_run(3, 1, 1, returns=(5.0, 5.0, 5.0))])
        done = call(*SIMPLE_COMBINE, experiment.root, expect=1)
        assert "5 runs" in done.stdout
        start = "error: conflict: index 3 of stage 0 (setting 1, run 1) has records that differ in"
        assert done.stderr.startswith(start)
        program, *arguments = shlex.split(done.stderr.split("`")[1])
        assert program == "python"
        assert call(*arguments).stdout == f"{experiment.root}: forgot 3\n"
        assert "3 runs" in call(*SIMPLE_COMBINE, experiment.root).stdout

    def test_damaged_data_json(self, experiment: Experiment) -> None:
        """A damaged data.json is named, set aside and written anew."""
        (experiment.root / "data.json").write_text("{")
        done = call(*SIMPLE_COMBINE, experiment.root, expect=1)
        assert "data.json: damaged" in done.stderr
        assert (experiment.root / "data.json.damaged-1").read_text() == "{"
        assert "(unchanged)" in call(*SIMPLE_COMBINE, experiment.root).stdout

    def test_cannot_be_written(self, experiment: Experiment) -> None:
        """An output that cannot be written is one line with a hint."""
        (experiment.root / "file").write_text("")
        for name in ("data.json", "data.h5"):
            output = experiment.root / "file" / name
            done = call(*SIMPLE_COMBINE, experiment.root, output, expect=1)
            assert done.stderr.startswith(f"error: cannot write {output}: ")
            assert "; hint: " in done.stderr


class TestForget:
    def test_forget(self, experiment: Experiment) -> None:
        """Forgotten indices are named, missing from then on, and leave the next data.json."""
        call(*SIMPLE_COMBINE, experiment.root)
        done = call(*FORGET, experiment.root, "--index", "1-2,9")
        assert done.stdout == f"{experiment.root}: forgot 1-2\n"
        assert experiment.inventory().missing(range(4), 0) == [1, 2]
        assert "2 runs" in call(*SIMPLE_COMBINE, experiment.root).stdout
        again = call(*FORGET, experiment.root, "--index", "1-2,9")
        assert again.stdout.endswith("forgot nothing: none of them is recorded\n")

    def test_stage(self, experiment: Experiment) -> None:
        """Only the stage that is named is touched."""
        experiment.write(1, [make_run(0, 0, 0, stage=1)])
        call(*FORGET, experiment.root, "--index", "0", "--stage", "1")
        assert experiment.inventory().recorded(0) == {0, 1, 2, 3}
        assert experiment.inventory().recorded(1) == set()
        call(*FORGET, experiment.root, "--index", "0", "--stage", "-1", expect=2)

    def test_without_shards(self, experiment: Experiment) -> None:
        """Records that come from data.json alone are said to, and can be forgotten."""
        call(*SIMPLE_COMBINE, experiment.root)
        for path in experiment.runs.iterdir():
            path.unlink()
        done = call(*SIMPLE_COMBINE, experiment.root)
        assert done.stderr == "note: 4 of the records are held by an earlier file alone\n"
        call(*FORGET, experiment.root, "--index", "0-2")
        assert ": 1 run\n" in call(*SIMPLE_COMBINE, experiment.root).stdout


@pytest.mark.parametrize(
    "script", [SIMPLE_COMBINE, COMBINE, FORGET], ids=["simple", "-m", "forget"]
)
def test_help(script: tuple[str, ...]) -> None:
    """--help prints to stdout, and needs neither torch nor an experiment."""
    assert "DIR" in call(*script, "--help").stdout


def test_without_torch(experiment: Experiment) -> None:
    """Combining starts without torch."""
    code = (
        "import sys; from nthrun.commands.combine import combine; "
        f"combine.main([{str(experiment.root)!r}], standalone_mode=False); "
        "sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 runs" in done.stdout
