"""Laws of the experiment directory: one meaning for ever, and no record lost or doubled."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders import make_experiment, make_run

from nthrun.errors import DataFileError, FingerprintError, StorageError, SupersededError
from nthrun.records import durable_file, shard
from nthrun.records.data import open_directory
from nthrun.records.experiment import (
    MANIFEST,
    Experiment,
    Manifest,
    create_experiment,
    is_experiment,
    open_experiment,
)
from nthrun.records.schema import Run
from nthrun.specs.directory import experiment_directory
from nthrun.specs.fingerprint import fingerprint


def with_steps(manifest: Manifest, total_timesteps: int) -> Manifest:
    """A manifest of another number of steps."""
    environment = manifest.environment | {"total_timesteps": total_timesteps}
    return replace(
        manifest,
        environment=environment,
        fingerprint=fingerprint(manifest.agent, environment),
    )


def run(index: int, value: float = 0.0, **changes: object) -> Run:
    """A run that tells by its return which attempt it is."""
    return make_run(index, 0, index, [value], [100], **changes)


def values(experiment: Experiment, stage: int = 0) -> dict[int, list[float]]:
    """Index -> the returns of its records that count."""
    found: dict[int, list[float]] = {}
    for entry in open_directory(experiment).entries:
        if entry.identity.stage == stage:
            record = entry.load(())
            found.setdefault(record["index"], []).append(float(record["train_episode_rewards"][0]))
    return found


def create_together(
    root: Path, manifest: Manifest, barrier: threading.Barrier, answers: Callable[[str], None]
) -> None:
    """Create an experiment at the same moment as others; say how that went."""
    barrier.wait()
    try:
        answers(create_experiment(root, manifest).manifest.fingerprint)
    except FingerprintError as error:
        answers(f"error: {error}")


class TestManifest:
    def test_first_writers_in_processes(self, tmp_path: Path) -> None:
        """Of writers of two specs one spec wins whole; the others hear of the key that differs."""
        first = make_experiment(tmp_path / "model").manifest
        manifests = [first, with_steps(first, 600)] * 2
        context = multiprocessing.get_context("fork")
        barrier, answers = context.Barrier(len(manifests)), context.Queue()
        root = tmp_path / "new" / "experiment"
        writers = [
            context.Process(target=create_together, args=(root, manifest, barrier, answers.put))
            for manifest in manifests
        ]
        for writer in writers:
            writer.start()
        said = [answers.get(timeout=60) for _ in writers]
        for writer in writers:
            writer.join(60)
        winner = open_experiment(root).manifest
        assert winner in manifests
        assert said.count(winner.fingerprint) == 2
        errors = [text for text in said if text.startswith("error")]
        assert len(errors) == 2
        assert all(text.endswith("differs in: total_timesteps") for text in errors)
        assert [path.name for path in root.iterdir()] == [MANIFEST]

    def test_first_writers_in_threads(self, tmp_path: Path) -> None:
        """Of equal first writers one creates the manifest and the others agree with it."""
        manifest = make_experiment(tmp_path / "model").manifest
        for attempt in range(10):
            root, said = tmp_path / str(attempt), list[str]()
            barrier = threading.Barrier(4)
            writers = [
                threading.Thread(
                    target=create_together, args=(root, manifest, barrier, said.append)
                )
                for _ in range(4)
            ]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join(60)
            assert said == [manifest.fingerprint] * 4
            assert [path.name for path in root.iterdir()] == [MANIFEST]

    def test_another_spec(self, tmp_path: Path) -> None:
        """Another spec is an error that names every key that differs, and changes nothing."""
        experiment = make_experiment(tmp_path / "experiment", num_settings=2)
        before = (experiment.root / MANIFEST).read_bytes()
        manifest = with_steps(experiment.manifest, 600)
        agent = {"agent_name": "SAC", "parameters": {"critic_lr": [0.5]}}
        other = replace(manifest, agent=agent, fingerprint="other")
        with pytest.raises(FingerprintError, match=r"total_timesteps, parameters\.critic_lr"):
            create_experiment(experiment.root, other)
        assert (experiment.root / MANIFEST).read_bytes() == before

    def test_order_of_keys(self, tmp_path: Path) -> None:
        """Swapped sweep keys give an index another meaning, so they are another spec."""
        manifest = make_experiment(tmp_path / "model").manifest
        parameters = {"a": [1, 2], "b": [3]}
        agent = {"agent_name": "SAC", "parameters": parameters}
        other = {"agent_name": "SAC", "parameters": dict(reversed(parameters.items()))}
        root = tmp_path / "experiment"
        mark = fingerprint(agent, manifest.environment)
        create_experiment(root, replace(manifest, agent=agent, fingerprint=mark))
        with pytest.raises(FingerprintError, match="order"):
            create_experiment(root, replace(manifest, agent=other))

    def test_never_changes(self, tmp_path: Path) -> None:
        """Adding, replacing and forgetting runs, and opening again, leave the manifest alone."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0)])
        path = experiment.root / MANIFEST
        before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino
        for _ in range(2):
            again = make_experiment(experiment.root)
            again.write(0, [run(0), run(7)], replace=True)
            again.write(3, [run(1_000_000, stage=3)])
            again.forget(0, [7])
        assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before

    def test_what_to_keep_may_change(self, tmp_path: Path) -> None:
        """Asking for other series is the same experiment; new records tell of the new spec."""
        experiment = make_experiment(tmp_path / "experiment")
        manifest = experiment.manifest
        environment = manifest.environment | {"record": ["train_states"]}
        again = create_experiment(experiment.root, replace(manifest, environment=environment))
        assert again.manifest == manifest
        path = again.write(0, [run(0)])
        assert shard.Shard(path).experiment["environment"]["record"] == ["train_states"]

    @pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"fingerprint": 1', b"\xff\x00"])
    def test_damaged(self, tmp_path: Path, content: bytes) -> None:
        """A damaged manifest is an error that names it; it is not written anew."""
        experiment = make_experiment(tmp_path / "experiment")
        (experiment.root / MANIFEST).write_bytes(content)
        with pytest.raises(DataFileError, match=MANIFEST):
            make_experiment(experiment.root)
        assert (experiment.root / MANIFEST).read_bytes() == content

    def test_none(self, tmp_path: Path) -> None:
        """A directory without a manifest, or none at all, is no experiment."""
        for path in (tmp_path, tmp_path / "absent"):
            assert not is_experiment(path)
            with pytest.raises(DataFileError, match="not an experiment directory"):
                open_experiment(path)

    def test_disk_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the manifest cannot be written there is none, not half of one."""
        manifest = make_experiment(tmp_path / "model").manifest
        fail_writing(monkeypatch)
        with pytest.raises(StorageError, match="No space left"):
            create_experiment(tmp_path / "new", manifest)
        assert list((tmp_path / "new").iterdir()) == []

    def test_readable_as_json(self, tmp_path: Path) -> None:
        """The manifest is JSON that holds the two specs and the fingerprint."""
        experiment = make_experiment(tmp_path / "experiment", num_settings=3)
        content = json.loads((experiment.root / MANIFEST).read_bytes())
        assert content["num_settings"] == 3
        assert content["fingerprint"] == fingerprint(content["agent"], content["environment"])


def fail_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every write find the disk full."""

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable_file.os, "fsync", fail)


