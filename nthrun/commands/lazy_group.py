"""A group of commands of which each is imported when it is named."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A click group whose help is shown without importing its commands."""

    def __init__(
        self, name: str, targets: Mapping[str, tuple[str, str]], **attributes: Any
    ) -> None:
        """Name the commands.

        Args:
            name: of the group.
            targets: name of a command -> where it is, "module:command", and one line of help.
            attributes: what a click group takes besides.
        """
        super().__init__(
            name, context_settings={"help_option_names": ["-h", "--help"]}, **attributes
        )
        self.targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in alphabetical order."""
        return sorted(self.targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported; None if there is none."""
        if cmd_name not in self.targets:
            return None
        module, _, command = self.targets[cmd_name][0].partition(":")
        loaded: click.Command = getattr(importlib.import_module(module), command)
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.targets[name][1]) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What a shell offers after the group's name, of which nothing is imported either."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        offered = [CompletionItem(name, help=self.targets[name][1]) for name in names]
        return offered + click.Command.shell_complete(self, ctx, incomplete)
