"""Whether the programs of Slurm are here, and their installation from the system's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

# `mariadb-server-core` is the database's programs without its service.
PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server-core",
    "mariadb-install-db": "mariadb-server-core",
    "my_print_defaults": "mariadb-client-core",  # which mariadb-install-db runs
}

# No service is to start from the packages: where nothing forbids it already, this does meanwhile.
# apt-get waits for another to install, but not to update its lists: one script at a time.
SCRIPT = r"""
set -e
exec 9>/run/nthrun-tests.lock
flock 9
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
fi
install() { apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"; }
install "$@" || { apt-get update && install "$@"; }
"""


class MissingSlurmError(RuntimeError):
    """Slurm is not here and could not be installed."""


def search_path() -> str:
    """PATH with the folders of the daemons, which a plain user's PATH may lack."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def ensure_installed(may_remove: bool) -> None:
    """Install what is missing of Slurm, munge and MariaDB.

    Args:
        may_remove: packages in the way, such as another database's, may go

    Raises:
        MissingSlurmError: a program is missing and cannot be installed
    """
    missing = [name for name in PACKAGES if not shutil.which(name, path=search_path())]
    if not missing:
        return
    packages = sorted({PACKAGES[name] for name in missing})
    advice = f"hint: apt-get install --no-install-recommends {' '.join(packages)}"
    keep = [] if may_remove else ["--no-remove"]
    command = [*_root_prefix(advice), "sh", "-c", SCRIPT, "install", *keep, *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or "apt-get failed"
        raise MissingSlurmError(f"no Slurm: {reason}; {advice}")


def slurm_version() -> tuple[int, int]:
    """The installed Slurm's major and minor version, such as (22, 5)."""
    program = shutil.which("slurmd", path=search_path()) or "slurmd"
    text = subprocess.check_output([program, "-V"], text=True)
    match = re.search(r"(\d+)\.(\d+)", text)
    if not match:
        raise MissingSlurmError(f"slurmd -V printed {text!r}, which names no version")
    return int(match[1]), int(match[2])


def _root_prefix(advice: str) -> list[str]:
    """What makes a command run as root here, where apt-get exists."""
    if not shutil.which("apt-get"):
        raise MissingSlurmError(f"no Slurm, and no apt-get to install it; {advice}")
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if not shutil.which("sudo") or subprocess.run([*sudo, "true"], check=False).returncode:
        raise MissingSlurmError(f"no Slurm, and no right to install it; {advice}")
    return sudo
