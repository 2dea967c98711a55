"""The whole log, page by page, for the auditors whom the rules name. Reads the journal; decides nothing.

A page ends wherever it is full; the heads of the commits that end on it let its reader check what came
so far. Who may ask is decided here, and everybody else is answered alike.
"""

from __future__ import annotations

from base64 import b64encode

from market.engine.decision import Refusal
from market.engine.state import State
from market.ports import Journal, Stored, TreeHead
from takt_sdk.codec import encode
from takt_sdk.model.proof import CommitHead, LogEntry, LogReply, QueryLog
from takt_sdk.signing import to_text

PAGE_BYTES = 512 * 1024
"""Bytes of entries in one reply; a larger entry comes in parts of this size."""

_PAGE_ENTRIES = 1_000


def not_an_auditor(state: State, participant: str) -> Refusal | None:
    """Return why a participant may not read the log; None for an auditor whom the rules name."""
    record = state.participants.get(participant)
    if (
        record is not None
        and participant in state.rules.auditors
        and "auditor" in record.admission.roles
        and not record.suspended
        and not record.revoked
    ):
        return None
    detail = "the whole log is for the auditors whom the rules name"
    return Refusal(code="not_allowed", detail=detail, field="body.kind", value="takt.query_log.v1")


def log_page(journal: Journal, participant: str, query: QueryLog) -> LogReply:
    """Return what follows in the log from a position on."""
    head = journal.head()
    entries: list[LogEntry] = []
    part, part_of, room = b"", 0, PAGE_BYTES
    stop = min(head.size, query.start + _PAGE_ENTRIES)
    for stored in journal.read(query.start, stop) if query.start < stop else ():
        entry = _entry(stored)
        data = encode(entry)
        if entries and len(data) > room:
            break
        if len(data) > PAGE_BYTES or query.offset:
            part, part_of = data[query.offset :][:PAGE_BYTES], len(data)
            break
        entries.append(entry)
        room -= len(data)
    whole = part_of and query.offset + len(part) == part_of
    end = query.start + (1 if whole else len(entries))
    heads = [_head(one) for one in journal.heads(query.start, end)] if query.start < end else []
    if not entries and not part_of:
        heads = [_head(head)]
    return LogReply(
        participant=participant,
        size=head.size,
        start=query.start,
        offset=query.offset,
        entries=tuple(entries),
        part=b64encode(part).decode(),
        part_of=part_of,
        heads=tuple(heads),
    )


def _entry(stored: Stored) -> LogEntry:
    entry = stored.entry
    return LogEntry(
        now_us=entry.now_us,
        source=entry.source,
        message=entry.message.decode(),
        events=entry.events.decode(),
        engine_version=entry.engine_version,
        rules_version=entry.rules_version,
        key=entry.key,
        signature=to_text(entry.signature),
        salt=stored.salt.hex(),
    )


def _head(head: TreeHead) -> CommitHead:
    return CommitHead(
        size=head.size, root=head.root.hex(), at_us=head.at_us, signature=to_text(head.signature)
    )
