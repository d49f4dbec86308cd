"""What starts each daemon of a test cluster, and what fills its accounting database."""

from __future__ import annotations

import os

from slurm.configuration import CLUSTER, Options, Place, user_name

ACCOUNT = "test"
LIMITED_QOS = "tiny"
# For a database that is thrown away: small, and quick rather than safe from a power cut.
DATABASE_OPTIONS = (
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-lock-wait-timeout=900",
    "--innodb-flush-log-at-trx-commit=0",
)


def daemon_command(name: str, place: Place) -> list[str]:
    """The command of a daemon, which stays in the foreground."""
    if name == "munged":
        return _munged(place)
    if name == "mariadbd":
        return _mariadbd(place)
    program, _, node = name.partition("-")
    return [program, "-D", *(["-N", node] if node else [])]


def database_installation(place: Place) -> list[str]:
    """The command that makes the empty database; its root is this user, by Unix socket."""
    return [
        *_database_program("mariadb-install-db", place),
        "--auth-root-authentication-method=socket",
        f"--auth-root-socket-user={user_name()}",
        "--skip-test-db",
    ]


def accounting_commands(options: Options) -> list[list[str]]:
    """What to ask of an empty slurmdbd, before the controller first meets it."""
    user = user_name()
    requests = [
        f"add cluster {CLUSTER}",
        f"add account {ACCOUNT} cluster={CLUSTER}",
        f"add user {user} account={ACCOUNT} cluster={CLUSTER}",
        f"add qos {LIMITED_QOS} set MaxSubmitJobsPerUser={options.submit_limit}",
        # root has another account from the start.
        f"modify user {user} set defaultaccount={ACCOUNT} qos+={LIMITED_QOS}",
    ]
    return [["sacctmgr", "--immediate", *request.split()] for request in requests]


def _munged(place: Place) -> list[str]:
    run = place.directory / "run"
    return [
        "munged",
        "--foreground",
        f"--socket={place.munge_socket}",
        f"--key-file={place.directory}/etc/munge.key",
        f"--pid-file={run}/munged.pid",
        f"--seed-file={run}/munged.seed",
    ]


def _mariadbd(place: Place) -> list[str]:
    return [
        *_database_program("mariadbd", place),
        f"--socket={place.database_socket}",
        f"--pid-file={place.directory}/run/mariadbd.pid",
        "--skip-networking",
    ]


def _database_program(name: str, place: Place) -> list[str]:
    user = ["--user=root"] if os.geteuid() == 0 else []
    return [name, "--no-defaults", f"--datadir={place.directory}/db", *DATABASE_OPTIONS, *user]
