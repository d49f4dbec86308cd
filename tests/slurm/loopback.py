"""Where the daemons of a test cluster listen."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

# Below the ports that outgoing connections take, so that a killed daemon finds its own again.
PORTS = range(20_000, 32_000)


def accepts(address: Path | int) -> bool:
    """Whether something listens on a Unix socket, or on a port of loopback."""
    family, target = (
        (socket.AF_INET, ("127.0.0.1", address))
        if isinstance(address, int)
        else (socket.AF_UNIX, str(address))
    )
    with socket.socket(family) as client:
        return client.connect_ex(target) == 0


def free_ports(count: int) -> int:
    """The first of some consecutive ports of loopback that nothing holds.

    Raises:
        OSError: they are all taken
    """
    for _ in range(1000):
        first = random.choice(PORTS)
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in range(first, first + count):
                sockets.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise OSError(f"no {count} consecutive free ports from {PORTS.start} to {PORTS.stop}")
