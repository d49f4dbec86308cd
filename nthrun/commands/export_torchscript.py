"""`nthrun export torchscript`: the policy of a recorded run as a file that needs torch alone."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
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
from nthrun.errors import NthrunError, StorageError, described
from nthrun.records.durable_file import write_durably
from nthrun.specs.trust import Trust
from nthrun.terminal import note, show

if TYPE_CHECKING:
    import torch

    from nthrun.training.saved_policy import Policy

BATCHES = (1, 7, 64)
"""Numbers of observations at a time for which the actions are compared."""
SCALES = (0.1, 1.0, 10.0)
"""Deviations of the observations for which they are compared, normal ones."""
CALLS = 3
"""Calls with the same observations, after the first of which TorchScript optimises."""
INSTEAD = "nthrun.load_policy(DIR, index) gives the policy itself"
"""What to do where a policy cannot be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchScriptOptions:
    """The options."""

    index: RunIndex
    stage: RunStage
    step: SnapshotStep
    out: Annotated[
        str | None,
        Option(
            "--out",
            metavar="FILE",
            help="The file.  [default: policy_stage<S>_index<I>_step<N>.pt]",
        ),
    ]
    trust: Annotated[bool, trust_option]
    debug: Annotated[bool, debug_option]


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@takes_options(TorchScriptOptions)
def torchscript(directory: str, **given: Any) -> int:
    """Write the policy of a run of the experiment directory DIR as TorchScript.

    `torch.jit.load(FILE)(observations)` is what it does in evaluation: actions, (number,
    action_dim), for observations, (number, observation_dim), both float32; a discrete action is
    its number. Written is only what gives the very actions of the policy for observations at
    random. A step before the end needs a snapshot of it.
    """
    from nthrun.training.saved_policy import read_learned, restored  # noqa: PLC0415 - imports torch

    options = TorchScriptOptions(**given)
    whose = Trust.USER if options.trust else Trust.READ
    learned = read_learned(data_path(directory), options.index, options.stage, options.step, whose)
    name = f"policy_stage{learned.stage}_index{learned.index}_step{learned.step}.pt"
    path = Path(options.out or name)
    if path.is_dir():
        raise NthrunError(f"--out {path}: is a directory, allowed: a file", "name a file in it")
    content = script_of(restored(learned))
    try:
        write_durably(path, lambda file: file.write(content))
    except StorageError as error:
        raise StorageError(error.message, "give another --out") from error
    stage = f", stage {learned.stage}" if learned.stage else ""
    note(f"index {learned.index}{stage}, {learned.after}: the same actions as its policy's")
    show(path)
    return 0


def script_of(policy: Policy) -> bytes:
    """A policy as the content of a TorchScript file.

    Raises:
        NthrunError: it is no one network's, or it cannot be written so that its actions stay.
    """
    name = policy.learned.spec.agent.agent_name
    interface = policy.program.interface
    refused = f"{name}: its policy cannot be written as TorchScript"
    if interface.roles:
        hint = "`nthrun rollout` writes the network of each role"
        raise NthrunError(f"{refused}: in a game every role has a policy of its own", hint)
    if policy.program.num_play_draws:
        raise NthrunError(f"{refused}: its evaluations draw actions by chance", INSTEAD)
    if not policy.learned.params:
        why = "it has no network, nor anything else that it learned"
        raise NthrunError(f"{refused}: {why}", INSTEAD)
    try:
        content = _traced(policy)
        scripted = _loaded(content)
        differs = any(_differs(policy, scripted, batch) for batch in BATCHES)
    except Exception as error:  # whatever tracing raises of what it cannot follow
        why = f"tracing it failed, with {described(error)[:100]}"
        if "requires grad" in str(error):
            why = "it takes gradients as it acts, which TorchScript does not follow"
        raise NthrunError(f"{refused}: {why}", INSTEAD) from error
    if differs:
        raise NthrunError(
            f"{refused}: it would give other actions, as what it does is no fixed computation",
            INSTEAD,
        )
    return content


def _traced(policy: Policy) -> bytes:
    """What the policy does with observations, as torch has followed it, with its parameters."""
    import torch  # noqa: PLC0415 - takes seconds

    class Module(torch.nn.Module):
        def forward(self, observations: torch.Tensor) -> torch.Tensor:
            seen = observations.unsqueeze(0)
            return policy.program.act_greedily(policy.state, seen).squeeze(0)

    example = torch.zeros(2, policy.program.interface.observation_dim)
    content = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what may differ otherwise, which is looked at below
        traced = torch.jit.trace(Module().eval(), example, check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), content)
    return content.getvalue()


def _loaded(content: bytes) -> Any:
    """A TorchScript file as whoever has it calls it."""
    import torch  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is in maintenance
        return torch.jit.load(io.BytesIO(content))


def _differs(policy: Policy, scripted: Any, batch: int) -> bool:
    """Whether a file gives other actions than the policy for so many observations at a time."""
    import torch  # noqa: PLC0415 - takes seconds

    dim = policy.program.interface.observation_dim
    normal = np.random.default_rng(batch).standard_normal((batch, dim), np.float32)
    for scale in SCALES:
        observations = normal * np.float32(scale)
        wanted = policy.act(observations)
        for _ in range(CALLS):
            with torch.no_grad():
                actions = scripted(torch.from_numpy(observations)).numpy()
            if not np.array_equal(actions.astype(np.float64), wanted, equal_nan=True):
                return True
    return False
