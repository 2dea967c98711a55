"""A file system of a few megabytes, to be filled."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Mount a tmpfs below ``place`` and take it away again; skip the test where nobody may mount."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root on Linux")
    disk = place / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine lets nobody mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=120)


def fill(ballast: Path) -> None:
    """Write to a file until there is no space left."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4_096)
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - how the loop ends
