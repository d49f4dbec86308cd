"""Command lines of every command, with options repeated, empty and of odd values: each ends."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import click
import pytest
from builders import make_experiment, make_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import ended
from processes import ROOT, command, write_specs

from nthrun.__main__ import commands

NAMES = {
    "best": ["best", "--no-write"],
    "check": ["check", "--dry-run"],
    "combine": ["combine"],
    "convert": ["convert", "--out", "converted"],
    "describe": ["describe"],
    "export": ["export", "wandb"],
    "forget": ["forget"],
    "report": ["report"],
    "rollout": ["rollout"],
    "run": ["run", "--describe"],
    "schedule": ["schedule", "--dry-run"],
    "specs": ["specs"],
    "status": ["status"],
    "schedule_status": ["schedule", "--status"],
    **{
        name: ["plot", name]
        for name in (
            *("comparison", "decision_rules", "distribution", "heat_map", "learning_curves"),
            *("metrics", "oracle_gap", "parallel", "parity", "policy_map", "resources"),
            "sensitivity",
        )
    },
}
"""What a command line begins with, so that it trains and submits nothing."""
QUICK = (
    *("best", "check", "combine", "convert", "describe", "export", "forget", "rollout", "run"),
    *("schedule", "schedule_status", "specs", "status"),
)
"""Those that draw nothing."""
DRAWING = tuple(name for name in NAMES if name not in QUICK)
VALUES = (
    *("", " ", "0", "1", "-1", "1.5", "0-1", "1,,2", "x", "nan", "inf", "1e400", "0x10", "1_000"),
    *("９", "9" * 30, "9" * 400, "[]", "{}", "[1", "None", "True", "all", "auto", "local", "a%b"),
    *("~", "$HOME", "*", "a\\b", "é", "\n", "\t", "\x1b[31m", "--", "-", "-x", "--debug", "a=1"),
    *("return", "critic_lr", "alpha", "critic_lr=0.001", "alpha > 0", "environment.gamma=0.5"),
    *("environment.kwargs.x=False", "agent.alpha=[0.1,0.1]", "search.method=random", "10", "100"),
)
PLACES = ("e", "save", "save/e", "e/data.json", "e/runs", "nowhere", "", ".", "agent.json")
SUBMISSION = ("cluster.json", "main.py", str(ROOT), "environment.json", "save", "agent.json")
RUN = ("--env-json", "environment.json", "--agent-json", "agent.json")
SECONDS = 10


@st.composite
def command_lines(draw: st.DrawFn, names: tuple[str, ...]) -> list[str]:
    """A command line of one of some commands."""
    name = draw(st.sampled_from(names))
    called: click.Command = commands
    for word in NAMES[name]:
        if isinstance(called, click.Group):
            found = called.get_command(click.Context(called), word)
            assert found is not None
            called = found
    options = [one for one in called.params if isinstance(one, click.Option)]
    words = []
    for option in draw(st.lists(st.sampled_from(options), max_size=3)):
        times = draw(st.sampled_from((1, 1, 1, 2)))
        for _ in range(times):
            words.append(draw(st.sampled_from((*option.opts, *option.secondary_opts))))
            if not option.is_flag:
                choices = list(option.type.choices) if isinstance(option.type, click.Choice) else []
                values = st.sampled_from((*VALUES, *map(str, choices * 20)))
                words += [draw(values) for _ in range(option.nargs)]
    fewest = int(name in DRAWING)  # without data they draw the demo's, which takes long
    places = tuple(draw(st.lists(st.sampled_from(PLACES), min_size=fewest, max_size=2)))
    if name in ("run", "describe"):
        places = RUN
    elif name == "schedule":
        places = (*draw(st.sampled_from(((), ("--runs", "1")))), *SUBMISSION)
    elif draw(st.booleans()):
        places = ("e",)
    return [*NAMES[name], *words, *places]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with specs and two small experiments, one of them in a save dir."""
    monkeypatch.chdir(tmp_path)
    write_specs(tmp_path)
    (tmp_path / "cluster.json").write_text('{"time": "1:00:00", "cores": 1}')
    for root in (tmp_path / "e", tmp_path / "save/e"):
        make_experiment(root, 2, runs=[make_run(n, n % 2, n // 2) for n in range(6)])
    ended(commands, "combine", "e")
    return tmp_path


def check(words: list[str]) -> object:
    """Call a command line, and see that it ends as every one has to; returns its exit code."""
    begun = time.monotonic()
    outcome = ended(commands, *words)
    seconds = time.monotonic() - begun
    assert outcome.code in (0, 1, 2), (words, outcome)
    assert seconds < SECONDS, (words, seconds)
    assert "unexpected" not in outcome.err, (words, outcome)
    if "--debug" not in words:
        assert "Traceback" not in outcome.err, (words, outcome)
    if outcome.code == 2 and "--debug" not in words:
        assert outcome.errors, words
        allowed = ("error: ", "note: ", "warning: ")
        assert all(line.startswith(allowed) for line in outcome.errors), (words, outcome)
    return outcome.code


def run_many(names: tuple[str, ...], number: int) -> Counter[object]:
    """Exit codes of many command lines."""
    codes: Counter[object] = Counter()

    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(words=command_lines(names))
    def each(words: list[str]) -> None:
        codes[check(words)] += 1

    each()
    return codes


def test_command_lines_end_plainly(folder: Path) -> None:
    """Commands with options repeated, empty and odd exit with 0, 1 or 2, a line a fault, nothing
    unexpected, and in time."""
    codes = run_many(QUICK, 250)
    assert min(codes[0], codes[2]) > 25, codes


def test_nobody_reads_any_more(folder: Path) -> None:
    """A command whose reader has gone, as behind `head`, ends without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("main.py", *NAMES["run"][1:], *RUN),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.slow
@pytest.mark.parametrize(("names", "number"), [(QUICK, 4000), (DRAWING, 400)])
def test_many_command_lines_end_plainly(folder: Path, names: tuple[str, ...], number: int) -> None:
    """The same of thousands of command lines, and of hundreds that draw."""
    codes = run_many(names, number)
    assert min(codes[0], codes[2]) > number / 20, codes
