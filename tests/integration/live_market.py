"""``takt up`` as its users start it: a process of its own on a folder, read by what it prints."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from agents.profile_file import format_profile
from scenarios.population import build
from scenarios.scenario import load_scenario

TAKT = str(Path(sys.executable).parent / "takt")
SMOKE = Path(__file__).parents[2] / "scenarios" / "library" / "smoke"
CUSTOMER = "calais-devices"
READY = "Ctrl-C stops."
START_S = 60.0
STOP_S = 60.0
DAY_S = 86_400


def wait_for(condition: Callable[[], bool], what: str, seconds: float = START_S) -> None:
    """Wait until a condition holds.

    Raises
    ------
    TimeoutError
        If it does not in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


@dataclass(kw_only=True)
class Program:
    """A process of ours, with what it has printed so far in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def printed(self) -> str:
        """Return everything printed so far."""
        return self.log.read_text(errors="replace")

    def said(self, pattern: str) -> str:
        """Return the first group of a pattern in what was printed."""
        found = re.search(pattern, self.printed())
        assert found is not None, self.printed()
        return found.group(1)

    def family(self) -> list[psutil.Process]:
        """Return the process and all of its descendants."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def wait_until_printed(self, text: str) -> None:
        """Wait until a text was printed."""
        wait_for(lambda: text in self.printed() or self.process.poll() is not None, text)
        assert text in self.printed(), self.printed()

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and return the exit code; SIGINT goes to all of its group, as Ctrl-C does."""
        if number is signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(STOP_S)


@contextlib.contextmanager
def program(arguments: Sequence[str], log: Path) -> Iterator[Program]:
    """Run ``takt`` with arguments until the block is left."""
    out: IO[bytes]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [TAKT, *arguments], stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield Program(process=process, log=log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(STOP_S)


@dataclass(kw_only=True)
class Market(Program):
    """A running ``takt up``."""

    folder: Path

    @property
    def http_url(self) -> str:
        """Where its gateway is."""
        return self.said(r"page +(http://\S+)/")

    @property
    def nats_url(self) -> str:
        """Where its nats-server is."""
        return self.said(r"nats +(nats://\S+)")

    @property
    def key(self) -> str:
        """The customer's key that it printed."""
        return self.said(rf"customer {CUSTOMER}, key (\w+)")

    def customer(self) -> httpx.Client:
        """Return a client that holds the customer's key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.http_url, headers=headers, timeout=20.0)


@contextlib.contextmanager
def market(folder: Path, *options: str) -> Iterator[Market]:
    """Run ``takt up`` on a folder until the block is left; yields once it is ready."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["up", "--data", str(folder), "--scenario", str(SMOKE), *options]
    log = folder / "up.log"
    with program(arguments, log) as running:
        running.wait_until_printed(READY)
        yield Market(process=running.process, log=log, folder=folder)


def takt(*arguments: str, timeout_s: float = START_S) -> subprocess.CompletedProcess[str]:
    """Run a ``takt`` command to its end."""
    return subprocess.run([TAKT, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)


def verified(journal: Path) -> str:
    """Return what `takt verify` says of a journal that is right."""
    done = takt("verify", str(journal))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def killed(live: Market) -> None:
    """End a market and all that it started as a power cut would."""
    os.killpg(live.process.pid, signal.SIGKILL)
    live.process.wait(STOP_S)


def written_profiles(folder: Path) -> dict[str, Path]:
    """Write the profiles of the smoke scenario's companies, each to a file of its own."""
    found = {}
    for profile in build(load_scenario(SMOKE)).profiles:
        found[profile.participant] = folder / f"{profile.participant}.toml"
        found[profile.participant].write_text(format_profile(profile))
    return found


def admitted(live: Market, profile: Path, role: str) -> Path:
    """Admit a company by its profile's file; return its new credentials."""
    name, creds = profile.stem, profile.with_suffix(".creds")
    options = ("--role", role, "--profile", str(profile), "--out", str(creds), "--data", str(live.folder))
    added = takt("partner", "add", name, *options)
    assert added.returncode == 0, added.stderr
    assert f"admitted {name} ({role})" in added.stdout
    assert creds.stat().st_mode & 0o077 == 0
    return creds


def join_of(live: Market, profile: Path, creds: Path) -> tuple[str, ...]:
    """Return the arguments with which a company joins."""
    return ("join", str(profile), "--creds", str(creds), "--nats-url", live.nats_url)


def plates(quantity: int = 5) -> dict[str, Any]:
    """Return an order of plates that the smoke scenario's companies can make."""

    def instant(days: int) -> str:
        return time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + days * DAY_S))

    return {
        "part_id": "plate",
        "quantity": quantity,
        "destination": "calais",
        "release": instant(1),
        "due": instant(35),
        "reservation_value_minor": 500_000,
    }


def submit(client: httpx.Client, key: str, body: dict[str, Any]) -> httpx.Response:
    """POST an order under an idempotency key."""
    return client.post("/v1/orders", json=body, headers={"Idempotency-Key": key})


def orders(client: httpx.Client) -> list[dict[str, Any]]:
    """Return the customer's orders."""
    answer = client.get("/v1/orders")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["orders"]
    return found


def wait_for_state(client: httpx.Client, order_id: str, states: set[str]) -> dict[str, Any]:
    """Return an order once it is in one of some states."""
    seen: dict[str, Any] = {}

    def reached() -> bool:
        seen.update(client.get(f"/v1/orders/{order_id}").json())
        return seen["state"] in states

    wait_for(reached, f"order {order_id} in {sorted(states)}")
    return seen


def left_of(family: Sequence[psutil.Process], seconds: float) -> list[str]:
    """Return the names of those processes that still run after some seconds at most."""
    end = time.monotonic() + seconds
    left = list(family)
    while left and time.monotonic() < end:
        left = [one for one in left if _runs(one)]
        time.sleep(0.05)
    return [one.name() for one in left]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