class TestReplace:
    def test_pack_in_part(self, tmp_path: Path) -> None:
        """Of a pack only the replaced records stop counting; its file goes with its last one."""
        experiment = make_experiment(tmp_path / "experiment")
        pack = experiment.write(0, [run(i, 1.0) for i in range(4)])
        experiment.write(0, [run(i, 2.0) for i in (1, 3)], replace=True)
        assert values(experiment) == {0: [1.0], 1: [2.0], 2: [1.0], 3: [2.0]}
        assert pack.exists()
        experiment.write(0, [run(i, 3.0) for i in (0, 2)], replace=True)
        assert values(experiment) == {0: [3.0], 1: [2.0], 2: [3.0], 3: [2.0]}
        assert not pack.exists()

    def test_failed_write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As long as the new record is not durable the old one counts."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        fail_writing(monkeypatch)
        with pytest.raises(StorageError, match="No space left"):
            experiment.write(0, [run(0, 2.0)], replace=True)
        monkeypatch.undo()
        assert values(experiment) == {0: [1.0]}
        experiment.write(0, [run(0, 2.0)], replace=True)
        assert values(experiment) == {0: [2.0]}

    def test_stopped_before_dropping(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A stop after the new record is durable and before the old is dropped doubles nothing."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        monkeypatch.setattr(Experiment, "_drop_empty", lambda self: None)
        experiment.write(0, [run(0, 2.0)], replace=True)
        assert len(list(experiment.runs.glob("*.h5"))) == 2
        assert values(experiment) == {0: [2.0]}

    def test_without_replace(self, tmp_path: Path) -> None:
        """Recording again without replacing keeps both records when they differ."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        experiment.write(0, [run(0, 2.0)])
        assert sorted(values(experiment)[0]) == [1.0, 2.0]

    def test_equal_attempts(self, tmp_path: Path) -> None:
        """Attempts that overlapped and came to the same count once."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        experiment.write(0, [run(0, 1.0, train_time=99.0)])
        assert values(experiment) == {0: [1.0]}

    def test_replaced_in_several_steps(self, tmp_path: Path) -> None:
        """What was replaced stays so when the record that replaced it is replaced and dropped."""
        experiment = make_experiment(tmp_path / "experiment")
        experiment.write(0, [run(0, 1.0), run(1, 1.0)])
        second = experiment.write(0, [run(0, 2.0)], replace=True)
        experiment.write(0, [run(0, 3.0)], replace=True)
        assert not second.exists()
        assert values(experiment) == {0: [3.0], 1: [1.0]}

    def test_failed_is_replaced(self, tmp_path: Path) -> None:
        """A new record replaces failed ones by itself, failed or not."""
        experiment = make_experiment(tmp_path / "experiment")
        for attempt, status in enumerate(("failed", "failed", "completed")):
            experiment.write(0, [run(0, float(attempt), status=status)])
            assert values(experiment) == {0: [float(attempt)]}
            assert len(list(experiment.runs.glob("*.h5"))) == 1

    def test_failed_replaces_nothing_else(self, tmp_path: Path) -> None:
        """Overwriting with a run that failed keeps the good record."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0), run(1, 1.0)])
        attempt = [run(0, 2.0, status="failed"), run(1, 2.0)]
        experiment.write(0, attempt, replace=True)
        assert values(experiment) == {0: [1.0], 1: [2.0]}
        assert experiment.inventory().recorded(0) == {0, 1}


class TestForget:
    def test_and_record_again(self, tmp_path: Path) -> None:
        """Forgotten indices are missing; recorded again they count, once; others never changed."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(i, 1.0) for i in range(4)])
        assert experiment.forget(0, [1, 2, 9]) == [1, 2]
        assert experiment.inventory().missing(range(4), 0) == [1, 2]
        assert values(experiment) == {0: [1.0], 3: [1.0]}
        assert experiment.forget(0, [1, 2]) == []
        experiment.write(0, [run(1, 2.0)])
        assert values(experiment) == {0: [1.0], 1: [2.0], 3: [1.0]}
        assert experiment.forget(0, [1]) == [1]
        assert experiment.inventory().missing(range(4), 0) == [1, 2]

    def test_all_records_of_an_index(self, tmp_path: Path) -> None:
        """An index with several records, and a failed one, loses them all."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        experiment.write(0, [run(0, 2.0)])
        experiment.write(0, [run(0, 3.0, status="failed")])
        assert experiment.forget(0, [0]) == [0]
        assert values(experiment) == {}
        assert list(experiment.runs.glob("*.h5")) == []

    def test_after_replacing(self, tmp_path: Path) -> None:
        """Forgetting a record does not bring back the one it replaced in a larger pack."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0), run(1, 1.0)])
        experiment.write(0, [run(0, 2.0)], replace=True)
        experiment.forget(0, [0])
        assert values(experiment) == {1: [1.0]}

    def test_cannot_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As long as the tombstone is not durable the record counts."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        fail_writing(monkeypatch)
        with pytest.raises(StorageError, match="No space left"):
            experiment.forget(0, [0])
        monkeypatch.undo()
        assert values(experiment) == {0: [1.0]}


class TestBeforeNaming:
    @pytest.mark.parametrize("error", [SupersededError("another"), KeyboardInterrupt()])
    def test_refused(self, tmp_path: Path, error: BaseException) -> None:
        """A shard that may not get its name leaves no file and no record, and drops none."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        experiment.inventory()
        before = sorted(experiment.runs.iterdir())

        def refuse() -> None:
            raise error

        with pytest.raises(type(error)):
            experiment.write(0, [run(0, 2.0), run(1, 2.0)], replace=True, before_naming=refuse)
        assert sorted(experiment.runs.iterdir()) == before
        assert values(experiment) == {0: [1.0]}


class TestStages:
    def test_never_share(self, tmp_path: Path) -> None:
        """The same index in two stages is two runs: recorded, replaced and forgotten apart."""
        experiment = make_experiment(tmp_path / "experiment", runs=[run(0, 1.0)])
        assert experiment.inventory().missing([0], stage=1) == [0]
        experiment.write(1, [run(0, 2.0, stage=1)])
        experiment.write(0, [run(0, 3.0)], replace=True)
        assert values(experiment, 0) == {0: [3.0]}
        assert values(experiment, 1) == {0: [2.0]}
        assert experiment.forget(1, [0]) == [0]
        assert values(experiment, 0) == {0: [3.0]}
        assert values(experiment, 1) == {}


class TestDirectory:
    @pytest.mark.parametrize(
        ("save_dir", "policies", "expected"),
        [
            ("sweep", [], "results/sweep/Env_SAC"),
            ("sweep", ["Gaussian"], "results/sweep/Env_SAC_Gaussian"),
            ("a/b", ["Gaussian", "Beta"], "results/a/b/Env_SAC_Gaussian-Beta"),
            ("results/sweep", [], "results/sweep/Env_SAC"),
            ("results", [], "results/Env_SAC"),
            ("./results/sweep", [], "results/sweep/Env_SAC"),
            ("results2/sweep", [], "results/results2/sweep/Env_SAC"),
            ("a/results", [], "results/a/results/Env_SAC"),
            ("/absolute", [], "/absolute/Env_SAC"),
        ],
    )
    def test_name(self, save_dir: str, policies: list[str], expected: str) -> None:
        """Relative save dirs lie under results/, not doubled; the name is made of the specs'."""
        assert str(experiment_directory(save_dir, "Env", "SAC", policies)) == expected
