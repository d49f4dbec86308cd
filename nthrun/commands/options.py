"""Options of commands: each is described once, at the field that holds its value.

A command's options are a frozen dataclass, a field of which says its type and how it is written on
the command line:

    after: Annotated[int, Option("-a", "--after", default=-1, metavar="N", help="...")]

`takes_options(Table)` adds them all to a click command.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import click
from click.shell_completion import CompletionItem

from nthrun.index import MAX_STAGE
from nthrun.legacy.conventions import CONVENTIONS, KEY
from nthrun.specs.documents import ENVIRONMENT, Override, parse_overrides

MAX_PACK = 65_536
LARGEST_INTEGER = 2**63 - 1
LARGEST_NUMBER = 1e300
"""Of an option, as of its negative: what is reckoned with it stays finite."""
PLACES = ("FILE", "DIR")
"""Metavars of options that name a file or a directory, as every argument does."""
Function = TypeVar("Function", bound=Callable[..., Any])


class PlaceText(click.types.StringParamType):
    """The text of a place, taken as it is, for which a shell offers files and directories."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell, which knows what files there are."""
        return [CompletionItem(incomplete, type="file")]


class Command(click.Command):
    """A click command of which an option that takes one value may be given once."""

    allow_extra_args = True  # they are refused below, in our words

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        attributes.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*arguments, **attributes)
        for parameter in self.params:
            is_place = isinstance(parameter, click.Argument) or parameter.metavar in PLACES
            if is_place and parameter.type is click.STRING:
                parameter.type = PlaceText()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the values of the command line.

        Raises:
            UsageError: an option is given twice, of which click would drop the first, a number is
                not finite or too large, or there are more arguments than the command takes.
        """
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option, times in Counter(given).items():
            if times > 1 and isinstance(option, click.Option) and _takes_one_value(option):
                raise click.UsageError(f"{option.opts[-1]} is given {times} times, allowed: once")
        if extra := super().parse_args(ctx, args):
            allowed = " ".join(self.collect_usage_pieces(ctx))
            raise click.UsageError(f"got {' '.join(extra)[:80]} beyond what is allowed: {allowed}")
        for option in self.params:
            value = ctx.params.get(option.name or "")
            for number in value if isinstance(value, tuple) else (value,):
                if allowed := _allowed_instead(number):
                    message = f"{option.opts[-1]}: got {str(number)[:40]}, allowed: {allowed}"
                    raise click.UsageError(message)
        return []


def _allowed_instead(number: object) -> str:
    """What is allowed in place of a value that no option takes; "" of any other value."""
    if isinstance(number, int) and abs(number) > LARGEST_INTEGER:
        return f"whole numbers from -{LARGEST_INTEGER} to {LARGEST_INTEGER}"
    if not isinstance(number, float) or abs(number) <= LARGEST_NUMBER:
        return ""
    within = f" from -{LARGEST_NUMBER:g} to {LARGEST_NUMBER:g}" if math.isfinite(number) else ""
    return f"finite numbers{within}"


def _takes_one_value(option: click.Option) -> bool:
    """Whether an option given twice may say two things; a flag says the same again."""
    return not option.multiple and (not option.is_flag or bool(option.secondary_opts))


def joined(context: click.Context, option: click.Parameter, texts: Sequence[str]) -> str | None:
    """The lists of numbers of an option that may be given several times, as one list."""
    return ",".join(texts) if texts else None


class Option:
    """How a field of a table of options is written on the command line.

    Args:
        names: with their dashes.
        settings: of `click.option`.
    """

    def __init__(self, *names: str, **settings: Any) -> None:
        self.names = names
        self.settings = settings

    def __call__(self, command: Function) -> Function:
        """A command with this option alone."""
        return click.option(*self.names, **self.settings)(command)


def takes_options(table: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds an option for each field of a dataclass to a command, which is called with their values
    by name; help lists a table's own fields before those that it inherits."""
    options: dict[str, Option] = {}
    for each in table.__mro__[:-1]:
        hints = get_type_hints(each, include_extras=True)
        for name in inspect.get_annotations(each):
            options.setdefault(name, hints[name].__metadata__[0])

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, option in reversed(options.items()):
            command = click.option(*option.names, name, **option.settings)(command)
        return command

    return add


