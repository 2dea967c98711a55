"""The map of flows: sites by coordinates, arcs by quantity, labels that keep clear of each other.

Equirectangular, the mean latitude at true scale. Pure geometry in the units of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from scenarios.summary import FlowRow, ParticipantRow, SiteRow

WIDTH, HEIGHT, MARGIN = 1040, 760, 56
UDEG = 1_000_000
DOT = 9
LETTER, LINE = 6.6, 13
MAX_STROKE = 9.0
GRID_DEG = 5


class Box(NamedTuple):
    """An upright rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that two rectangles share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 < height else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A site on the map, and where its name goes."""

    name: str
    x: float
    y: float
    roles: tuple[str, ...]
    label_x: float
    label_y: float
    anchor: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bow:
    """A flow between two places, bent to its right so that both directions show."""

    path: str
    stroke: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMap:
    """The whole picture. Meridians and parallels are (x or y, name)."""

    places: tuple[Place, ...]
    bows: tuple[Bow, ...]
    meridians: tuple[tuple[float, str], ...]
    parallels: tuple[tuple[float, str], ...]
    width: int
    height: int
    thickest: int


class _Projection:
    def __init__(self, sites: Iterable[SiteRow]) -> None:
        rows = tuple(sites)
        longitudes = [row.longitude_udeg / UDEG for row in rows]
        latitudes = [row.latitude_udeg / UDEG for row in rows]
        self.west, self.north = min(longitudes), max(latitudes)
        self.east, self.south = max(longitudes), min(latitudes)
        self.squeeze = math.cos(math.radians((self.north + self.south) / 2))
        width = max((self.east - self.west) * self.squeeze, 0.5)
        height = max(self.north - self.south, 0.5)
        self.scale = min((WIDTH - 2 * MARGIN) / width, (HEIGHT - 2 * MARGIN) / height)
        self.shift = (WIDTH - width * self.scale) / 2
        self.height = round(height * self.scale + 2 * MARGIN)

    def x(self, longitude: float) -> float:
        return round(self.shift + (longitude - self.west) * self.squeeze * self.scale, 1)

    def y(self, latitude: float) -> float:
        return round(MARGIN + (self.north - latitude) * self.scale, 1)


def flow_map(
    sites: tuple[SiteRow, ...], participants: tuple[ParticipantRow, ...], flows: tuple[FlowRow, ...]
) -> FlowMap | None:
    """Lay out a map; None without sites. Flows within a site or to an unknown one are left out."""
    if not sites:
        return None
    projection = _Projection(sites)
    roles: dict[str, set[str]] = {site.site: set() for site in sites}
    for participant in participants:
        for site in participant.sites:
            roles.setdefault(site, set()).add(participant.role)
    where = {
        site.site: (
            projection.x(site.longitude_udeg / UDEG),
            projection.y(site.latitude_udeg / UDEG),
        )
        for site in sites
    }
    moved = [
        flow
        for flow in flows
        if flow.from_site != flow.to_site and flow.from_site in where and flow.to_site in where
    ]
    most = max((flow.quantity for flow in moved), default=0)
    bows = tuple(
        Bow(
            path=_bow(where[flow.from_site], where[flow.to_site]),
            stroke=round(max(0.8, MAX_STROKE * math.sqrt(flow.quantity / most)), 2),
            title=f"{flow.from_site} to {flow.to_site}: {flow.quantity} pieces in {flow.shipments} shipments",
        )
        for flow in sorted(moved, key=lambda flow: -flow.quantity)
    )
    return FlowMap(
        places=_places(sites, where, roles, projection.height),
        bows=bows,
        meridians=tuple(
            (projection.x(degree), _degrees(degree, "E", "W"))
            for degree in _grid(projection.west, projection.east)
        ),
        parallels=tuple(
            (projection.y(degree), _degrees(degree, "N", "S"))
            for degree in _grid(projection.south, projection.north)
        ),
        width=WIDTH,
        height=projection.height,
        thickest=most,
    )


def _grid(low: float, high: float) -> range:
    return range(math.ceil(low / GRID_DEG) * GRID_DEG, math.floor(high / GRID_DEG) * GRID_DEG + 1, GRID_DEG)


def _degrees(degree: int, positive: str, negative: str) -> str:
    side = positive if degree > 0 else negative if degree < 0 else ""
    return f"{abs(degree)}°{side}"


def _bow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return a quadratic curve that stops short of the dot it ends at, for the arrow head."""
    (x1, y1), (x2, y2) = start, end
    dx, dy = x2 - x1, y2 - y1
    length = math.hypot(dx, dy) or 1.0
    bend = min(0.16 * length, 46.0)
    cx, cy = (x1 + x2) / 2 - dy / length * bend, (y1 + y2) / 2 + dx / length * bend
    back = math.hypot(x2 - cx, y2 - cy) or 1.0
    keep = max(0.0, 1 - (DOT + 5) / back)
    x2, y2 = cx + (x2 - cx) * keep, cy + (y2 - cy) * keep
    return f"M{x1:.1f} {y1:.1f}Q{cx:.1f} {cy:.1f} {x2:.1f} {y2:.1f}"


def _places(
    sites: tuple[SiteRow, ...], where: dict[str, tuple[float, float]], roles: dict[str, set[str]], height: int
) -> tuple[Place, ...]:
    """Place labels one by one, each where it covers least of dots, earlier labels and the outside."""
    taken = [Box(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in where.values()]
    places = []
    for site in sorted(sites, key=lambda row: row.site):
        x, y = where[site.site]
        width = len(site.name) * LETTER
        best: tuple[float, float, float, str, Box] | None = None
        for rank, (dx, dy, anchor) in enumerate(_POSITIONS):
            label_x, label_y = x + dx, y + dy
            left = label_x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            box = Box(left, label_y - LINE + 3, left + width, label_y + 3)
            outside = max(0.0, -box.left) + max(0.0, box.right - WIDTH) + max(0.0, box.bottom - height)
            cost = sum(box.overlap(other) for other in taken) + 1000 * outside + rank
            if best is None or cost < best[0]:
                best = (cost, label_x, label_y, anchor, box)
        assert best is not None, "there are positions to try"
        taken.append(best[4])
        places.append(
            Place(
                name=site.name,
                x=x,
                y=y,
                roles=tuple(sorted(roles[site.site])),
                label_x=round(best[1], 1),
                label_y=round(best[2], 1),
                anchor=best[3],
                title=f"{site.name} ({site.country}): {', '.join(sorted(roles[site.site])) or 'nobody'}",
            )
        )
    return tuple(places)


_FAR = DOT + 4
_POSITIONS = (
    (_FAR, 4, "start"),
    (-_FAR, 4, "end"),
    (0, -_FAR, "middle"),
    (0, _FAR + 9, "middle"),
    (_FAR - 2, -_FAR + 4, "start"),
    (_FAR - 2, _FAR + 5, "start"),
    (-_FAR + 2, -_FAR + 4, "end"),
    (-_FAR + 2, _FAR + 5, "end"),
)
