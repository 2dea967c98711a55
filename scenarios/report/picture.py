"""The picture of a scenario: its sites on a map, as SVG for its page.

``python -m scenarios.report.picture SCENARIO > map.svg``. The same scenario gives the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scenarios.population import Population, build
from scenarios.report.flow_map import flow_map
from scenarios.report.render import templates
from scenarios.scenario import load_scenario
from scenarios.summary import ParticipantRow, SiteRow


def picture(population: Population) -> str:
    """Return the map of a population as one SVG file."""
    sites = tuple(
        SiteRow(
            site=site.id,
            name=site.name,
            country=site.country,
            latitude_udeg=site.latitude_udeg,
            longitude_udeg=site.longitude_udeg,
        )
        for site in population.network.sites
    )
    participants = tuple(
        ParticipantRow(participant=entry.participant, role=role, sites=entry.sites)
        for entry in population.admissions
        for role in entry.roles[:1]
        if role != "auditor"
    )
    layout = flow_map(sites, participants, ())
    return (
        templates()
        .get_template("map.svg")
        .render(map=layout, map_label=f"Sites of {population.title}", map_style=True)
    )


if __name__ == "__main__":
    sys.stdout.write(picture(build(load_scenario(Path(sys.argv[1])))))
