"""The cluster spec: where tasks run, how much a task may use, and what is asked of Slurm."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.specs.cluster_rules import broken_rules
from nthrun.specs.documents import Document, read_document
from nthrun.specs.field import Field, RejectedError, Value, plain, shown, unknown_keys
from nthrun.specs.older_cluster import read_older_cluster
from nthrun.specs.shipped import shipped_folder
from nthrun.specs.slurm_time import (
    MEMORY_FORMS,
    TIME_FORMS,
    UNLIMITED,
    parse_memory,
    parse_time,
)
from nthrun.specs.spec_text import YAML_SUFFIXES

MAIL_TYPES = (
    "NONE",
    "BEGIN",
    "END",
    "FAIL",
    "REQUEUE",
    "ALL",
    "INVALID_DEPEND",
    "STAGE_OUT",
    "TIME_LIMIT",
    "TIME_LIMIT_90",
    "TIME_LIMIT_80",
    "TIME_LIMIT_50",
    "ARRAY_TASKS",
)
CLUSTERS = "clusters"
MAX_COUNT = 10**7
MAX_SIGNAL_SECONDS = 65_535  # sbatch's own bound
NAMES = ("account", "partition", "qos", "gpuType", "email")
OLD_KEYS = {"error": "output holds both stdout and stderr"}
NAME_TEXT = re.compile(r"[^\s:]+")


@dataclass(frozen=True, slots=True)
class Lines(Field):
    """A field that is a list of free text."""

    def allowed(self) -> str:
        """What the field allows, in words."""
        return "a list of strings"


def _count(name: str, default: int, doc: str, minimum: int = 0) -> Field:
    return Field(name, "int", default, doc, minimum=minimum, maximum=MAX_COUNT)


FIELDS: tuple[Field, ...] = (
    Field("account", "str", "", "allocation to charge"),
    Field(
        "time",
        "str",
        None,
        "longest run time of a task, as sbatch --time takes it: "
        "MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS or UNLIMITED",
    ),
    _count("nodes", 1, "nodes the cores are spread over; a task stays on one node", 1),
    _count("cores", 1, "cores over all nodes; 0 is every core of this machine (local only)"),
    _count("coresPerNode", 0, "cores one node has; 0 is not stated"),
    _count("sequential", 0, "runs one after another on each core; 0 is as many as fit the time"),
    Field("memPerCpu", "str", "", "memory of one core, such as 4G; empty is the cluster's default"),
    Field("output", "str", "", "folder or file pattern of job logs, stdout and stderr in one"),
    Field("email", "str", "", "where Slurm writes to"),
    Field("emailType", "strs", (), "when Slurm writes; one string will do", choices=MAIL_TYPES),
    Field("scheduler", "str", "slurm", "what runs the tasks", choices=("slurm", "local")),
    Field("partition", "str", "", "partition; empty is the cluster's choice"),
    Field("qos", "str", "", "quality of service; empty is the account's"),
    _count("gpus", 0, "GPUs of a task"),
    Field("gpuType", "str", "", "Slurm's name of the GPU model or MIG slice"),
    _count("packsPerGpu", 1, "worker processes that share one GPU", 1),
    _count("packsPerTask", 0, "packs one task takes on at most; 0 is no bound"),
    _count("arrayLimit", 0, "tasks of one array at most; 0 asks Slurm"),
    _count("submitLimit", 0, "your tasks queued or running at most; 0 asks Slurm"),
    _count("parallel", 0, "tasks of one array running at once; 0 is no bound"),
    Field("wholeNode", "bool", False, "whether a task takes its node alone"),
    Lines("setup", "strs", (), "shell lines run before Python, such as module load"),
    Lines("prefix", "strs", (), "words before Python, such as apptainer, exec and an image"),
    Field("python", "str", "", "interpreter of tasks; empty is the one that submits them"),
    Field(
        "signalSeconds",
        "int",
        120,
        "seconds before its end at which a task begins to save",
        minimum=1,
        maximum=MAX_SIGNAL_SECONDS,
    ),
    Lines("sbatch", "strs", (), "further options of sbatch, such as --constraint=genoa"),
)


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A validated cluster spec.

    Attributes:
        name: the file's name without its suffix.
        values: field -> value, for every field, defaults included; `time` and `memPerCpu` as
            text, and `cores` never 0.
        notes: how its file was read where it does not stand for itself, a line each.
    """

    name: str
    values: Mapping[str, Value]
    notes: tuple[str, ...] = ()

    def text(self, key: str) -> str:
        """The value of a string field; "" is not given."""
        value = self.values[key]
        assert isinstance(value, str)
        return value

    def integer(self, key: str) -> int:
        """The value of an integer field."""
        value = self.values[key]
        assert isinstance(value, int)
        return value

    def flag(self, key: str) -> bool:
        """The value of a field that is true or false."""
        return self.values[key] is True

    def items(self, key: str) -> tuple[str, ...]:
        """The value of a list field."""
        value = self.values[key]
        assert isinstance(value, tuple)
        return value

    @property
    def is_local(self) -> bool:
        """Whether tasks run on this machine, without Slurm."""
        return self.text("scheduler") == "local"

    @property
    def time_seconds(self) -> int | None:
        """Longest run time of a task; None is unlimited."""
        return parse_time(self.text("time"))

    @property
    def memory_per_core_bytes(self) -> int | None:
        """Memory of one core; None is what the cluster gives by default."""
        text = self.text("memPerCpu")
        return parse_memory(text) if text else None

    @property
    def cores_per_task(self) -> int:
        """Cores of a task, >= 1: those of one node, as a task never spans nodes."""
        return self.integer("cores") // self.integer("nodes")

    @property
    def num_workers(self) -> int:
        """Worker processes of a task: as many as its GPUs are shared by, else one a core."""
        return self.integer("gpus") * self.integer("packsPerGpu") or self.cores_per_task

    @property
    def device(self) -> str:
        """What packs run on: "cuda" or "cpu"."""
        return "cuda" if self.integer("gpus") else "cpu"

    def as_document(self) -> dict[str, Any]:
        """The spec as plain data, every field written out; reads back as the same values."""
        return {key: plain(value) for key, value in self.values.items()}


