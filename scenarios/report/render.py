"""Render a summary as one self-contained HTML file: no scripts, no other hosts, all text escaped."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from scenarios.report import charts, wording
from scenarios.report.flow_map import flow_map
from scenarios.report.gantt import gantt
from scenarios.summary import Summary


def templates() -> Environment:
    """Return the environment of the report's templates: everything is escaped, nothing may be missing."""
    return Environment(
        loader=PackageLoader("scenarios.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(summary: Summary) -> str:
    """Return the report of a run as HTML text; the same summary gives the same text."""
    environment = templates()
    names = ("money", "share", "ppm", "mass", "wall", "whole", "words", "day", "iso")
    environment.filters.update({name: getattr(wording, name) for name in names})
    environment.globals["share"] = wording.share
    weeks, use_rows = charts.use(summary)
    emissions = (
        (summary.production_emissions_g, "busy", "production"),
        (summary.transport_emissions_g, "risk", "transport"),
    )
    orders = max(summary.orders_total, 1)
    html = environment.get_template("report.html").render(
        run=summary,
        tones=wording.ORDER_TONES,
        states=charts.states(summary),
        takts=charts.takts(summary),
        busy_takts=charts.busy_takts(summary),
        charges=charts.charges(summary),
        paid=charts.amounts(
            (
                (summary.prices_minor, "busy", "production"),
                (summary.transport_minor, "risk", "transport"),
                (summary.fees_minor, "idle", "fee"),
            ),
            summary.currency,
        ),
        emissions_total_g=sum(grams for grams, _, _ in emissions),
        emissions=emissions,
        phases=charts.bars(
            summary.phase_wall_ms, {name: wording.wall(ms) for name, ms in summary.phase_wall_ms.items()}
        ),
        messages=charts.bars(
            {name: count for name, count in summary.messages_by_kind.items() if count},
            {name: f"{count / orders:.1f}" for name, count in summary.messages_by_kind.items()},
        ),
        messages_total=sum(summary.messages_by_kind.values()),
        weeks=weeks,
        use_rows=use_rows,
        map=flow_map(summary.sites, summary.participants, summary.flows),
        map_label="Map of the flows between sites",
        map_style=False,
        gantt=gantt(summary),
    )
    assert "<script" not in html.lower(), "a report runs nothing"
    return html