debug_option = Option("--debug", is_flag=True, help="Show tracebacks.")
trust_option = Option(
    "--trust",
    is_flag=True,
    help="Import the classes of its own that the experiment names, which runs them.",
)
RunIndex = Annotated[
    int | None,
    Option("--index", type=click.IntRange(0), help="Which run.  [default: the lowest]"),
]
RunStage = Annotated[
    int | None, Option("--stage", type=click.IntRange(0), help="Its stage.  [default: lowest]")
]
SnapshotStep = Annotated[
    int | None,
    Option("--step", type=click.IntRange(0), help="Of a snapshot.  [default: the end]"),
]
"""Types of fields that say of which run, and when, something is played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """Options that every command takes that has runs of a sweep trained."""

    settings: Annotated[
        str | None,
        Option(
            "--settings",
            multiple=True,
            callback=joined,
            metavar="NUMBERS",
            help="Only these settings: 5, 0-29 or 3,7,10-12, counting from 0; may be repeated.",
        ),
    ]
    where: Annotated[
        tuple[str, ...],
        Option(
            "--where",
            multiple=True,
            metavar="EXPRESSION",
            help="Only settings of which this holds, such as critic_lr=0.001; may be repeated.",
        ),
    ]
    fields: Annotated[
        tuple[str, ...],
        Option(
            "--set",
            multiple=True,
            metavar="FIELD=VALUE",
            help="Instead of the files' value: environment.gamma=0.95, agent.actor_lr=[0.1,0.2]; "
            "may be repeated, for other fields.",
        ),
    ]
    conventions: Annotated[
        str | None,
        Option(
            "--conventions",
            type=click.Choice(CONVENTIONS),
            help="Read the files with the meaning that this tool gives them; see "
            "docs/coming_from.md.  [default: ours]",
        ),
    ]
    project: Annotated[
        str | None,
        Option(
            "--project",
            metavar="DIR",
            help="Folder of your own code, which tasks run a copy of.  [default: the specs' git "
            "repository, or their folder]",
        ),
    ]
    rerun: Annotated[
        bool, Option("--rerun", is_flag=True, help="Fresh seeds for confirmation: --stage 1.")
    ]
    stage: Annotated[
        int | None,
        Option(
            "--stage",
            type=click.IntRange(0, MAX_STAGE),
            metavar="S",
            help="Seed range: 0 for the sweep, 1, 2, ... for confirmations.  [default: 0]",
        ),
    ]
    backend: Annotated[
        str,
        Option(
            "--backend",
            type=click.Choice(["auto", "compile", "eager"]),
            default="auto",
            show_default=True,
            help="How a step is executed: compiled, or operation by operation; an experiment keeps "
            "to it.",
        ),
    ]
    pack: Annotated[
        str,
        Option(
            "--pack",
            default="auto",
            show_default=True,
            metavar="auto|N",
            help="Runs trained together at most; the bits do not depend on it.",
        ),
    ]
    retry_failed: Annotated[
        bool, Option("--retry-failed", is_flag=True, help="Run failed indices again.")
    ]
    debug: Annotated[bool, debug_option]

    def overrides(self) -> tuple[Override, ...]:
        """The fields of specs that the command line gives.

        Raises:
            SpecError: they are not readable, or given twice.
        """
        asked = (f"{ENVIRONMENT}.{KEY}={self.conventions}",) if self.conventions else ()
        return parse_overrides((*self.fields, *asked))

    @property
    def chosen_stage(self) -> int:
        """The stage that `--stage` or `--rerun` names.

        Raises:
            UsageError: they name different ones.
        """
        if self.rerun and self.stage not in (None, 1):
            raise click.UsageError(
                f"--rerun is --stage 1, got --stage {self.stage}: give one of them"
            )
        return 1 if self.rerun else self.stage or 0

    @property
    def pack_lanes(self) -> int:
        """Lanes of a pack at most; 0 leaves it to the planner.

        Raises:
            UsageError: `--pack` is neither auto nor a number in range.
        """
        text = self.pack
        if text == "auto":
            return 0
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
        if not 0 < number <= MAX_PACK:
            raise click.UsageError(f"--pack {text[:40]}: allowed: auto, or 1 to {MAX_PACK}")
        return number
