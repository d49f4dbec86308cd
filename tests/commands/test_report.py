"""`python -m nthrun report` from the outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from analysis.report.report_sweep import sweep
from builders import make_experiment, make_run
from click.testing import CliRunner, Result

from nthrun.analysis.choice import choose
from nthrun.analysis.scores import read_scores
from nthrun.commands.combine import combine
from nthrun.commands.report import report
from nthrun.errors import NthrunError
from nthrun.records import open_data


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


class TestLengths:
    @pytest.fixture
    def two(self, tmp_path: Path) -> list[Path]:
        """Experiments of one environment, of 300 and of 500 steps, of which the first is the better
        by its whole runs, and the second by the first 300 steps of both."""
        return [
            make_experiment(tmp_path / name, runs=[make_run(0, 0, 0, values, steps)]).root
            for name, values, steps in (
                ("short", [-3.0], [300]),
                ("long", [-2.0, -9.0], [300, 200]),
            )
        ]

    def test_warning(self, two: list[Path], tmp_path: Path) -> None:
        """Runs of different lengths side by side are told of, on stderr and on the page."""
        result = call(*two, "--out", tmp_path / "r.html")
        said = "stand side by side, in training steps short: 300; long: 500; their scores are not"
        assert result.exit_code == 0
        assert said in result.stderr
        assert said in (tmp_path / "r.html").read_text()
        assert "lengths" not in call(two[0], "--out", tmp_path / "r.html").stderr

    def test_shortest(self, two: list[Path], tmp_path: Path) -> None:
        """On request only the steps that all have count, and nothing is left to warn of."""
        result = call(*two, "--shortest", "--out", tmp_path / "r.html")
        assert (result.exit_code, result.stderr) == (0, "")
        page = (tmp_path / "r.html").read_text()
        assert "<td>-2</td>" in page and "<td>-4.8</td>" not in page
        assert "compared by their first 300 steps" in page

    def test_nothing_to_compare(self, tmp_path: Path) -> None:
        """Where all runs were lost there is no step that they could be compared by."""
        runs = [make_run(n, n, 0, status="diverged") for n in range(2)]
        root = make_experiment(tmp_path / "e", 2, runs=runs).root
        assert call(root, "--shortest", "--out", tmp_path / "r.html").exit_code == 0
        assert "compared by their first" not in (tmp_path / "r.html").read_text()

    def test_each_environment(self, two: list[Path], tmp_path: Path) -> None:
        """Runs of another environment may have another length, and take no step from these."""
        other = make_experiment(tmp_path / "o", 1, "Other-v0", [make_run(0, 0, 0, [-7.0], [100])])
        page = tmp_path / "r.html"
        assert call(two[0], other.root, "--out", page).stderr == ""
        assert call(*two, other.root, "--shortest", "--out", page).stderr == ""
        assert "compared by their first 300 steps" in page.read_text()

    def test_within(self, tmp_path: Path) -> None:
        """So it is of runs within one experiment, as old results may have them."""
        runs = [make_run(0, 0, 0, [-2.0, -9.0], [300, 200]), make_run(1, 1, 0, [-3.0], [300])]
        root = make_experiment(tmp_path / "e", 2, runs=runs).root
        call(root, "--out", tmp_path / "r.html")
        assert "Setting <strong>1</strong>" in (tmp_path / "r.html").read_text()
        assert "different lengths are compared, 300 to 500" in (tmp_path / "r.html").read_text()
        call(root, "--shortest", "--out", tmp_path / "r.html")
        assert "Setting <strong>0</strong>" in (tmp_path / "r.html").read_text()


def test_one_method(experiment: Path, tmp_path: Path) -> None:
    """Every interval and band on a page is Student's, and the best setting's is the same in every
    table, as `best` has it."""
    call(experiment, "--out", tmp_path / "r.html", "--stage", "0")
    page = (tmp_path / "r.html").read_text()
    assert "bootstrap" not in page
    found = choose(read_scores(open_data(experiment), stage=0)).estimates[0]
    assert page.count(found.interval_text()) == 2
    assert f'"rows":[[1,4,{found.value:.6g},{found.low:.6g},{found.high:.6g},' in page.replace(
        ".0,", ","
    )


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
