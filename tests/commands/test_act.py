"""`nthrun act`: episodes by a recorded policy, and films of them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import pygame
import pytest
from in_process import ended
from packs import PARAMETERS

from nthrun import load_policy
from nthrun.__main__ import commands
from nthrun.commands import act
from nthrun.commands.run import run
from nthrun.records.data import open_data

SMALL = {"policy_type": ["Softmax"], "hidden_dim": [8], "batch_size": [4]}
AGENT = {"agent_name": "SAC", "parameters": PARAMETERS | SMALL}
CART: dict[str, Any] = {
    "env_name": "CartPole-v1",
    "continuous": False,
    "total_timesteps": 300,
    "steps_per_episode": 30,
    "eval_interval_timesteps": 100,
    "eval_episodes": 3,
    "snapshot_interval_timesteps": 100,
}


def train(folder: Path, environment: dict[str, Any]) -> Path:
    """The experiment of one run."""
    words = ["--backend", "eager", "--index", "0", "--save-dir", str(folder / "out")]
    for name, document in (("env", environment), ("agent", AGENT)):
        (folder / f"{name}.json").write_text(json.dumps(document))
        words += [f"--{name}-json", str(folder / f"{name}.json")]
    outcome = ended(run, *words)
    assert outcome.code == 0, outcome.errors
    return next((folder / "out").iterdir())


@pytest.fixture(scope="module", params=["gym", "gymnasium"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with a run on tensors, or on the host."""
    return train(tmp_path_factory.mktemp(request.param), CART | {"platform": request.param})


def returns_of(printed: str) -> list[float]:
    """The returns that are printed."""
    return [float(found) for found in re.findall(r"return ([-+.e\d]+),", printed)]


def test_an_evaluation_is_played_again(trained: Path) -> None:
    """At the end of the run, and at a snapshot, the episodes return what the record has."""
    [entry] = open_data(trained).entries
    recorded = entry.load(())["eval_episode_rewards"]
    for words, number in (([], -1), (["--step", "100"], 1)):
        done = ended(commands, "act", trained, *words)
        assert done.code == 0, done.err
        assert returns_of(done.out) == recorded[number].tolist()
    assert "index 0, after 100 steps: mean return" in done.err
    assert len(returns_of(ended(commands, "act", trained, "--episodes", "5").out)) == 5


def test_a_film_has_every_step(trained: Path, tmp_path: Path) -> None:
    """Each episode is drawn from its start to its end."""
    film = tmp_path / "cart.gif"
    done = ended(commands, "act", trained, "--episodes", "2", "--video", film)
    assert done.code == 0, done.err
    steps = [int(found) for found in re.findall(r"(\d+) steps$", done.out, re.MULTILINE)]
    frames = imageio.v3.imread(film)
    assert sum(steps) / 2 < len(frames) <= sum(steps) + 2  # pictures that are equal are one
    assert (frames != frames[0]).any()
    assert list(tmp_path.iterdir()) == [film]


def test_what_cannot_be_filmed_is_told_in_a_line(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another kind of file, a folder that is not there, and a package that is missing."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    for file, code, told in (
        ("a.avi", 2, "allowed: .mp4, .gif"),
        (f"{tmp_path}/none/a.gif", 1, "cannot write"),
        ("a.mp4", 2, "imageio-ffmpeg is not installed; hint: pip install"),
    ):
        done = ended(commands, "act", trained, "--video", file)
        assert done.code == code
        assert told in done.err


def test_a_window_shows_every_step(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each episode is shown from its start to its end, at the speed of a film; once the window is
    closed it is played to its end all the same."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(act, "FRAMES_PER_SECOND", 0)
    shown: list[tuple[int, ...]] = []
    flip = pygame.display.flip

    def counted() -> None:
        shown.append(pygame.display.get_surface().get_size())
        flip()
        if len(shown) == 20:
            pygame.event.post(pygame.event.Event(pygame.QUIT))

    monkeypatch.setattr(pygame.display, "flip", counted)
    done = ended(commands, "act", trained, "--episodes", "1", "--render")
    assert done.code == 0, done.err
    [steps] = [int(found) for found in re.findall(r"(\d+) steps$", done.out, re.MULTILINE)]
    assert shown == [(600, 400)] * min(steps + 1, 20)
    assert not pygame.display.get_init()


def test_without_a_display_a_line_says_so(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No window is opened where there is no display, or no pygame."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    done = ended(commands, "act", trained, "--render")
    assert done.code == 2
    assert re.search(r"--render: no window can be opened here \(.+\); hint: run where", done.err)
    assert len(done.err.splitlines()) == 1
    monkeypatch.setitem(sys.modules, "pygame", None)
    done = ended(commands, "act", trained, "--render")
    assert done.code == 2
    assert "--render needs pygame, which is not installed; hint: pip install" in done.err


def test_a_policy_is_called_with_an_observation(trained: Path) -> None:
    """The public API gives the number of an action, as Gymnasium takes it."""
    policy = load_policy(trained, 0)
    for angle in (-0.2, 0.2):
        observation = np.array([0.0, 0.0, angle, 0.0], np.float32)
        assert policy(observation) == int(policy.act(observation[None])[0, 0])
        assert isinstance(policy(observation), int)


def test_code_of_a_directory_is_not_run_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody's experiment names, a wrapper too, is imported with --trust alone, which says
    what that is."""
    marker = tmp_path / "ran"
    (tmp_path / "hostile.py").write_text(
        f"import gymnasium\nopen({str(marker)!r}, 'w')\nclass Wrapper(gymnasium.Wrapper): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    wrapped = {"platform": "gymnasium", "wrappers": [{"name": "hostile:Wrapper"}]}
    root = train(tmp_path, CART | wrapped)
    marker.unlink()
    sys.modules.pop("hostile")
    refused = ended(commands, "act", root)
    assert refused.code == 2
    assert "code that a file names is not run to read it" in refused.err
    assert not marker.exists()
    done = ended(commands, "act", root, "--trust")
    assert done.code == 0, done.err
    assert "runs CartPole-v1, hostile:Wrapper, as --trust says" in done.err
    assert marker.exists()
