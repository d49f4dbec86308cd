"""An experiment with a file of every kind, its documents by their forms, and ways to break them."""

from __future__ import annotations

import copy
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from builders import make_run
from hypothesis import strategies as st
from plans import LOCAL, SPEC, lease_task, own_experiment, written_plan

from nthrun.files.forms import (
    Either,
    Fields,
    Flag,
    Form,
    Items,
    Maybe,
    Number,
    Plain,
    Row,
    Table,
    Text,
    Whole,
)
from nthrun.records import json_file, manifest, shard, snapshots
from nthrun.records.combine import combine
from nthrun.records.durable_file import MAGIC, block_size, read_checksummed, write_checksummed
from nthrun.records.snapshots import write_snapshot
from nthrun.scheduling import lease, plan
from nthrun.specs.fingerprint import fingerprint
from nthrun.studies import journal
from nthrun.training import checkpoint_index
from nthrun.training.append_log import AppendLog
from nthrun.training.array_archive import pack_arrays
from nthrun.training.comparability import NUMBERS, VERSION
from nthrun.training.noise import Streams

FIRST_LINE_BYTES = len(MAGIC) + 10 + 1 + 64 + 1
RAW = {
    "raw:list": "[" * 100_000 + "]" * 100_000,
    "raw:mapping": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "raw:nan": "NaN",
    "raw:infinity": "-Infinity",
    "raw:overflow": "1e999",
    "raw:digits": "9" * 5000,
    "raw:surrogate": '"\\ud800"',
    "raw:nul": '"\\u0000"',
    "raw:twice": '{"a": 1, "a": 2}',
    "raw:word": "tru",
    "raw:shape": '{"shape": [10000000000000]}',
    "raw:control": '"\\u001b[31m"',
}
"""What stands for texts that no value of Python is written as."""
JUNK = st.one_of(
    st.sampled_from(sorted(RAW)),
    st.sampled_from(
        (
            *(None, True, False, 0, -1, 1, 2, 10**9, 2**63, -(2**70), 10**30, 0.5, 1e300, "", "x"),
            *(
                " ",
                "0-9999998",
                "0-99999999999999999999",
                "../../etc",
                "a\nb",
                "\udce9",
                "x" * 5000,
            ),
            *([], [[]], [1, "a", None], {}, {"": 0}, {"a": {"b": []}}, {"shape": [10**13]}),
        )
    ),
).map(copy.deepcopy)  # what is put into a document may be changed there
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def _texts(form: Text) -> st.SearchStrategy[str]:
    if form.choices:
        return st.sampled_from(form.choices)
    return st.from_regex(form.pattern, fullmatch=True) if form.pattern else st.text(max_size=20)


MAKERS: Mapping[type, Callable[[Any], st.SearchStrategy[Any]]] = {
    Whole: lambda form: st.integers(form.minimum, form.maximum),
    Number: lambda form: st.floats(max(form.minimum, -1e307), 1e307, allow_nan=False),
    Text: _texts,
    Flag: lambda _: st.booleans(),
    Maybe: lambda form: st.none() | values(form.form),
    Either: lambda form: values(form.form) | values(form.other),
    Items: lambda form: st.lists(values(form.form), max_size=3),
    Row: lambda form: st.tuples(*map(values, form.forms)).map(list),
    Table: lambda form: st.dictionaries(values(form.keys), values(form.form), max_size=3),
    Fields: lambda form: st.fixed_dictionaries(
        {name: values(inner) for name, inner in form.required.items()},
        optional={name: values(inner) for name, inner in form.optional.items()},
    ),
}


def values(form: Form) -> st.SearchStrategy[Any]:
    """Whatever a form allows."""
    maker = MAKERS.get(type(form))
    return PLAIN if maker is None else maker(form)


def places(form: Form, value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Form]]:
    """(path, form) of every place of a document that its form says something of."""
    yield path, form
    for key, inner in _inner_forms(form, value):
        yield from places(inner, value[key], (*path, key))


def _inner_forms(form: Form, value: Any) -> Iterator[tuple[Any, Form]]:
    """(key, form) of what a value holds; of a long list only the first items."""
    match form, value:
        case Fields(required, optional, others), dict():
            known = {**required, **optional}
            forms = ((name, known.get(name, others)) for name in value)
            yield from ((name, inner) for name, inner in forms if inner is not None)
        case ((Table(inner) | Maybe(Table(inner))), dict()):
            yield from ((name, inner) for name in value)
        case Plain(), dict():
            yield from ((name, Plain()) for name in value)
        case Items(inner), list():
            yield from ((number, inner) for number in range(min(len(value), 2)))
        case Row(forms), list():
            yield from enumerate(forms[: len(value)])


