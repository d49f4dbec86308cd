"""Options that several commands take."""

from __future__ import annotations

import click

from nthrun.index import MAX_STAGE

rerun_option = click.option(
    "--rerun", is_flag=True, help="Fresh seeds for confirmation: --stage 1."
)
stage_option = click.option(
    "--stage",
    type=click.IntRange(0, MAX_STAGE),
    default=0,
    metavar="S",
    help="Seed range: 0 for the sweep, 1, 2, ... for confirmations.",
)
settings_option = click.option(
    "--settings",
    metavar="NUMBERS",
    help="Only these settings: 5, 0-29 or 3,7,10-12, counting from 0.",
)
where_option = click.option(
    "--where",
    multiple=True,
    metavar="EXPRESSION",
    help="Only settings of which this holds, such as critic_lr=0.001; may be repeated.",
)
set_option = click.option(
    "--set",
    "fields",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Instead of the files' value: environment.gamma=0.95, agent.actor_lr=[0.1,0.2].",
)
backend_option = click.option(
    "--backend",
    type=click.Choice(["auto", "compile", "eager"]),
    default="auto",
    show_default=True,
    help="How a step is executed: compiled, or operation by operation; an experiment keeps to it.",
)
pack_option = click.option(
    "--pack",
    default="auto",
    show_default=True,
    metavar="auto|N",
    help="Runs trained together at most; the bits do not depend on it.",
)
retry_failed_option = click.option("--retry-failed", is_flag=True, help="Run failed indices again.")
debug_option = click.option("--debug", is_flag=True, help="Show tracebacks.")
