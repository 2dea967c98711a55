"""The folder of a market: everything that lasts, and ``market.json``.

Journal, keys and the server's store stay; ``market.json`` tells this machine's other commands where the
running market is. Starts nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from market.adapters.addresses import LOOPBACK
from market.adapters.nats_identity import write_secret
from takt_sdk.signing import Signer, account_seed, user_seed
from takt_sdk.wall_clock import OsEntropy

KEY_BYTES = 32

FOLDER = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("runs/market"),
    show_default=True,
    help="Folder of the running market.",
)
"""The option of every command that works on a market of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a running market is; the content of ``market.json``.

    The URLs are for this machine; ``tls_cert`` is the certificate that both show, if any.
    """

    market: str
    http_url: str
    nats_url: str
    pid: int
    server_name: str = ""
    tls_cert: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a market listens; 0 takes a free one."""

    http: int = 0
    nats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """On which addresses a market listens, and the certificate that it shows there, if any."""

    http_host: str = LOOPBACK
    nats_host: str = LOOPBACK
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, slots=True)
class MarketFolder:
    """The files of one market."""

    path: Path

    @property
    def journal(self) -> Path:
        """The SQLite journal."""
        return self.path / "journal.db"

    @property
    def nats(self) -> Path:
        """Keys, store and log of the embedded nats-server."""
        return self.path / "nats"

    @property
    def escrow(self) -> Path:
        """Keys of sealed rounds: the escrow's, whom nothing of the market reads but its process."""
        return self.path / "escrow"

    @property
    def address(self) -> Path:
        """``market.json``, there while the market runs."""
        return self.path / "market.json"

    def read_ports(self) -> Ports:
        """Return the ports that the market of this folder last had; 0 where it had none."""
        try:
            return Ports(**json.loads((self.path / "ports.json").read_text()))
        except FileNotFoundError:
            return Ports()

    def write_ports(self, ports: Ports) -> None:
        """Keep the ports, so that partners and customers find the market again after a restart."""
        (self.path / "ports.json").write_text(json.dumps(asdict(ports)) + "\n")

    def secret(self, name: str) -> str:
        """Return a secret of this market (hex), made on first use and kept with mode 0600."""
        file = self.path / "keys" / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_secret(file, OsEntropy().token(KEY_BYTES).hex())
        return file.read_text().strip()

    def market_signer(self) -> Signer:
        """Return the signer of this market's tree heads; its key is made on first use."""
        return Signer(account_seed(bytes.fromhex(self.secret("market-key"))))

    def company_seed(self, participant: str) -> str:
        """Return the nkey seed of a company that this market hosts, made on first use."""
        return user_seed(bytes.fromhex(self.secret(f"company-{participant}")))

    def read_address(self) -> Address | None:
        """Return where the market of this folder runs, or None."""
        try:
            address = Address(**json.loads(self.address.read_text()))
        except FileNotFoundError:
            return None
        return address if _runs(address.pid) else None  # another program may listen there by now


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as somebody else
        return True
    return True


def key_digest(key: str) -> str:
    """Return what the market keeps of an API key: its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()


def journal_at(given: str) -> str:
    """Return the journal that a command's JOURNAL means: a URL, a file, or the one in a market's folder.

    Raises
    ------
    click.BadParameter
        If there is none.
    """
    path = Path(given)
    if "://" in given or path.is_file():
        return given
    if not path.exists():
        raise click.BadParameter(f"Path {given!r} does not exist.", param_hint="'JOURNAL'")
    if not (journal := MarketFolder(path).journal).is_file():
        raise click.BadParameter(f"{given!r} is a folder without a {journal.name}.", param_hint="'JOURNAL'")
    return str(journal)