@st.composite
def broken(draw: st.DrawFn, form: Form, document: Any) -> Any:
    """A document with one to three of its places changed: as the form allows, or not at all."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        path, inner = draw(st.sampled_from(list(places(form, changed))))
        kind = draw(st.sampled_from(("value", "junk", "junk", "drop", "more")))
        if kind == "value":
            changed = _with(changed, path, draw(values(inner)))
        elif kind == "junk" or not path:
            changed = _with(changed, path, draw(JUNK))
        elif kind == "drop":
            holder = _at(changed, path[:-1])
            del holder[path[-1]]
        else:
            changed = _with(changed, path, [_at(changed, path), draw(JUNK)])
    return changed


def dumped(document: Any) -> bytes:
    """A document as bytes, with the texts that `RAW` stands for."""
    text = json.dumps(document)
    for word, raw in RAW.items():
        text = text.replace(json.dumps(word), raw)
    return text.encode()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes that were cut, changed, doubled or put behind others."""
    place = draw(st.integers(0, len(content)))
    kind = draw(st.sampled_from(("cut", "flip", "insert", "twice", "mark", "empty")))
    if kind == "flip" and place < len(content):
        byte = content[place] ^ (1 << draw(st.integers(0, 7)))
        return content[:place] + bytes([byte]) + content[place + 1 :]
    if kind == "insert":
        return content[:place] + draw(st.binary(min_size=1, max_size=8)) + content[place:]
    marks = {"twice": content + content, "mark": b"\xef\xbb\xbf" + content, "empty": b""}
    return marks.get(kind, content[:place])


