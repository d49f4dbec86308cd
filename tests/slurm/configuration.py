"""The texts that configure a test cluster: slurm.conf, slurmdbd.conf, gres.conf, cgroup.conf."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

CLUSTER = "nthrun"


@dataclass(frozen=True, slots=True)
class Options:
    """What a test cluster has.

    Attributes:
        accounting: slurmdbd and MariaDB run, sacct answers, and the limits of a QOS hold
        nodes: n1, n2, ..., all of them this machine
        cpus_per_node: may exceed what the machine has; keep the sum at 16 or less, since a step
            that starts later than `requeue_wait_seconds` is refused
        memory_mb: of a node
        gpus_per_node: each is /dev/null; 0 for a cluster without GPUs
        gpu_type: the type in `--gres=gpu:TYPE:1`
        max_array_size: the least array index that is refused
        submit_limit: the most jobs of one user in QOS `tiny`
        min_job_age_seconds: how long squeue and scontrol know a job that has ended
        requeue_wait_seconds: until a requeued job may start again; Slurm takes no less than 5
        grace_seconds: from the signal to the end of a preempted job in partition `low`
        kill_wait_seconds: from SIGTERM to SIGKILL of a cancelled job and of one out of time
        extra: more lines of slurm.conf
    """

    accounting: bool = True
    nodes: int = 4
    cpus_per_node: int = 4
    memory_mb: int = 4000
    gpus_per_node: int = 2
    gpu_type: str = "h100"
    max_array_size: int = 1001
    submit_limit: int = 5
    min_job_age_seconds: int = 300
    requeue_wait_seconds: int = 5
    grace_seconds: int = 5
    kill_wait_seconds: int = 5
    extra: tuple[str, ...] = ()

    def node_names(self) -> list[str]:
        """Names of the nodes."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]

    def num_ports(self) -> int:
        """Ports the daemons listen on: the controller, accounting, and one a node."""
        return 2 + self.nodes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster lives: its directory and the first of its consecutive ports."""

    directory: Path
    port: int

    @property
    def munge_socket(self) -> Path:
        """Where every daemon and command meets the private munged."""
        return self.directory / "run" / "munged.socket"

    @property
    def database_socket(self) -> Path:
        """Where slurmdbd meets MariaDB."""
        return self.directory / "run" / "mariadbd.socket"

    @property
    def accounting_port(self) -> int:
        """Port of slurmdbd."""
        return self.port + 1

    def node_port(self, position: int) -> int:
        """Port of the slurmd at a position, from 0, among the nodes."""
        return self.port + 2 + position


def user_name() -> str:
    """Who owns the cluster; not what LOGNAME says, which sudo and CI may leave wrong."""
    return pwd.getpwuid(os.geteuid()).pw_name


def write_configuration(place: Place, options: Options, slurm_version: tuple[int, int]) -> None:
    """Write the files of a cluster, and its GPUs, under its directory."""
    texts = {
        "slurm.conf": slurm_conf(place, options),
        "gres.conf": gres_conf(place, options),
        "cgroup.conf": cgroup_conf(slurm_version),
    }
    if options.accounting:
        texts["slurmdbd.conf"] = slurmdbd_conf(place)
    for name, text in texts.items():
        path = place.directory / "etc" / name
        path.write_text(text)
        path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)
    for number in range(options.gpus_per_node):
        # Slurm takes only device files for GPUs, and follows a link to one.
        (place.directory / "dev" / f"nvidia{number}").symlink_to("/dev/null")


def slurm_conf(place: Place, options: Options) -> str:
    """The text of slurm.conf."""
    sections = [
        _daemon_lines(place, options),
        _job_lines(options),
        _accounting_lines(place, options),
        _node_lines(place, options),
        _partition_lines(options),
        list(options.extra),
    ]
    return "\n".join(line for lines in sections for line in lines) + "\n"


def slurmdbd_conf(place: Place) -> str:
    """The text of slurmdbd.conf; the socket of MariaDB reaches slurmdbd by its environment."""
    directory, user = place.directory, user_name()
    return f"""\
