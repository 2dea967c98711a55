"""Which nats-server to start, and whether it is recent enough."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from market.bus_errors import BusServerError

MINIMUM_VERSION = (2, 14, 0)
"""Below it: published holes (pre-authentication panic, bypassed deny rules), or no sync of every write."""


def find_server() -> Path:
    """Return the nats-server to use: the environment's own, else the first on PATH.

    Raises
    ------
    BusServerError
        If there is none, or the one found is older than `MINIMUM_VERSION`.
    """
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        raise BusServerError("no nats-server in this environment or on PATH: run `make set-up`")
    check_version(server_version(Path(found)), found)
    return Path(found)


def server_version(binary: Path) -> str:
    """Return what ``nats-server --version`` says, without the leading ``v``."""
    done = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False, timeout=10)
    match = re.search(r"v?(\d+\.\d+\.\d+\S*)", done.stdout)
    if done.returncode or match is None:
        raise BusServerError(f"{binary} does not state its version, was {done.stdout + done.stderr!r}")
    return match.group(1)


def check_version(version: str, where: str) -> None:
    """Raise `BusServerError` if the version is below `MINIMUM_VERSION`."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if numbers < MINIMUM_VERSION:
        least = ".".join(map(str, MINIMUM_VERSION))
        raise BusServerError(f"nats-server of {where} must be at least {least}, was {version}")
