"""One run's Weights & Biases log, as their client keeps it offline, for `wandb sync`.

The file is written here, in the client's messages and framing, and not by the client: that starts
a server process and threads of its own, and takes a tenth of a second or more for each run. Nothing
here can reach the network.

    file      ":W&B", 0xBEE1 and a version, then records in the framing of LevelDB's log:
              blocks of 32 KiB, of chunks (CRC-32 of kind and data, length, kind, data)
    record    a protobuf message, numbered from 1: version, run, metrics, history ..., exit
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import wandb
from wandb.proto.wandb_internal_pb2 import HistoryRecord, MetricRecord, Record, RunRecord

from nthrun.training.logged_run import LoggedRun, Row

MAGIC = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
BLOCK = 32768
CHUNK_HEADER = struct.Struct("<IHB")
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4
MIN_CONSUMER = "0.70.0"
STEP = "step"
"""The name that the training step has as the axis of every chart."""


class WandbLog:
    """The log of one attempt at a run, in place of those of earlier attempts.

    Args:
        run: whose.

    Raises:
        OSError: its directory cannot be written to.
    """

    def __init__(self, run: LoggedRun) -> None:
        name = f"{run.fingerprint[:8]}-{run.stage}-{run.index}"
        root = run.logs / "wandb"
        earlier = list(root.glob(f"offline-run-*-{name}"))
        self._began = time.time()
        stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(self._began))
        for path in earlier:
            shutil.rmtree(path, ignore_errors=True)
        directory = root / f"offline-run-{stamp}-{name}"
        (directory / "files").mkdir(parents=True)
        self._path = directory / f"run-{name}.wandb"
        self._size = self._count = 0
        self._append_bytes(MAGIC)
        self._append([_version(), Record(run=_described(run, name, self._began)), _metrics()])

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows.

        Raises:
            OSError: they could not be written.
        """
        now = time.time()
        self._append(_history(step, row, now, now - self._began) for step, row in rows)

    def close(self, step: int, outcome: Mapping[str, str]) -> None:
        """Append how the run ended.

        Args:
            step: the last one.
            outcome: status and reason.

        Raises:
            OSError: it could not be written.
        """
        ended = Record()
        for key, value in outcome.items():
            ended.summary.update.add(key=key, value_json=json.dumps(value))
        exited = Record()
        exited.exit.exit_code = int(outcome["status"] == "failed")
        exited.exit.runtime = int(time.time() - self._began)
        self._append([ended, exited])

    def _append(self, records: Iterable[Record]) -> None:
        parts = []
        size = self._size
        for record in records:
            self._count += 1
            record.num = self._count
            part = framed(record.SerializeToString(), size)
            size += len(part)
            parts.append(part)
        self._append_bytes(b"".join(parts))

    def _append_bytes(self, content: bytes) -> None:
        with open(self._path, "ab") as file:
            file.write(content)
        self._size += len(content)


def framed(data: bytes, at: int) -> bytes:
    """A record as chunks, for a file of `at` bytes."""
    parts: list[bytes] = []
    first = True
    while first or data:
        room = BLOCK - at % BLOCK
        if room < CHUNK_HEADER.size:
            parts.append(bytes(room))
            at += room
            room = BLOCK
        chunk, data = data[: room - CHUNK_HEADER.size], data[room - CHUNK_HEADER.size :]
        kind = (LAST if not data else MIDDLE) if not first else (FIRST if data else WHOLE)
        checksum = zlib.crc32(chunk, zlib.crc32(bytes([kind])))
        parts += [CHUNK_HEADER.pack(checksum, len(chunk), kind), chunk]
        at += CHUNK_HEADER.size + len(chunk)
        first = False
    return b"".join(parts)


def _version() -> Record:
    record = Record()
    record.header.version_info.producer = wandb.__version__
    record.header.version_info.min_consumer = MIN_CONSUMER
    return record


def _described(run: LoggedRun, name: str, began: float) -> RunRecord:
    described = RunRecord(
        run_id=name,
        project=_project(run.logs.parent),
        display_name=f"index {run.index}" + (f", stage {run.stage}" if run.stage else ""),
        run_group=f"setting {run.setting_number}",
        job_type=f"stage {run.stage}",
        host=socket.gethostname(),
    )
    described.start_time.FromNanoseconds(int(began * 1e9))
    about = {
        "_wandb": {},
        "index": run.index,
        "setting_number": run.setting_number,
        "run_number": run.run_number,
        "stage": run.stage,
        "agent_name": run.agent_name,
        "environment": run.environment,
    }
    for key, value in {**run.params, **about}.items():
        described.config.update.add(key=key, value_json=json.dumps(value))
    return described


def _project(root: Path) -> str:
    """The experiment's directory, without what a project's name may not have."""
    return re.sub(r"[/\\#?%:]", "_", root.name)[:128]


def _metrics() -> Record:
    """Charts are drawn over the training step."""
    metric = MetricRecord(glob_name="*", step_metric=STEP)
    metric.options.step_sync = metric.options.defined = True
    return Record(metric=metric)


def _history(step: int, row: Mapping[str, float], now: float, runtime: float) -> Record:
    history = HistoryRecord()
    history.step.num = step
    shown: dict[str, Any] = {"_step": step, "_timestamp": now, "_runtime": runtime, STEP: step}
    for key, value in {**shown, **row}.items():
        history.item.add(nested_key=[key], value_json=json.dumps(value))
    return Record(history=history)
