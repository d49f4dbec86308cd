"""The fields of a cluster spec: names, types, defaults and meanings."""

from __future__ import annotations

from dataclasses import dataclass

from nthrun.specs.field import Field

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
MAX_COUNT = 10**7
MAX_SIGNAL_SECONDS = 65_535  # sbatch's own bound


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
SLURM_FIELDS = (
    "account",
    "coresPerNode",
    "output",
    "email",
    "emailType",
    "partition",
    "qos",
    "gpuType",
    "arrayLimit",
    "submitLimit",
    "parallel",
    "wholeNode",
    "setup",
    "signalSeconds",
    "sbatch",
)
"""Fields that mean nothing to the scheduler `local`, which ignores them."""
