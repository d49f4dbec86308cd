"""`nthrun act`: play episodes by the policy of a recorded run."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import numpy as np

from nthrun.commands.experiment_paths import data_path
from nthrun.commands.options import (
    Command,
    Option,
    RunIndex,
    RunStage,
    SnapshotStep,
    debug_option,
    takes_options,
    trust_option,
)
from nthrun.errors import DataFileError, MissingExtraError, NthrunError
from nthrun.records.durable_file import storage_error
from nthrun.records.writer import temporary_path
from nthrun.specs.trust import Trust, names_code
from nthrun.terminal import note, show

if TYPE_CHECKING:
    from nthrun.training.acting import Show

SUFFIXES = (".mp4", ".gif")
FRAMES_PER_SECOND = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOptions:
    """The options."""

    index: RunIndex
    stage: RunStage
    step: SnapshotStep
    episodes: Annotated[
        int | None,
        Option(
            "--episodes",
            type=click.IntRange(1, 10_000),
            metavar="N",
            help="How many.  [default: those of an evaluation of the run, else 1]",
        ),
    ]
    render: Annotated[
        bool, Option("--render", is_flag=True, help="Show them in a window (needs pygame).")
    ]
    video: Annotated[
        str | None,
        Option(
            "--video", metavar="FILE", help="Draw them into a film, .mp4 or .gif (needs imageio)."
        ),
    ]
    trust: Annotated[bool, trust_option]
    debug: Annotated[bool, debug_option]


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@takes_options(ActOptions)
def act(directory: str, **given: Any) -> int:
    """Play episodes in the environment of the experiment directory DIR, as the policy of a run.

    It acts as in an evaluation, with the random numbers of the run's own after as many steps, and
    prints what each episode returns. A step before the end needs a snapshot of it.
    """
    from nthrun.training.acting import for_episodes, play  # noqa: PLC0415 - imports torch
    from nthrun.training.saved_policy import read_learned, restored  # noqa: PLC0415

    options = ActOptions(**given)
    if options.video and not options.video.endswith(SUFFIXES):
        raise click.UsageError(f"--video {options.video}: allowed: {', '.join(SUFFIXES)}")
    whose = Trust.USER if options.trust else Trust.READ
    learned = read_learned(data_path(directory), options.index, options.stage, options.step, whose)
    _tell_what_runs(learned.spec.agent.as_document(), learned.spec.environment.as_document())
    policy = restored(for_episodes(learned, options.episodes))
    with _film(options.video) as film, _window(options.render) as window:
        shows = [show_picture for show_picture in (window, film) if show_picture]
        played = play(policy, partial(_show_all, shows) if shows else None)
    for number, (episode_return, steps) in enumerate(
        zip(played.returns.tolist(), played.steps.tolist(), strict=True), 1
    ):
        show(f"episode {number}: return {episode_return:.6g}, {steps:,} steps")
    stage = f", stage {learned.stage}" if learned.stage else ""
    note(f"index {learned.index}{stage}, {learned.after}: mean return {played.returns.mean():.6g}")
    return 0


def _tell_what_runs(*documents: dict[str, Any]) -> None:
    """Say what code that is not nthrun's is run, as --trust allows."""
    for document in documents:
        if names_code(document):
            named = [document.get("agent_name") or document["env_name"]]
            named += [wrapper["name"] for wrapper in document.get("wrappers", ())]
            note(f"runs {', '.join(map(str, named))}, as --trust says")


def _show_all(shows: Sequence[Show], picture: np.ndarray) -> None:
    for show_picture in shows:
        show_picture(picture)


@contextlib.contextmanager
def _window(is_asked: bool) -> Iterator[Show | None]:
    """Takes the pictures that a window shows, as fast as a film has them; None unless asked for.

    Raises:
        MissingExtraError: what opens it is not installed.
        DeviceError: none can be opened.
    """
    if not is_asked:
        yield None
        return
    from nthrun.environments.viewer import PictureWindow  # noqa: PLC0415 - imports torch

    window = PictureWindow("--render", FRAMES_PER_SECOND)
    try:
        yield window.show
    finally:
        window.close()


@contextlib.contextmanager
def _film(file: str | None) -> Iterator[Show | None]:
    """Takes the pictures of a film, which is whole when this ends; None without a file.

    Raises:
        MissingExtraError: what writes such a file is not installed.
        StorageError: it cannot be written.
        DataFileError: it cannot be written as a film.
    """
    if file is None:
        yield None
        return
    path = Path(file)
    temporary = temporary_path(path).with_suffix(path.suffix)
    is_film = path.suffix == ".mp4"
    options: dict[str, Any] = {"duration": 1000 / FRAMES_PER_SECOND}
    if is_film:  # whose width and height have to be even, and no more
        options = {"fps": FRAMES_PER_SECOND, "macro_block_size": 2}
    extra = f"--video {file}: {'imageio-ffmpeg' if is_film else 'imageio'} is not installed"
    try:
        if is_film:
            importlib.import_module("imageio_ffmpeg")
        writer = importlib.import_module("imageio.v2").get_writer(temporary, mode="I", **options)
    except ImportError as error:
        raise MissingExtraError(extra, 'pip install "nthrun[video]"') from error
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        with writer:
            yield writer.append_data
        os.replace(temporary, path)
    except NthrunError:
        raise
    except OSError as error:
        raise storage_error(path, error) from error
    except (RuntimeError, ValueError) as error:
        raise DataFileError(f"{file}: {' '.join(str(error).split())[:200]}") from error
    finally:
        temporary.unlink(missing_ok=True)