def sealed(header: bytes, payload: bytes) -> bytes:
    """A checksummed file of any header; of HDF5 the payload fits only blocks as it was made for."""
    block = 512
    while block < FIRST_LINE_BYTES + len(header):
        block *= 2
    body = header.ljust(block - FIRST_LINE_BYTES, b"\0") + payload
    return MAGIC + f"{block:010d} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def resealed(path: Path, change: Callable[[h5py.File], None]) -> None:
    """Change what a shard or a snapshot holds, and seal it again."""
    header, content = read_checksummed(path)
    path.write_bytes(content)
    with h5py.File(path, "r+", libver="latest") as file:
        change(file)
    written = path.read_bytes()
    write_checksummed(path, header, lambda block: written[block:])


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document.

    Attributes:
        name: of the kind.
        pattern: of its file within the experiment.
        form: of the document.
        read: gives the document of a file's bytes.
        write: gives the bytes of a document, and of the file before.
    """

    name: str
    pattern: str
    form: Form
    read: Callable[[bytes], Any]
    write: Callable[[Any, bytes], bytes]

    def path(self, root: Path) -> Path:
        """The file of this kind in an experiment."""
        return min(root.glob(self.pattern))


def _header(content: bytes) -> Any:
    block = block_size(memoryview(content))
    return json.loads(content[FIRST_LINE_BYTES:block].rstrip(b"\0"))


def _with_header(document: Any, before: bytes) -> bytes:
    return sealed(dumped(document), before[block_size(memoryview(before)) :])


def _plain(document: Any, _: bytes) -> bytes:
    return dumped(document)


def _manifest(document: Any, _: bytes) -> bytes:
    """With the fingerprint and the digest that it should have, where it can have any."""
    try:
        document["fingerprint"] = fingerprint(document["agent"], document["environment"])
        document.pop("digest", None)
        text = json.dumps(document, separators=(",", ":")).encode()
        document["digest"] = hashlib.sha256(text).hexdigest()
    except Exception:  # it is broken beyond that
        return dumped(document)
    return dumped(document)


def _data_json(document: Any, _: bytes) -> bytes:
    if not isinstance(document, dict):
        return dumped(document)
    document.pop("digest", None)
    content = dumped(document)[:-1] + b",\n"
    return content + b'"digest": "%b"}\n' % hashlib.sha256(content).hexdigest().encode()


def _lines(content: bytes) -> Any:
    return [json.loads(line[9:]) for line in content.splitlines()]


def _journal(document: Any, _: bytes) -> bytes:
    lines = map(dumped, document if isinstance(document, list) else [document])
    return b"".join(b"%08x %b\n" % (zlib.crc32(line), line) for line in lines)


EVENT = Either(Either(*list(journal.EVENTS.values())[:2]), journal.EVENTS[journal.REPORT])
KINDS = (
    Kind("manifest", manifest.MANIFEST, manifest.FORM, json.loads, _manifest),
    Kind("manifest without its sums", manifest.MANIFEST, manifest.FORM, json.loads, _plain),
    Kind("shard", "runs/*.h5", shard.HEADER, _header, _with_header),
    Kind("tombstone", "runs/*.forget", shard.HEADER, _header, _with_header),
    Kind(
        "cache",
        "runs/.inventory",
        Table(Row((Row((Whole(), Whole())), shard.HEADER))),
        _header,
        _with_header,
    ),
    Kind(
        "checkpoint", "checkpoints/*/state-*.ckpt", checkpoint_index.HEADER, _header, _with_header
    ),
    Kind("snapshot", "snapshots/*.h5", snapshots.FORM, _header, _with_header),
    Kind("plan", "plans/*.json", plan.FORM, json.loads, _plain),
    Kind("lease", "plans/*/0.json", lease.FORM, json.loads, _plain),
    Kind("journal", "search/journal", Items(EVENT), _lines, _journal),
    Kind("data.json", "data.json", json_file.FORM, json.loads, _data_json),
    Kind("data.json without a digest", "data.json", json_file.FORM, json.loads, _plain),
)
"""Every kind of document that is JSON, alone or in front of something else."""


def make_everything(root: Path) -> None:
    """An experiment directory with a file of every kind; nothing in it is trained."""
    experiment = own_experiment(root, SPEC)
    for indices in ((0, 1, 2), (3,), (4, 5), (6,)):
        experiment.write(0, [_run(index) for index in indices])
    experiment.write(0, [_run(7, status="failed", reason="ValueError: no")])
    experiment.forget(0, [6])
    combine(experiment, root / "data.json")
    combine(experiment, root / "data.h5")
    about = {"stage": 0, "index": 0, "step": 100, "fingerprint": ""}
    params = {"actor/weight": np.ones((2, 3), np.float32)}
    write_snapshot(experiment.snapshots, "best", about | {"agent_params": {"tau": 0.1}}, params)
    planned = written_plan(root, [[[0, 1], [2, 8]], [[9]]], LOCAL, num_runs=2)
    lease_task(planned, 0)
    write_checkpoint(experiment.checkpoints / "stage0-8-9-0123abcd", (8, 9))
    events = [{journal.ASK: n, "setting": {"critic_lr": 0.001}, "attributes": {}} for n in (0, 1)]
    told = {journal.TELL: 0, "shard": "x", "status": "completed", "value": -3.0}
    with journal.Journal(root).writing() as writer:
        writer.add([*events, {journal.REPORT: 0, "step": 100, "value": -1.0}, told])
    experiment.inventory()


def _run(index: int, **changes: Any) -> Any:
    settings = SPEC.sweep.num_settings
    metrics = {"critic_loss": np.arange(5.0)}
    return make_run(index, index % settings, index // settings, metrics=metrics, **changes)


def write_checkpoint(folder: Path, indices: Sequence[int]) -> Path:
    """A checkpoint of some indices, without replay.

    Args:
        folder: of the attempt.
        indices: of its lanes.
    """
    series = AppendLog(folder / "series.log")
    series.append({"reward": np.zeros((len(indices), 5))})
    streams = Streams(indices, {})
    lanes: list[Mapping[str, Any]] = [
        {"index": index, "streams": streams.lane_state(lane), "attempts": [{"step": 0}]}
        for lane, index in enumerate(indices)
    ]
    header = {
        "kind": "checkpoint",
        "stage": 0,
        "step": 5,
        "facts": {"torch": "2", VERSION: NUMBERS},
        "lanes": [{**each, "train_time": 1.0, "eval_time": 0.0} for each in lanes],
        "series": series.position().as_json(),
        "replay": [],
    }
    tensors = pack_arrays({"weight": np.zeros((len(indices), 3), np.float32)})
    path = folder / f"state-{5:015d}.ckpt"
    write_checksummed(path, header, lambda _: tensors)
    return path


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A document with another value at a place."""
    if not path:
        return value
    _at(document, path[:-1])[path[-1]] = value
    return document
