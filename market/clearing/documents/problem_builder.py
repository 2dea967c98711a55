"""Build a `Problem` from columns: one call per list, no object per bid.

The market's engine adds a whole bid sheet with one call of tuples; the JSON reader adds a whole
document. Indices given to the builder count in the order of adding; `build` sorts by id,
checks everything at array speed and names the first wrong value. Decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.documents.problem_columns import MAX_ID_CHARS, MAX_INTEGER, Columns, check_ids
from market.clearing.documents.problem_given import Given
from market.clearing.documents.problem_totals import check_totals
from market.clearing.errors import ProblemError
from market.clearing.problem import MECHANISMS, NONE, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class ProblemBuilder(Given):
    """Collect columns, then `build` one `Problem`.

    Every ``add_*`` takes parallel sequences. Elements of ragged fields are concatenated and
    counted per owner (``*_counts``). References are indices in the order of adding: the
    ``add_*`` methods return the index of their first element, `site` and `bidder` give theirs.
    """

    def site(self, name: str | None) -> int:
        """Return the index of a site, adding it when new; ``NONE`` for None."""
        return NONE if name is None else self.sites.setdefault(name, len(self.sites))

    def bidder(self, name: str) -> int:
        """Return the index of a bidder, adding it when new."""
        return self.bidders.setdefault(name, len(self.bidders))

    def add_orders(
        self,
        ids: Sequence[str],
        *,
        value: Iterable[int],
        must_serve: Iterable[bool],
        partial: Iterable[bool],
        max_suppliers: Iterable[int],
        lot_counts: Iterable[int],
        lot_ids: Sequence[str],
        lot_quantity: Iterable[int],
        arc_counts: Iterable[int],
        arc_ids: Sequence[str] = (),
        arc_from: Iterable[int] = (),
        arc_to: Iterable[int] = (),
        arc_site: Iterable[int] = (),
    ) -> int:
        """Add orders with their lots and arcs; return the index of the first lot.

        ``max_suppliers`` is ``NONE`` for no limit. ``arc_from`` and ``arc_to`` are lot indices;
        ``arc_to`` is ``NONE`` where the arc ends at a site (``arc_site``, else ``NONE``).
        """
        first = len(self.lot_ids)
        self.order_ids.extend(ids)
        given = (value, must_serve, partial, max_suppliers, lot_counts, arc_counts)
        for column, values in zip(self.order_columns, given, strict=True):
            column.extend(values)
        self.lot_ids.extend(lot_ids)
        self.lot_quantity.extend(lot_quantity)
        self.arc_ids.extend(arc_ids)
        for column, values in zip(self.arc_columns, (arc_from, arc_to, arc_site), strict=True):
            column.extend(values)
        return first

    def add_resources(self, ids: Sequence[str], capacity: Iterable[int]) -> int:
        """Add resources; return the index of the first."""
        first = len(self.resource_ids)
        self.resource_ids.extend(ids)
        self.resource_capacity.extend(capacity)
        return first

    def add_groups(
        self, ids: Sequence[str], *, max_accepted: Iterable[int], fixed_price: Iterable[int]
    ) -> int:
        """Add groups (``max_accepted`` is ``NONE`` for no limit); return the index of the first."""
        first = len(self.group_ids)
        self.group_ids.extend(ids)
        for column, values in zip(self.group_columns, (max_accepted, fixed_price), strict=True):
            column.extend(values)
        return first

    def add_bids(
        self,
        ids: Sequence[str],
        *,
        bidder: int | Sequence[int],
        site: int | Sequence[int],
        item_counts: Sequence[int],
        item_lot: Iterable[int],
        item_quantity: Iterable[int],
        divisible: Iterable[bool],
        min_quantity: Iterable[int],
        fixed_price: Iterable[int],
        unit_price: Iterable[int],
        score: Iterable[int],
        start: Iterable[int],
        end: Iterable[int],
        use_counts: Sequence[int],
        use_resource: Iterable[int] = (),
        use_fixed: Iterable[int] = (),
        use_unit: Iterable[int] = (),
        group_counts: Sequence[int] | None = None,
        groups: Iterable[int] = (),
    ) -> int:
        """Add one sheet (one bidder, one site) or many; return the index of the first bid.

        Indices are those of this builder. ``start`` and ``end`` are ``NO_TIME`` where absent.
        """
        first, n = len(self.bid_ids), len(ids)
        self.bid_ids.extend(ids)
        given = (
            (bidder,) * n if isinstance(bidder, int) else bidder,
            (site,) * n if isinstance(site, int) else site,
            divisible,
            min_quantity,
            fixed_price,
            unit_price,
            score,
            start,
            end,
            item_counts,
            use_counts,
            (0,) * n if group_counts is None else group_counts,
        )
        for column, values in zip(self.bid_columns, given, strict=True):
            column.extend(values)
        self.items[0].extend(item_lot)
        self.items[1].extend(item_quantity)
        self.uses[0].extend(use_resource)
        self.uses[1].extend(use_fixed)
        self.uses[2].extend(use_unit)
        self.bid_groups.extend(groups)
        return first

    def add_transport(
        self,
        *,
        from_site: Iterable[int],
        to_site: Iterable[int],
        fixed: Iterable[int],
        per_unit: Iterable[int],
        minutes: Iterable[int],
    ) -> None:
        """Add directed transport rows between site indices."""
        for column, values in zip(
            self.transport, (from_site, to_site, fixed, per_unit, minutes), strict=True
        ):
            column.extend(values)

    def build(self, *, currency: str, mechanism: str, seed: int) -> Problem:
        """Sort, check and freeze.

        Raises
        ------
        ProblemError
            At the first value that breaks a rule of the problem format.
        """
        if not 0 < len(currency) <= MAX_ID_CHARS:
            raise ProblemError(
                "currency", f'must have 1 to {MAX_ID_CHARS} characters (was "{currency[:60]}")'
            )
        if mechanism not in MECHANISMS:
            raise ProblemError(
                "mechanism", f'must be one of {", ".join(MECHANISMS)} (was "{mechanism[:60]}")'
            )
        if not 0 <= seed <= MAX_INTEGER:
            raise ProblemError("seed", f"must be 0 to {MAX_INTEGER} (was {seed})")
        check_ids(tuple(self.sites), "sites[{}]")
        check_ids(tuple(self.bidders), "bidders[{}]")
        columns = Columns(self)
        problem = Problem(
            currency=currency,
            mechanism=mechanism,
            seed=seed,
            **columns.orders(),
            **columns.offers(),
            **columns.bids(),
            **columns.transport(),
        )
        check_totals(problem)
        for name in Problem.__slots__:
            column = getattr(problem, name)
            if isinstance(column, np.ndarray):
                column.flags.writeable = False
        return problem
