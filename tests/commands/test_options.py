"""Laws of the command line that hold for every option of every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from builders import make_experiment, make_run
from click.testing import CliRunner
from processes import ROOT

from nthrun.__main__ import commands
from nthrun.commands.options import Command
from nthrun.records.experiment import open_experiment

SPECS = (
    *("--env-json", str(ROOT / "config/environment/PendulumContinuous-v1.json")),
    *("--agent-json", str(ROOT / "config/agent/SAC_classic_sweep.json")),
)


def every_command(
    group: click.Group = commands, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The words and the command of everything that can be called."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from every_command(command, (*names, name))
        else:
            yield (*names, name), command


def words_of(option: click.Option) -> list[str]:
    """An option as it is given once, with a value that it takes."""
    if option.is_flag:
        return [option.opts[-1]]
    value = option.type.choices[0] if isinstance(option.type, click.Choice) else "1"
    return [option.opts[-1], *[str(value)] * option.nargs]


def test_no_option_is_dropped() -> None:
    """Of every command, an option that takes one value is refused where it is given twice, by
    either of its names; a flag may say the same again."""
    seen = 0
    for names, command in every_command():
        assert isinstance(command, Command), names
        for option in command.params:
            if not isinstance(option, click.Option) or option.multiple:
                continue
            other = (*option.secondary_opts, option.opts[0])[0]
            message = ""
            try:
                command.make_context(names[-1], [*words_of(option), other, *words_of(option)[1:]])
            except click.UsageError as error:
                message = error.message
            is_flag = option.is_flag and not option.secondary_opts
            assert (f"{option.opts[-1]} is given 2 times, allowed: once" in message) != is_flag
            seen += not is_flag
    assert seen > 130


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "1e301", "-1e308"])
def test_numbers_are_finite(number: str) -> None:
    """Of every command, an option that is a number refuses what is none, and what is so large that
    nothing can be reckoned with it."""
    seen = 0
    for names, command in every_command():
        for option in command.params:
            types = getattr(option.type, "types", [option.type])
            if not isinstance(option, click.Option) or not all(
                isinstance(one, (click.types.FloatParamType, click.FloatRange)) for one in types
            ):
                continue
            with pytest.raises(click.UsageError):
                words = [option.opts[-1], *[number] * option.nargs]
                command.make_context(names[-1], [*words, *["e"] * (names[0] != "plot")])
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("number", [2**63, 10**30, -(10**40)])
def test_whole_numbers_are_as_large_as_indices(number: int) -> None:
    """Of every command, an option that is a whole number refuses one that no index could be."""
    seen = 0
    for names, command in every_command():
        for option in command.params:
            whole = isinstance(option.type, (click.types.IntParamType, click.IntRange))
            if not isinstance(option, click.Option) or not whole:
                continue
            with pytest.raises(click.UsageError) as refused:
                words = [f"{option.opts[-1]}={number}", *["e"] * (names[0] != "plot")]
                command.make_context(names[-1], words)
            assert len(refused.value.message) < 10_000
            seen += 1
    assert seen > 25


@pytest.mark.parametrize("option", ["--index", "--settings"])
def test_lists_of_numbers_are_joined(option: str) -> None:
    """Numbers of several options are those of one list."""
    for texts in (("0", "2"), ("2", "0"), ("0-0", "2,0")):
        words = [word for text in texts for word in (option, text)]
        result = CliRunner().invoke(commands, ["run", *SPECS, "--describe", *words])
        assert result.exit_code == 0, result.output
        assert result.output.count("\nindex ") == 2
        assert "\nindices: 0,2\n" in result.output
    result = CliRunner().invoke(commands, ["run", *SPECS, "--describe", option, "0", option, "x"])
    assert f"{option} 0,x: not readable at 'x'" in str(result.exception)


def test_every_index_is_forgotten(tmp_path: Path) -> None:
    """Every index that is named is forgotten, by one option or by several."""
    runs = [make_run(n, 0, n) for n in range(4)]
    root = make_experiment(tmp_path / "e", 1, runs=runs).root
    words = ["--index", "0", "--index", "2-3"]
    result = CliRunner().invoke(commands, ["forget", str(root), *words])
    assert result.output == f"{root}: forgot 0,2-3\n"
    assert {index for _, index in open_experiment(root).inventory().entries} == {1}


def test_mail_types_are_joined() -> None:
    """Words of an option of the cluster that takes several are those of one list."""
    words = [
        "--emailType",
        "BEGIN,END",
        "--emailType",
        "FAIL",
        "--email",
        "a@b",
        "--time",
        "9:00:00",
    ]
    cluster, (environment, agent) = str(ROOT / "clusters/cedar.json"), SPECS[1::2]
    places = [cluster, "main.py", str(ROOT), environment, "nowhere", agent]
    result = CliRunner().invoke(commands, ["schedule", "--runs", "1", "--dry-run", *words, *places])
    assert "#SBATCH --mail-type=BEGIN,END,FAIL" in result.output, result.output


@pytest.mark.parametrize("number", ["0", "2", "1"])
def test_fresh_seeds_are_of_one_stage(number: str) -> None:
    """--rerun is --stage 1: beside another one, that of the sweep written out too, it is refused;
    beside --stage 1 and alone it means that."""
    options = [*SPECS, "--describe", "--index", "0", "--rerun"]
    alone = CliRunner().invoke(commands, ["run", *options])
    result = CliRunner().invoke(commands, ["run", *options, "--stage", number])
    if number == "1":
        assert (result.exit_code, result.output) == (0, alone.output)
    else:
        said = f"--rerun is --stage 1, got --stage {number}: give one of them"
        assert said in f"{result.output} {result.exception}"
        assert result.exit_code