AuthType=auth/munge
AuthInfo=socket={place.munge_socket}
CommunicationParameters=NoInAddrAny
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={place.accounting_port}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={user}
StorageLoc=slurm_accounting
CommitDelay=1
PidFile={directory}/run/slurmdbd.pid
LogFile={directory}/log/slurmdbd.log
"""


def gres_conf(place: Place, options: Options) -> str:
    """The text of gres.conf; the flag makes Slurm set CUDA_VISIBLE_DEVICES."""
    if not options.gpus_per_node:
        return "# no GPUs\n"
    devices = f"{place.directory}/dev/nvidia[0-{options.gpus_per_node - 1}]"
    return f"Name=gpu Type={options.gpu_type} File={devices} Flags=nvidia_gpu_env\n"


def cgroup_conf(slurm_version: tuple[int, int]) -> str:
    """The text of cgroup.conf.

    slurmd loads a cgroup plugin though nothing here uses it, and the default one fails in
    containers; the v1 plugin, which needs no mounted cgroup, stands in where none can be named.
    """
    return f"CgroupPlugin={'disabled' if slurm_version >= (23, 2) else 'cgroup/v1'}\n"


def _daemon_lines(place: Place, options: Options) -> list[str]:
    directory, user = place.directory, user_name()
    authentication = f"socket={place.munge_socket},cred_expire={options.requeue_wait_seconds}"
    return [
        f"ClusterName={CLUSTER}",
        "SlurmctldHost=localhost(127.0.0.1)",
        f"SlurmctldPort={place.port}",
        f"SlurmUser={user}",
        f"SlurmdUser={user}",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        f"AuthInfo={authentication}",
        "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
        f"StateSaveLocation={directory}/state",
        f"SlurmdSpoolDir={directory}/spool/%n",
        f"SlurmctldPidFile={directory}/run/slurmctld.pid",
        f"SlurmdPidFile={directory}/run/slurmd-%n.pid",
        f"SlurmctldLogFile={directory}/log/slurmctld.log",
        f"SlurmdLogFile={directory}/log/slurmd-%n.log",
        "LogTimeFormat=iso8601_ms",
        "SlurmctldTimeout=10",
        "SlurmdTimeout=10",
        "MessageTimeout=5",
        "TCPTimeout=2",
        "BatchStartTimeout=10",
        "UnkillableStepTimeout=30",
        "ReturnToService=2",
        "SlurmdParameters=config_overrides",
        "MailProg=/bin/true",
    ]


def _job_lines(options: Options) -> list[str]:
    return [
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "MpiDefault=none",
        "SwitchType=switch/none",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=1",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "DefMemPerCPU=100",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1",
        "PriorityType=priority/multifactor",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "JobRequeue=1",
        "CompleteWait=0",
        "InactiveLimit=0",
        f"KillWait={options.kill_wait_seconds}",
        f"MinJobAge={options.min_job_age_seconds}",
        f"MaxArraySize={options.max_array_size}",
        "MaxJobCount=20000",
    ]


def _accounting_lines(place: Place, options: Options) -> list[str]:
    if not options.accounting:
        return ["AccountingStorageType=accounting_storage/none"]
    return [
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={place.accounting_port}",
        # AuthInfo does not reach what sacct and sacctmgr say to slurmdbd; this names the socket.
        f"AccountingStoragePass={place.munge_socket}",
        "AccountingStorageEnforce=associations,limits,qos",
        "AccountingStorageTRES=gres/gpu",
        "AccountingStoreFlags=job_comment",
    ]


def _node_lines(place: Place, options: Options) -> list[str]:
    gpus = f" Gres=gpu:{options.gpu_type}:{options.gpus_per_node}" if options.gpus_per_node else ""
    nodes = [
        f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1"
        f" Port={place.node_port(position)} CPUs={options.cpus_per_node}"
        f" RealMemory={options.memory_mb} State=UNKNOWN{gpus}"
        for position, name in enumerate(options.node_names())
    ]
    return (["GresTypes=gpu"] if gpus else []) + nodes


def _partition_lines(options: Options) -> list[str]:
    # A tier preempts every preemptible tier below it, so only `high` may stand above `low`.
    return [
        "PartitionName=main Nodes=ALL PriorityTier=1 PreemptMode=OFF Default=YES DefaultTime=60",
        "PartitionName=short Nodes=ALL PriorityTier=1 PreemptMode=OFF MaxTime=1",
        f"PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE"
        f" GraceTime={options.grace_seconds} DefaultTime=60",
        "PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF DefaultTime=60",
    ]
