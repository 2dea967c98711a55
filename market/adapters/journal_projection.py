"""What a SQL journal writes beside its entries, in their transaction: read models and outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Insert, Table, bindparam, delete, select

from market.adapters.journal_schema import OUTBOX, READ_MODEL_TABLES
from market.journal_errors import JournalConflictError
from market.ports import Decided, ReadModel, RowChange

Place: TypeAlias = tuple[ReadModel, str]


class Projection:
    """Writes rows and messages with as few statements as their order allows."""

    def __init__(
        self,
        *,
        location: str,
        upsert: Callable[[Table], Insert],
        insert_new: Callable[[Table], Insert],
        write: Callable[[Connection, Insert, Sequence[Mapping[str, Any]]], int],
    ) -> None:
        self._location = location
        self._write = write
        self._upserts = {model: upsert(table) for model, table in READ_MODEL_TABLES.items()}
        self._deletes = {
            model: delete(table).where(
                table.c.key == bindparam("old_key"),
                table.c.tenant == bindparam("old_tenant"),
            )
            for model, table in READ_MODEL_TABLES.items()
        }
        self._insert_message = insert_new(OUTBOX)

    def write_rows(self, connection: Connection, changes: Sequence[RowChange]) -> None:
        """Write and delete rows with the effect of doing it one by one, in order.

        Raises
        ------
        JournalConflictError
            If a key belongs to another tenant.
        """
        pending: dict[Place, RowChange] = {}
        for change in changes:
            place = (change.model, change.key)
            earlier = pending.get(place)
            if earlier is not None and not _supersedes(change, earlier):
                self._write_distinct(connection, pending)
                pending = {}
            pending[place] = change
        self._write_distinct(connection, pending)

    def write_outbox(self, connection: Connection, batch: Sequence[Decided], *, first: int) -> None:
        """Add the messages of a batch whose first entry has position ``first``.

        Raises
        ------
        JournalConflictError
            If an id was given to an earlier message.
        """
        messages = [
            {
                "message_id": message.message_id,
                "position": position,
                "channel": message.channel,
                "participant": message.participant,
                "body": message.body,
                "is_open": 1,
            }
            for position, decided in enumerate(batch, start=first)
            for message in decided.outbox
        ]
        if messages and self._write(connection, self._insert_message, messages) != len(messages):
            for message in messages:
                known = select(OUTBOX.c.position).where(OUTBOX.c.message_id == message["message_id"])
                if connection.execute(known).scalar_one() < first:
                    raise JournalConflictError(
                        self._location,
                        "outbox.message_id",
                        message["message_id"],
                        "must be new",
                    )

    def _write_distinct(self, connection: Connection, pending: Mapping[Place, RowChange]) -> None:
        written: dict[ReadModel, list[dict[str, Any]]] = {}
        deleted: dict[ReadModel, list[dict[str, Any]]] = {}
        for (model, key), change in pending.items():
            if change.document is None:
                deleted.setdefault(model, []).append({"old_key": key, "old_tenant": change.tenant})
            else:
                written.setdefault(model, []).append(
                    {
                        "key": key,
                        "tenant": change.tenant,
                        "status": change.status,
                        "updated_us": change.updated_us,
                        "document": change.document,
                    }
                )
        changed = 0
        for model, rows in written.items():
            changed += self._write(connection, self._upserts[model], rows)
        for model, rows in deleted.items():
            changed += connection.execute(self._deletes[model], rows).rowcount
        if changed != len(pending):
            self._refuse_foreign(connection, pending.values())

    def _refuse_foreign(self, connection: Connection, changes: Iterable[RowChange]) -> None:
        for change in changes:
            table = READ_MODEL_TABLES[change.model]
            owner = connection.scalar(select(table.c.tenant).where(table.c.key == change.key))
            if owner is not None and owner != change.tenant:
                rule = f"belongs to {owner}, not to {change.tenant}"
                raise JournalConflictError(self._location, f"{change.model}.key", change.key, rule)


def _supersedes(change: RowChange, earlier: RowChange) -> bool:
    """Return whether writing ``change`` alone leaves what writing both would leave."""
    return change.tenant == earlier.tenant and (change.document is None) == (earlier.document is None)
