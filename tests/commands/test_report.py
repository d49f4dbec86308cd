"""`python -m nthrun report` from the outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from analysis.report.report_sweep import sweep
from builders import make_experiment, make_run
from click.testing import CliRunner, Result

from nthrun.commands.combine import combine
from nthrun.commands.report import report
from nthrun.errors import NthrunError


def call(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(report, [*map(str, arguments)])


def refusal(*arguments: str | Path) -> str:
    """The one line that the command ends with, having printed nothing."""
    result = call(*arguments)
    assert isinstance(result.exception, NthrunError), result.output
    assert result.stdout == ""
    [line] = result.exception.lines()
    return line


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A sweep."""
    return sweep(tmp_path / "e")


class TestWriting:
    def test_path(self, experiment: Path, tmp_path: Path) -> None:
        """It prints the path of the file, whose folder it makes, and the title is in it; given
        again it takes the place of the earlier report, with the same bytes."""
        out = tmp_path / "deep" / "r.html"
        texts = []
        for _ in range(2):
            result = call(experiment, "--out", out, "--title", "Mine & <yours>")
            assert result.stdout == f"{out}\n"
            texts.append(out.read_text())
        assert "<title>Mine &amp; &lt;yours&gt;</title>" in texts[0]
        assert texts[0] == texts[1]

    def test_sources_say_the_same(self, experiment: Path, tmp_path: Path) -> None:
        """An experiment directory and the files that it is combined into give the same page, but
        for where it was read from."""
        pages = set()
        for name in ("", "data.json", "data.h5"):
            source = experiment / name
            if name:
                CliRunner().invoke(combine, [str(experiment), str(source)], catch_exceptions=False)
            assert call(source, "--label", "x", "--out", tmp_path / "r.html").exit_code == 0
            pages.add((tmp_path / "r.html").read_text().replace(str(source), "SOURCE"))
        assert len(pages) == 1

    def test_name_of_bytes(self, tmp_path: Path) -> None:
        """A folder whose name is no text is reported on."""
        root = sweep(tmp_path / "e\udcff<b>")
        assert call(root, "--out", tmp_path / "r.html").exit_code == 0


class TestRefusals:
    def test_foreign_file(self, experiment: Path, tmp_path: Path) -> None:
        """A file that is no report is kept unless told otherwise."""
        out = tmp_path / "r.html"
        out.write_text("<html>thesis</html>")
        assert "no report of nthrun; hint: give another, or --overwrite" in refusal(
            experiment, "--out", out
        )
        assert out.read_text() == "<html>thesis</html>"
        assert call(experiment, "--out", out, "--overwrite").exit_code == 0

    def test_unwritable(self, experiment: Path, tmp_path: Path) -> None:
        """A directory, and a path below a file, are refused."""
        assert "is a directory" in refusal(experiment, "--out", tmp_path)
        (tmp_path / "file").write_text("")
        below = refusal(experiment, "--out", tmp_path / "file" / "r.html")
        assert below.startswith("cannot write")
        assert below.endswith("hint: give another --out")

    def test_bad_input(self, experiment: Path, tmp_path: Path) -> None:
        """No runs, no data, no such stage, metric or direction, and labels that do not fit are one
        line each, and leave no file."""
        out = tmp_path / "r.html"
        empty = make_experiment(tmp_path / "empty").root
        refused = {
            "holds no runs": (empty,),
            "no data here": (tmp_path / "none",),
            "no run of stage 7": (experiment, "--stage", "7"),
            "no run has metric 'beauty'; hint: there are": (experiment, "--metric", "beauty"),
            "last: got 0 percent": (experiment, "--last", "0"),
            "got 2 labels for 1 data": (experiment, "--label", "a", "--label", "b"),
            "is taken": (experiment, experiment),
        }
        for text, arguments in refused.items():
            assert text in refusal(*arguments, "--out", out)
        assert not out.exists()

    def test_direction(self, tmp_path: Path) -> None:
        """A metric of which it is not known what is better needs --direction."""
        run = make_run(0, 0, 0, metrics={"loss": [1.0, 2.0]})
        run["metrics"] = {"loss": run["train_episode_rewards"]}
        root = make_experiment(tmp_path / "e", runs=[run]).root
        arguments = (root, "--metric", "loss", "--out", tmp_path / "r.html")
        assert "hint: give --direction" in refusal(*arguments)
        assert call(*arguments, "--direction", "minimize").exit_code == 0

    def test_no_experiment(self) -> None:
        """Without an experiment it says what is missing."""
        result = call()
        assert result.exit_code == 2
        assert "Missing argument 'EXPERIMENT...'" in result.output


def test_help_is_cheap() -> None:
    """--help loads neither torch, matplotlib nor templates."""
    code = (
        "import sys; from nthrun.commands.report import report\n"
        "try: report(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
