"""Get a nats-server that keeps what the bus promises: one on PATH, else Debian's newest into ``.venv/bin``.

Run as ``.venv/bin/python -m setup.nats_server``. Debian's unstable suite carries a current nats-server that
also runs on stable; it is unpacked, not installed, so neither root nor a change of the system is needed.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from market.adapters.embedded_nats import EmbeddedNats
from market.adapters.nats_binary import MINIMUM_VERSION, check_version, server_version
from setup.debian import DebianError, fetch
from takt_sdk.errors import BusError

BIN = Path(sys.executable).parent
RECORD = BIN.parent / "nats-server.version"


def main() -> None:
    """Find or fetch a nats-server, probe it, and record which one it is."""
    binary = BIN / "nats-server"
    rejected = [problem for path in _candidates() if (problem := probe(path))]
    if len(rejected) < len(_candidates()):
        return
    for problem in rejected:
        print(f"[set-up] not usable: {problem}", flush=True)
    print("[set-up] fetching nats-server with apt from Debian's unstable suite", flush=True)
    with tempfile.TemporaryDirectory(prefix="takt-nats-") as folder:
        try:
            package = fetch("nats-server", Path(folder), suite="unstable")
        except DebianError as error:
            raise SystemExit(_advice(str(error))) from error
        (unpacked,) = Path(folder).glob("usr/*bin/nats-server")
        draft = binary.with_suffix(".new")
        shutil.copy2(unpacked, draft)
        draft.replace(binary)
    if problem := probe(binary):
        binary.unlink()
        raise SystemExit(_advice(problem))
    RECORD.write_text(f"nats-server {server_version(binary)} (Debian package {package})\n")
    print(f"[set-up] {RECORD.read_text().strip()}", flush=True)


def _candidates() -> list[Path]:
    found = (shutil.which("nats-server", path=str(BIN)), shutil.which("nats-server"))
    return [Path(path) for path in dict.fromkeys(found) if path]


def probe(binary: Path) -> str:
    """Return why this server cannot be used; empty if it can.

    It must start on a free port with the configuration that the market uses (operator JWTs, JetStream,
    a sync of every write) and say so itself.
    """
    with tempfile.TemporaryDirectory(prefix="takt-probe-") as folder:
        try:
            check_version(server_version(binary), str(binary))
            asyncio.run(_start_and_stop(binary, Path(folder)))
        except BusError as error:
            return f"{binary}: {error}"
    return ""


async def _start_and_stop(binary: Path, folder: Path) -> None:
    async with EmbeddedNats(folder, "probe", binary=binary):
        pass


def _advice(reason: str) -> str:
    least = ".".join(map(str, MINIMUM_VERSION))
    return (
        f"Takt needs nats-server {least} or newer and could not fetch one: {reason}\n"
        "Put a nats-server on PATH (your distribution's package, or the release binary that the NATS\n"
        "project publishes for your machine), check it with `nats-server --version`, and run make again."
    )


if __name__ == "__main__":
    main()
