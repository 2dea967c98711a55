"""A nats-server of the market's own: own port, own store, authentication on, every write synced.

It listens on loopback unless told otherwise.

The server lives as long as its `EmbeddedNats`: it is stopped on exit, and a watchdog stops it when this
process dies without a word. Supervising it (calling `restart` when `alive` says no) is the host's task.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import nats.errors
from nats.aio.client import Client

from market.adapters.addresses import LOOPBACK, local_host, public_host
from market.adapters.nats_binary import check_version, find_server
from market.adapters.nats_claims import ClaimsFolder
from market.adapters.nats_identity import MarketKeys, ServerIdentity
from market.adapters.nats_issuer import Issuer
from market.bus_errors import BusServerError, CredentialsError
from takt_sdk.nats.connection import close, connect
from takt_sdk.nats.creds import claims_of
from takt_sdk.nats.subjects import MAX_PAYLOAD_BYTES, market_id
from takt_sdk.nats.tls import pinned
from takt_sdk.ports import Entropy
from takt_sdk.wall_clock import OsEntropy

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 10.0
_WATCHDOG = 'read -r _; kill -KILL "$1" 2>/dev/null'

_CONFIG = """\
# Written by Takt at every start.
server_name: {name}
host: {host}
port: {port}
{tls}pid_file: {pid_file}
ports_file_dir: {ports_folder}
log_file: {log_file}
logfile_size_limit: 16MB
max_payload: {max_payload}
max_connections: {max_connections}
max_control_line: 4KB
write_deadline: "5s"
ping_interval: "10s"
lame_duck_duration: "30s"
jetstream {{
    store_dir: {store}
    sync_interval: always
}}
operator: {operator}
system_account: {system}
resolver {{
    type: full
    dir: {accounts}
    allow_delete: false
    timeout: "200ms"
}}
resolver_preload {{
    {account}: {account_jwt}
    {system}: {system_jwt}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """Where the server listens. With a certificate every connection is TLS; ``port`` 0 takes a free one."""

    host: str = LOOPBACK
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None


class EmbeddedNats:
    """One nats-server process with its folder, keys and port.

    ``folder`` gets ``keys/`` (0600), ``claims/``, ``users/``, ``accounts/``, ``store/``,
    ``nats-server.conf`` and ``nats-server.log``. Where ``keys/`` were exported, ``identity/`` stands for
    them, and participants' credentials come from elsewhere. The port stays the same over restarts. Use as
    an asynchronous context manager.

    Attributes
    ----------
    url
        Where clients of this machine connect.
    name
        The server's name, unguessable and kept in the folder: clients check it before they write.
    keys
        The market's keys, from which credentials are issued; None where they are kept elsewhere.
    """

    def __init__(
        self,
        folder: Path,
        market: str,
        *,
        binary: Path | None = None,
        entropy: Entropy | None = None,
        max_connections: int = 4096,
        listen: ListenAddress | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.market = market_id(market)
        self.keys: MarketKeys | None = None
        if (exported := self.folder / "identity").exists():
            self.identity = ServerIdentity.load(exported)
        else:
            self.keys = MarketKeys.load_or_create(self.folder / "keys", entropy)
            self.identity = ServerIdentity.of(self.keys, market)
        self.name = self._kept_name(entropy or OsEntropy())
        self.log_file = self.folder / "nats-server.log"
        self._accounts = self.folder / "accounts"
        self._accounts.mkdir(exist_ok=True)
        self._claims = ClaimsFolder(self.folder / "claims")
        self._binary = binary
        self._max_connections = max_connections
        self._listen = listen or ListenAddress()
        self._port = self._listen.port or -1
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def url(self) -> str:
        """Where clients connect; only after the first start."""
        if self._port < 0:
            raise BusServerError("the embedded nats-server has not been started")
        return f"{self.scheme}://{local_host(self._listen.host)}:{self._port}"

    @property
    def public_url(self) -> str:
        """Where clients of other machines connect, as far as this one can say."""
        host = public_host(self._listen.host)
        return f"{self.scheme}://{host}:{self.url.rpartition(':')[2]}"

    @property
    def scheme(self) -> str:
        """``tls`` or ``nats``."""
        return "nats" if self._listen.tls_cert is None else "tls"

    def tls(self) -> ssl.SSLContext | None:
        """Return what this market's own clients trust: exactly the certificate of its server."""
        return None if self._listen.tls_cert is None else pinned(self._listen.tls_cert)

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise BusServerError("the embedded nats-server is not running")
        return self._process.pid

    def alive(self) -> bool:
        """Return whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def market_creds(self) -> str:
        """Return credentials of the market itself."""
        return self.identity.market_creds

    def participant_creds(self, participant: str, *, expires_us: int | None = None) -> str:
        """Return a participant's new credentials as the text of a ``.creds`` file; the server knows them.

        Raises
        ------
        CredentialsError
            If the keys are not on this machine.
        """
        return self.issuer().issue(participant, expires_us=expires_us)

    def issuer(self) -> Issuer:
        """Return what issues credentials of this market; raises `CredentialsError` without keys."""
        if self.keys is None:
            raise CredentialsError("keys", str(self.folder / "keys"), "the market's keys are kept elsewhere")
        return Issuer(self.keys, self.market, self.folder)

    async def take_claims(self) -> None:
        """Give the server every claim in ``claims/`` that changed since it was last looked at."""
        await self._claims.hand_over(partial(self._as_system, "takt-claims"))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and check that it is ours and keeps what the bus promises; idempotent.

        Raises
        ------
        BusServerError
            If it does not come up (the message ends with its log), or does not sync every write.
        """
        if self.alive():
            return
        await self._take_lock()
        self._reap()
        config = self._write_config()
        if self._binary is None:
            self._binary = await asyncio.to_thread(find_server)
        for claim in self._claims.folder.glob("*.jwt"):  # what came while no server ran
            shutil.copy(claim, self._accounts)
        self._spawn(self._binary, config)
        try:
            self._port = await self._listening_port()
            await self._check()
        except BaseException:
            await self.stop()
            raise

    def _kept_name(self, entropy: Entropy) -> str:
        """Return the name that partners may insist on: the same after every restart of the market."""
        file = self.folder / "server-name"
        if not file.exists() or not file.read_text(encoding="utf-8").strip():  # empty: the power went
            part = file.with_suffix(".new")
            part.write_text(f"takt-{self.market}-{entropy.token(12).hex()}\n", encoding="utf-8")
            part.replace(file)
        return file.read_text(encoding="utf-8").strip()

    def _spawn(self, binary: Path, config: Path) -> None:
        """Start the server, and the watchdog that ends it when this process no longer holds its pipe."""
        assert self._lock is not None
        # The lock is inherited: the store stays locked while either process lives.
        self._process = subprocess.Popen(
            [str(binary), "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self._lock,),
        )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "takt-watchdog", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def stop(self) -> None:
        """Stop the server and wait for its end; idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self._process.wait, _STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def restart(self) -> None:
        """Start the server again on the same port and store, whatever became of it."""
        await self.stop()
        await self.start()

    def _reap(self) -> None:
        """Collect what ended, the watchdog first: it must not outlive the process id it guards."""
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    async def _take_lock(self) -> None:
        """Lock the folder, waiting for a server that a killed process left to its watchdog."""
        if self._lock is not None:
            return
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                while not _try_lock(descriptor):  # noqa: ASYNC110  (another process lets it go)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            os.close(descriptor)
            raise BusServerError(f"another market uses the folder {self.folder}") from None
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def _write_config(self) -> Path:
        ports = self.folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        config = self.folder / "nats-server.conf"
        text = _CONFIG.format(
            name=self.name,
            host=json.dumps(self._listen.host),
            port=self._port,
            tls=_tls(self._listen),
            pid_file=json.dumps(str(self.folder / "nats-server.pid")),
            ports_folder=json.dumps(str(ports)),
            log_file=json.dumps(str(self.log_file)),
            accounts=json.dumps(str(self._accounts)),
            store=json.dumps(str(self.folder / "store")),
            max_payload=MAX_PAYLOAD_BYTES,
            max_connections=self._max_connections,
            operator=self.identity.operator_jwt,
            account=claims_of(self.identity.account_jwt)["sub"],
            account_jwt=self.identity.account_jwt,
            system=claims_of(self.identity.system_jwt)["sub"],
            system_jwt=self.identity.system_jwt,
        )
        config.write_text(text)
        return config

    async def _listening_port(self) -> int:
        """Wait until the server states its port."""
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while self.alive():
                    for file in (self.folder / "ports").glob("*.ports"):
                        if urls := _ports(file).get("nats"):
                            return int(str(urls[0]).rpartition(":")[2])
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        raise BusServerError(f"nats-server did not start; the end of its log: {self._end_of_log()}")

    def _end_of_log(self) -> str:
        if not self.log_file.exists():
            return "(no log)"
        return self.log_file.read_text(errors="replace")[-1500:]

    async def _check(self) -> None:
        """Ask the server, as its system account, who it is and whether it syncs every write."""
        client = await self._as_system("takt-check")
        try:
            answer = await client.request("$SYS.REQ.SERVER.PING.VARZ", b"{}", timeout=5)
        except nats.errors.Error as error:
            raise BusServerError("nats-server does not answer its system account") from error
        finally:
            await close(client)
        status = json.loads(answer.data)["data"]
        check_version(str(status["version"]), self.url)
        if not status.get("jetstream", {}).get("config", {}).get("sync_always"):
            raise BusServerError("nats-server must sync every write before it acknowledges, and does not")

    async def _as_system(self, client_name: str) -> Client:
        return await connect(
            self.url,
            self.identity.system_creds,
            client_name=client_name,
            server_name=self.name,
            tls=self.tls(),
        )


def _tls(listen: ListenAddress) -> str:
    if listen.tls_cert is None:
        return ""
    cert, key = (json.dumps(str(file)) for file in (listen.tls_cert, listen.tls_key or listen.tls_cert))
    return f"tls {{\n    cert_file: {cert}\n    key_file: {key}\n    handshake_first: auto\n}}\n"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ports(file: Path) -> Mapping[str, list[str]]:
    """Return the listeners in a ports file; none while the server is still writing it."""
    try:
        content: dict[str, list[str]] = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    return content
