"""What Weights & Biases keeps of a run offline, read with its own messages."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768


def wandb_file(directory: Path, name: str = "") -> Path:
    """The only log under a directory of offline runs, of those whose name ends so."""
    (path,) = directory.glob(f"offline-run-*{name}/run-*.wandb")
    return path


def messages(path: Path) -> list[Record]:
    """Every message of a log, in order."""
    content = path.read_bytes()
    assert content[:7] == b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    return [Record.FromString(data) for data in _records(content)]


def _records(content: bytes) -> Iterator[bytes]:
    at, data = 7, b""
    while at < len(content):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        checksum, length, kind = struct.unpack_from("<IHB", content, at)
        chunk = content[at + 7 : at + 7 + length]
        assert len(chunk) == length
        assert checksum == zlib.crc32(bytes([kind]) + chunk)
        assert (kind in (1, 2)) == (data == b"")
        data += chunk
        at += 7 + length
        if kind in (1, 4):
            yield data
            data = b""


def history(path: Path) -> list[dict[str, Any]]:
    """The rows of a log, without times."""
    rows = []
    for message in messages(path):
        if message.WhichOneof("record_type") == "history":
            items = message.history.item
            row = {"/".join(item.nested_key): json.loads(item.value_json) for item in items}
            assert row["_step"] == message.history.step.num
            rows.append({k: v for k, v in row.items() if k not in ("_timestamp", "_runtime")})
    return rows


def config(path: Path) -> dict[str, Any]:
    """The hyperparameters of a log."""
    (run,) = (m.run for m in messages(path) if m.WhichOneof("record_type") == "run")
    return {item.key: json.loads(item.value_json) for item in run.config.update}


def summary(path: Path) -> dict[str, Any]:
    """What a table of runs shows of one."""
    found: dict[str, Any] = {}
    for message in messages(path):
        for item in message.summary.update:
            found[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return found


def exit_code(path: Path) -> int:
    """How a run ended; its file is whole."""
    last = messages(path)[-1]
    assert last.WhichOneof("record_type") == "exit"
    return int(last.exit.exit_code)
