"""``takt-join``: a partner's own pricing as a process, its own key, and what its outbox holds.

For partners who have ``takt-sdk`` and nothing else of the project.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from takt_sdk.errors import TaktError
from takt_sdk.mail import RefusedError
from takt_sdk.nats.credentials import CredentialsFile, CredentialsFileError
from takt_sdk.outbox import Outbox
from takt_sdk.signing import Signer, user_seed
from takt_sdk.simple import run
from takt_sdk.wall_clock import OsEntropy


def main() -> None:
    """Run one of the commands; wrong input ends with what is wrong and exit code 1."""
    parser = argparse.ArgumentParser(prog="takt-join", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    join = commands.add_parser("run", help="run the pricing in a Python file: price(call, lot) and CAPACITY")
    join.add_argument("pricing", type=Path)
    join.add_argument("--creds", type=Path, required=True)
    join.add_argument("--seed", type=Path, help="your own key, where the .creds file holds a JWT only")
    join.add_argument("--nats-url", required=True)
    join.add_argument("--server-name", help="refuse a server of another name")
    join.add_argument("--tls-ca", type=Path, help="the only authority to trust (PEM)")
    join.add_argument("--outbox", type=Path, help="default: NAME.outbox.db beside the .creds file")
    key = commands.add_parser(
        "key", help="make a key of your own: its seed into FILE, the public half printed"
    )
    key.add_argument("file", type=Path)
    receipts = commands.add_parser("receipts", help="write an outbox's receipts to FOLDER, for `takt verify`")
    receipts.add_argument("outbox", type=Path)
    receipts.add_argument("folder", type=Path)
    receipts.add_argument("--creds", type=Path, required=True)
    sent = commands.add_parser("sent", help="print what an outbox holds, a JSON document a line")
    sent.add_argument("outbox", type=Path)
    sent.add_argument("--creds", type=Path, required=True)
    given = parser.parse_args()
    try:
        {"run": _run, "key": _key, "sent": _sent, "receipts": _receipts}[given.command](given)
    except (TaktError, RefusedError, CredentialsFileError, OSError, TypeError, ValueError) as error:
        sys.exit(f"takt-join: {error}")


def _run(given: argparse.Namespace) -> None:
    module = _load(given.pricing)
    for name in ("price", "CAPACITY"):
        if not hasattr(module, name):
            raise ValueError(f"{given.pricing} must define {name}")
    if not callable(module.price):
        raise TypeError(f"{given.pricing}: price must be a function (call, lot); was {module.price!r}")
    run(
        module.price,
        creds=given.creds,
        seed=given.seed,
        nats_url=given.nats_url,
        server_name=given.server_name,
        tls_ca=given.tls_ca,
        outbox=given.outbox,
        capacity=module.CAPACITY,
        offer=getattr(module, "OFFER", None),
    )


def _load(path: Path) -> ModuleType:
    """Run a pricing file; what is wrong in it is named with its line, without this program's own stack."""
    if not path.is_file():
        raise ValueError(f"PRICING must be a Python file; there is no {str(path)!r}")
    spec = importlib.util.spec_from_file_location("pricing", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"PRICING must be a Python file, its name ending in .py; was {str(path)!r}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if Path(frame.filename) == path), None)
        at = "" if line is None else f", line {line}"
        raise ValueError(f"{path}{at}: {type(error).__name__}: {error}") from error
    return module


def _key(given: argparse.Namespace) -> None:
    seed = user_seed(OsEntropy().token(32))
    descriptor = os.open(given.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{seed}\n")
    print(Signer(seed).key)  # noqa: T201 - what the command is for


def _outbox(given: argparse.Namespace) -> Outbox:
    credentials = CredentialsFile(given.creds)
    return Outbox(given.outbox, f"{credentials.market}.{credentials.participant}")


def _receipts(given: argparse.Namespace) -> None:
    given.folder.mkdir(parents=True, exist_ok=True)
    for evidence in _outbox(given).receipts():
        position = json.loads(evidence)["receipt"]["position"]
        (given.folder / f"receipt-{position}.json").write_bytes(evidence)


def _sent(given: argparse.Namespace) -> None:
    for one in _outbox(given):
        reply = json.loads(one.reply) if one.reply else None
        line = {"message_id": one.message_id, "channel": one.channel, "stored_us": one.stored_us}
        print(json.dumps({**line, "reply": reply, "body": one.body.decode()}))  # noqa: T201


if __name__ == "__main__":
    main()