def read_cluster_spec(path: str, overrides: Mapping[str, object] = {}) -> ClusterSpec:
    """Read and check a cluster file, some fields overridden by options of the command line.

    Args:
        path: a JSON or YAML file; or a name alone, such as "fir", of a file in the working
            directory or in `clusters` of it, or of one that is shipped.
        overrides: field -> value that counts instead of the file's. A text is read as the
            field's kind (`"4"`, `"true"`), one text makes a list of one, "" is not given, and
            None leaves the file's value.

    Raises:
        SpecError: every fault; one of an option names it, such as `--cores`, in the file's place.
    """
    path = str(_cluster_file(path))
    options = {key: value for key, value in overrides.items() if value is not None}
    source = _Source(read_document([path]), options)
    reading = read_older_cluster(source.document.values)
    raw = {**reading.values, **options}
    names = [field.name for field in FIELDS]
    faults = [source.fault([key], problem, hint) for key, problem, hint in reading.faults]
    faults += [
        source.fault([key], problem, OLD_KEYS.get(key, hint))
        for key, problem, hint in unknown_keys(raw, names, "see clusters/README.md")
    ]
    values: dict[str, Value] = {}
    for field in FIELDS:
        try:
            values[field.name] = _value(field, raw, source)
        except RejectedError as rejected:
            faults.append(source.fault([field.name], rejected.problem, rejected.hint))
    faults += [source.fault(*broken) for broken in broken_rules(values)]
    if "nodes" in raw and "cores" not in raw and values.get("nodes", 1) != 1:
        faults = [fault for fault in faults if fault.key != "cores"]
        problem = f"missing beside nodes {shown(raw['nodes'])}, allowed: the cores over all nodes"
        faults.append(source.fault(["cores"], problem, "a node takes cores / nodes runs at once"))
    if faults:
        raise SpecError(faults)
    spec = ClusterSpec(Path(path).stem, values, reading.notes)
    if spec.integer("cores"):
        return spec
    nodes = spec.integer("nodes")
    cores = max(nodes, usable_cores() // nodes * nodes)
    return replace(spec, values={**values, "cores": cores})


def _cluster_file(text: str) -> Path:
    """The file that a text names: itself, or else the first that there is of its name."""
    path = Path(text)
    if path.exists() or path.suffix or len(path.parts) != 1:
        return path
    folders = Path(), Path(CLUSTERS), shipped_folder(CLUSTERS)
    found = (folder / f"{text}.json" for folder in folders)
    return next((each for each in found if each.is_file()), path)


def cluster_of_document(source: str, name: str, fields: Mapping[str, object]) -> ClusterSpec:
    """A cluster spec as `ClusterSpec.as_document` gave it; fields that came later have defaults.

    Args:
        source: the file it is from, named in faults.
        name, fields: of the spec.

    Raises:
        SpecError: a field is not what it has to be.
    """
    faults = []
    values: dict[str, Value] = {}
    for field in FIELDS:
        given = fields.get(field.name, field.default)
        try:
            values[field.name] = UNLIMITED if given is None else _kept(field, given)
        except RejectedError as rejected:
            faults.append(Fault(source, f"cluster.{field.name}", rejected.problem, rejected.hint))
    if faults:
        raise SpecError(faults)
    return ClusterSpec(name, values)


def _kept(field: Field, given: object) -> Value:
    """A value that was checked when it was first read."""
    if field.default is not None and given in (field.default, plain(field.default)):
        return field.default
    if field.name in ("time", "memPerCpu"):
        return _quantity(field.name, given, is_yaml=False)
    value = field.normalise(given)
    if isinstance(value, str):
        _check_line(field.name, value)
    return value


def usable_cores() -> int:
    """Cores of this machine that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Source:
    """Where values come from, to say where a fault stands."""

    document: Document
    options: Mapping[str, object]

    def fault(self, keys: Sequence[str], problem: str, hint: str = "") -> Fault:
        """A fault of the first of some fields that an option gave, else of the first."""
        for key in keys:
            if key in self.options:
                return Fault(f"--{key}", "", problem, hint)
        return Fault(self.document.origin(keys[0]), keys[0], problem, hint)

    def is_yaml(self, key: str) -> bool:
        """Whether a field was read from a YAML file."""
        return key not in self.options and self.document.origin(key).endswith(YAML_SUFFIXES)


def _value(field: Field, raw: Mapping[str, object], source: _Source) -> Value:
    name = field.name
    if name not in raw:
        if field.default is not None:
            return field.default
        if raw.get("scheduler") == "local":
            return UNLIMITED
        raise RejectedError(f"missing, allowed: {TIME_FORMS}", f"write it, or give --{name}")
    given = raw[name]
    if given == "" and field.default in ("", ()):
        return field.default
    if name in ("time", "memPerCpu"):
        return _quantity(name, given, source.is_yaml(name))
    from_option = name in source.options
    if isinstance(given, str) and field.is_list:
        given = given.split(",") if field.choices else [given]
    elif isinstance(given, tuple) and field.choices:
        given = [word for text in given for word in text.split(",")]
    elif isinstance(given, str) and field.kind == "bool" and from_option:
        given = {"true": True, "false": False}.get(given.lower(), given)
    value = field.normalise(given, yaml_text=from_option or source.is_yaml(name))
    if isinstance(value, str):
        _check_line(name, value)
    return value


def _check_line(name: str, text: str) -> None:
    """Refuse a text that would break the line of a job script."""
    if name in NAMES and not NAME_TEXT.fullmatch(text):
        hint = "gpus holds how many" if name == "gpuType" else ""
        raise RejectedError(f"got {shown(text)}, allowed: a name without spaces or colons", hint)
    if not text.isprintable():
        raise RejectedError(f"got {shown(text)}, allowed: one line of text")


def _quantity(name: str, given: object, is_yaml: bool) -> str:
    """A time or a memory size as text, checked; a bare number is minutes or megabytes."""
    is_number = isinstance(given, int) and not isinstance(given, bool)
    if is_number and is_yaml and name == "time":
        problem = f"got the number {shown(given)}, allowed in YAML: a time in quotes"
        raise RejectedError(problem, 'write "3:00:00"; YAML 1.1 makes it 10800 without quotes')
    text = shown(given) if is_number else given
    if not isinstance(text, str):
        forms = TIME_FORMS if name == "time" else MEMORY_FORMS
        raise RejectedError(f"got {shown(given)}, allowed: {forms}")
    if name == "time":
        parse_time(text)
    else:
        parse_memory(text)
    return text
