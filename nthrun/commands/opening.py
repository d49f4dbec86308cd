"""Opening an experiment for training: its directory, its device, its surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nthrun.errors import DeviceError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.experiment import Experiment, Manifest, create_experiment
from nthrun.specs.fingerprint import fingerprint
from nthrun.training.device import prepare_torch, resolve_device
from nthrun.training.provenance import code_hash, git_state
from nthrun.training.surroundings import StopRequest, Surroundings

if TYPE_CHECKING:
    from nthrun.commands.run import Request

BACKEND = "eager"
THREADS = 1


def open_for(spec: ExperimentSpec, request: Request) -> Experiment:
    """The experiment directory of a request, created if need be.

    Raises:
        FingerprintError: it belongs to other specs.
        DeviceError: this machine cannot provide what the manifest says.
    """
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    manifest = Manifest(
        fingerprint=fingerprint(agent, environment),
        num_settings=spec.sweep.num_settings,
        agent=agent,
        environment=environment,
        device=resolve_device(request.device),
        backend=BACKEND,
        threads=THREADS,
    )
    experiment = create_experiment(spec.directory(request.save_dir), manifest)
    require_device(experiment, request.device)
    return experiment


def require_device(experiment: Experiment, asked: str) -> None:
    """Check that the runs of an experiment can be made here, as asked.

    Raises:
        DeviceError: they are made on another device, or this machine lacks it.
    """
    fixed = experiment.manifest.device
    if asked not in ("auto", fixed):
        raise DeviceError(
            f"--device {asked}: the runs of {experiment.root} are made on {fixed}, "
            "and one experiment keeps to one device",
            "give another --save-dir, or leave --device out on a machine that has one",
        )
    if fixed == "cuda" and resolve_device("auto") != "cuda":
        raise DeviceError(
            f"the runs of {experiment.root} are made on cuda, and this machine has no GPU",
            "run on a machine with a GPU, or give another --save-dir",
        )


def surroundings(spec: ExperimentSpec, experiment: Experiment, keep: bool = True) -> Surroundings:
    """Where packs of an experiment are trained; `keep` False leaves no files."""
    manifest = experiment.manifest
    prepare_torch(manifest.threads)
    git_state(), code_hash()  # both remember what they find before training starts
    return Surroundings(
        spec,
        experiment if keep else None,
        manifest.device,
        manifest.backend,
        manifest.threads,
        StopRequest(),
    )
