"""A private PostgreSQL server for one test session: own data, own socket, password, no TCP."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

USER = "takt"
PASSWORD = "only-in-tests"
START_TIMEOUT_S = 60
MEMORY = Path("/dev/shm")  # noqa: S108 - where an fsync is free; the folder itself is private


def programs() -> Path | None:
    """Return the folder of initdb and postgres, where Debian hides it too; None if there is none."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates.extend(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    return next((folder for folder in candidates if (folder / "postgres").exists()), None)


class PostgresqlServer:
    """A server that tests may stop as roughly as they like."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(
            tempfile.mkdtemp(prefix="takt-postgresql-", dir=MEMORY if MEMORY.is_dir() else None)
        )
        self._data = self._folder / "data"
        self._user: str | None = None
        if os.geteuid() == 0:  # the server refuses to run as root
            self._user = pwd.getpwnam("nobody").pw_name
            shutil.chown(self._folder, self._user)
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}",
                  "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D", str(self._data))  # fmt: skip
        secret.unlink()

    @property
    def url(self) -> str:
        """Return the URL of its one database."""
        return f"postgresql+psycopg://{USER}:{PASSWORD}@/postgres?host={self._folder}"

    @property
    def conninfo(self) -> str:
        """Return the same as libpq wants it."""
        return f"host={self._folder} user={USER} password={PASSWORD} dbname=postgres"

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        settings = ("listen_addresses=", f"unix_socket_directories={self._folder}", *options)
        given = " ".join(f"-c {setting}" for setting in settings)
        self._run("pg_ctl", "start", "--wait", f"--timeout={START_TIMEOUT_S}", "-D", str(self._data),
                  "-l", str(self._folder / "log"), "-o", given)  # fmt: skip

    def kill(self) -> None:
        """Stop it without a checkpoint, as a crash does."""
        self._run("pg_ctl", "stop", "--mode=immediate", "--wait", "-D", str(self._data))

    def discard(self) -> None:
        """Stop it if it runs, and remove what it kept."""
        lock = self._data / "postmaster.pid"
        if lock.exists():
            self.kill()
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = (str(self._binaries / program), *arguments)
        subprocess.run(
            command,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=2 * START_TIMEOUT_S,
            check=True,
        )


def available() -> Path:
    """Return the server's programs or skip the test with the reason."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server is installed (initdb and postgres on PATH)")
    pytest.importorskip("psycopg", reason="the extra takt[postgresql] is not installed")
    return folder
