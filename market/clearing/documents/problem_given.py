"""The columns of a problem as they were added: unsorted, unchecked. Holds no behaviour."""

from __future__ import annotations


class Given:
    """Parallel lists, an element per record; ragged fields are concatenated and counted per owner."""

    def __init__(self) -> None:
        self.sites: dict[str, int] = {}
        self.bidders: dict[str, int] = {}
        self.order_ids: list[str] = []
        self.order_columns: tuple[list[int], ...] = ([], [], [], [], [], [])
        self.lot_ids: list[str] = []
        self.lot_quantity: list[int] = []
        self.arc_ids: list[str] = []
        self.arc_columns: tuple[list[int], ...] = ([], [], [])
        self.resource_ids: list[str] = []
        self.resource_capacity: list[int] = []
        self.group_ids: list[str] = []
        self.group_columns: tuple[list[int], ...] = ([], [])
        self.bid_ids: list[str] = []
        self.bid_columns: tuple[list[int], ...] = tuple([] for _ in range(12))
        self.items: tuple[list[int], ...] = ([], [])
        self.uses: tuple[list[int], ...] = ([], [], [])
        self.bid_groups: list[int] = []
        self.transport: tuple[list[int], ...] = ([], [], [], [], [])
