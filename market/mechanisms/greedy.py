"""The baseline: orders cleared one by one, winners paid as bid.

The allocation is that of ``market.clearing.order_by_order.greedy``. Critical payments would make it
truthful only for bidders with a single bid each [1]_; companies here bid alternatives and share capacity
between bids, for which no payments make such a greedy allocation truthful, and Clarke pivots of greedy
allocations are not truthful even for single bids [1]_. So it is paid as bid: what separates it
from joint clearing under `pay_as_bid` is then the allocation alone.

References
----------
.. [1] Lehmann, O'Callaghan, Shoham (2002), Truth revelation in approximately efficient
   combinatorial auctions, Journal of the ACM 49, 577-602.
"""

from __future__ import annotations

from market.mechanisms.pay_as_bid import pay_as_bid
from market.mechanisms.rule import Rule

RULE = Rule(name="greedy", needs_proof=False, pay=pay_as_bid)
