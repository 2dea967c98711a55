"""The generated files under ``docs/``: their names, their content, how to write them.

A worked message is a file of its exact bytes; ``index.json`` says who sent it, when, and what it shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from market.protocol import asyncapi
from market.protocol.channels import subject_of
from market.protocol.exchange import Said, play, same
from market.protocol.page import refreshed
from market.protocol.schema import message_schema
from market.protocol.script import MARKET, Pass, Send, Step, market_signer, script, seed_of
from takt_sdk.signing import Signer

FOLDER = Path("protocol")
EXAMPLES = FOLDER / "examples"
PAGE = Path("protocol.md")


async def write(docs: Path) -> None:
    """Write every generated file under ``docs``, and remove examples that are no more."""
    files = await generated(docs)
    (docs / EXAMPLES).mkdir(parents=True, exist_ok=True)
    for old in (docs / EXAMPLES).iterdir():
        if old.relative_to(docs) not in files:
            old.unlink()
    for path, data in files.items():
        (docs / path).write_bytes(data)


async def generated(docs: Path) -> Mapping[Path, bytes]:
    """Return what the files under ``docs`` must hold, by path.

    The page keeps its hand-written part. Where nothing was said differently, receipts keep the hashes they
    were written with: those change with whatever else the market writes into its journal.
    """
    steps = script()
    said = await play(steps)
    names = _names(said)
    before = [_read(docs / EXAMPLES / name) for name in names]
    if all(same(one.data, data) for one, data in zip(said, before, strict=True)):
        said = [replace(one, data=data) for one, data in zip(said, before, strict=True)]
    files = {EXAMPLES / name: one.data for name, one in zip(names, said, strict=True)}
    files[EXAMPLES / "index.json"] = _pretty(_index(steps, said, names))
    files[FOLDER / "messages.schema.json"] = _pretty(message_schema())
    files[FOLDER / "asyncapi.json"] = _pretty(asyncapi.document())
    files[PAGE] = refreshed((docs / PAGE).read_text(), said).encode()
    return files


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _pretty(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _names(said: Sequence[Said]) -> list[str]:
    return [f"{number:02d}-{one.sender}-{_word(one)}.json" for number, one in enumerate(said, 1)]


def _word(said: Said) -> str:
    """Return the kind of a message in one word for its file's name."""
    try:
        message = json.loads(said.data)
    except ValueError:
        return "broken"
    kind: str = message.get("kind") or message["body"]["kind"]
    return kind.split(".")[1].replace("_", "-")


def _index(steps: Sequence[Step], said: Sequence[Said], names: Sequence[str]) -> dict[str, object]:
    """Return the order of things: each step, what was sent in it, its reply, what it put into mailboxes."""
    waiting = list(zip(said, names, strict=True))
    entries = []
    for step in steps:
        entry: dict[str, object] = {"title": step.title, "at_us": step.at_us}
        if isinstance(step, Send):
            entry["from"] = step.participant
            entry["subject"] = address(step.channel, step.participant)
            entry["message"] = waiting.pop(0)[1]
            if step.channel != "heartbeat":
                signer = Signer(seed_of(step.participant))
                entry["headers"] = dict(signer.headers(MARKET, step.channel, step.participant, step.data))
                entry["reply"] = waiting.pop(0)[1]
        told = []
        while waiting and waiting[0][0].channel in {"cfp", "notice"} and waiting[0][0].title == step.title:
            one, name = waiting.pop(0)
            told.append({"subject": address(one.channel, one.receiver), "message": name})
        if told:
            entry["mailboxes"] = told
        entries.append(entry)
    assert not waiting, waiting
    seeds = {name: seed_of(name) for name in ("acme", "buyer", "forge")}
    keys = {name: {"key": Signer(seed).key, "seed": seed} for name, seed in seeds.items()}
    return {"market": MARKET, "market_key": market_signer().key, "keys": keys, "steps": entries}


def address(channel: str, participant: str) -> str:
    """Return the subject of a channel in the worked exchange."""
    return subject_of(channel).replace("{market}", MARKET).replace("{participant}", participant)


def read_examples(folder: Path) -> tuple[list[Step], list[bytes]]:
    """Return the steps that the files of a folder tell, and every message that was said, in order."""
    steps: list[Step] = []
    said: list[bytes] = []
    for entry in json.loads((folder / "index.json").read_bytes())["steps"]:
        if "message" not in entry:
            steps.append(Pass(title=entry["title"], at_us=entry["at_us"]))
        else:
            data = (folder / entry["message"]).read_bytes()
            channel = entry["subject"].split(".")[3]
            steps.append(
                Send(
                    title=entry["title"],
                    at_us=entry["at_us"],
                    participant=entry["from"],
                    channel=channel,
                    data=data,
                )
            )
            said.append(data)
        if "reply" in entry:
            said.append((folder / entry["reply"]).read_bytes())
        said += [(folder / told["message"]).read_bytes() for told in entry.get("mailboxes", ())]
    return steps, said
