"""Pages of read models: rows by key, continued after the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from gateway.context import Context
from market.ports import ReadModel, RowChange

MAX_PAGE = 500

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most items on the page.")]
After = Annotated[
    str,
    Query(
        max_length=300, pattern=r"^[\x20-\x7e]*$", description="Where the page begins; taken from ``next``."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows of a page, and the path of the next one."""

    rows: Sequence[RowChange]
    next: str | None


async def read_page(
    context: Context,
    model: ReadModel,
    *,
    path: str,
    tenant: str | None,
    status: str | None = None,
    parameter: str = "state",
    after: str,
    limit: int,
) -> Page:
    """Return a page of ``model``; its ``next`` keeps the filter as ``parameter``, unless that is empty."""
    rows = await context.rows(model, tenant=tenant, status=status, after=after, limit=limit + 1)
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        query = {"after": rows[-1].key, "limit": str(limit)} | (
            {parameter: status} if status and parameter else {}
        )
        following = f"{path}?{urlencode(query)}"
    return Page(rows=rows, next=following)
