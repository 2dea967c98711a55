"""The workload CNP: P plants bid on each of M orders, the lowest price wins, ties to the lowest plant index.

Prices are integer cents from a seeded generator, so every system that runs it must come to the same
checksum: the sum of the winning prices and the SHA-256 of the list of winners.
"""

from __future__ import annotations

import hashlib
import random

SEED = 42


def prices(plants: int, orders: int, seed: int = SEED) -> list[list[int]]:
    """Return the price in cents of each plant (column) for each order (row)."""
    draw = random.Random(seed)
    level = [draw.randint(80, 120) for _ in range(plants)]  # a plant's cost level, percent
    table = []
    for _ in range(orders):
        size = draw.randint(1000, 9000)
        table.append([size * level[plant] // 100 + draw.randint(0, 500) for plant in range(plants)])
    return table


def winners(table: list[list[int]]) -> list[int]:
    """Return the index of the cheapest plant of each order: the plain loop that others are held against."""
    return [min(range(len(row)), key=lambda plant: (row[plant], plant)) for row in table]


def checksum(won: list[int], table: list[list[int]]) -> tuple[int, str]:
    """Return the sum of the winning prices in cents, and the start of the SHA-256 of the winners."""
    total = sum(table[order][plant] for order, plant in enumerate(won))
    return total, hashlib.sha256(",".join(map(str, won)).encode()).hexdigest()[:12]
