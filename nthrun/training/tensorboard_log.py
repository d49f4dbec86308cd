"""One run's TensorBoard event file.

It is written a whole record at a time, without the writing thread of TensorBoard's own
`EventFileWriter`: the file is open only while rows are appended to it.
"""

from __future__ import annotations

import io
import json
import math
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2, summary_v2
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.text import metadata as text
from tensorboard.summary.writer.record_writer import RecordWriter

from nthrun.records.listing import paths_in
from nthrun.training.logged_points import Row

PREFIX = "events.out.tfevents."


class TensorboardLog:
    """The event file of one attempt at a run, in place of those of earlier attempts.

    Args:
        folder: of the logs of its stage.
        index: of the run.
        params: its hyperparameters, as JSON has them.

    Raises:
        OSError: its directory cannot be written to, or is a link, which may lead anywhere.
    """

    def __init__(self, folder: Path, index: int, params: Mapping[str, Any]) -> None:
        directory = folder / str(index)
        for place in (folder, directory):
            if place.is_symlink():
                raise OSError(f"{place}: a link, through which nothing is logged")
        directory.mkdir(parents=True, exist_ok=True)
        earlier = list(paths_in(directory, PREFIX))
        now = time.time()
        self._path = directory / f"{PREFIX}{now:017.6f}.{socket.gethostname()}.{os.getpid()}"
        start = summary_v2.hparams_pb(dict(_shown(params)), trial_id=str(index))
        self._append(
            [
                Event(wall_time=now, file_version="brain.Event:2"),
                # a viewer that has read an earlier file drops its points
                Event(wall_time=now, session_log=SessionLog(status=SessionLog.START)),
                Event(wall_time=now, summary=Summary.FromString(start.SerializeToString())),
            ]
        )
        for path in earlier:
            path.unlink(missing_ok=True)

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows.

        Raises:
            OSError: they could not be written.
        """
        now = time.time()
        self._append(Event(step=s, wall_time=now, summary=_scalars(row)) for s, row in rows)

    def close(self, step: int, outcome: Mapping[str, str]) -> None:
        """Append how the run ended.

        Args:
            step: the last one.
            outcome: status and reason.

        Raises:
            OSError: it could not be written.
        """
        good = outcome["status"] == "completed"
        status = api_pb2.STATUS_SUCCESS if good else api_pb2.STATUS_FAILURE
        ended = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
        words = ", ".join(filter(None, outcome.values()))
        said = TensorProto(dtype=DT_STRING, string_val=[words.encode()])
        values = [
            Summary.Value(
                tag=hparams.SESSION_END_INFO_TAG,
                metadata=hparams.create_summary_metadata(
                    plugin_data_pb2.HParamsPluginData(session_end_info=ended)
                ),
            ),
            Summary.Value(
                tag="status", tensor=said, metadata=text.create_summary_metadata("status", "")
            ),
        ]
        self._append([Event(step=step, wall_time=time.time(), summary=Summary(value=values))])

    def _append(self, events: Iterable[Event]) -> None:
        content = io.BytesIO()
        writer = RecordWriter(content)
        for event in events:
            writer.write(event.SerializeToString())
        with open(self._path, "ab") as file:
            file.write(content.getbuffer())


def _scalars(row: Mapping[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=v) for tag, v in row.items()])


def _shown(params: Mapping[str, Any]) -> Iterable[tuple[str, bool | float | str]]:
    """Hyperparameters as the viewer can list them: numbers and texts."""
    for name, value in params.items():
        if isinstance(value, (bool, str)):
            yield name, value
        elif isinstance(value, (int, float)) and math.isfinite(value):
            yield name, float(value)
        else:
            yield name, json.dumps(value)
