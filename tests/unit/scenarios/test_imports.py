"""Real cases from CSV tables: supply networks and sealed bids."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.imports.csv_table import CsvTableError
from scenarios.imports.supply_network import Stage, analyse, read_network


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


STAGES = "stage,time,cost,demand\nbolt,5,1,\nplate,9,10,\nframe,4,20,3\nrobot,7,100,2\n"
ARCS = "source,target,quantity\nbolt,frame,8\nplate,frame,\nframe,robot,2\nbolt,robot,6\n"


def network(folder: Path, stages: str = STAGES, arcs: str = ARCS) -> dict[str, Stage]:
    graph = read_network(written(folder, "stages.csv", stages), written(folder, "arcs.csv", arcs))
    return {stage.name: stage for stage in analyse(graph)}


def test_requirements_lead_times_and_costs_follow_the_bill_of_materials(tmp_path: Path) -> None:
    found = network(tmp_path)
    # 2 robots take 4 frames; with 3 sold apart 7 frames take 56 bolts and 7 plates; robots 12 bolts more.
    assert {name: stage.requirement for name, stage in found.items()} == {
        "bolt": 68,
        "plate": 7,
        "frame": 7,
        "robot": 2,
    }
    assert {name: stage.lead_time for name, stage in found.items()} == {
        "bolt": 5,
        "plate": 9,
        "frame": 13,
        "robot": 20,
    }
    assert {name: stage.slack for name, stage in found.items()} == {
        "bolt": 4,
        "plate": 0,
        "frame": 0,
        "robot": 0,
    }
    assert found["robot"].unit_cost == 100 + 2 * (20 + 10 + 8) + 6
    assert {name: stage.demand_at_risk for name, stage in found.items()} == {
        "bolt": 5,
        "plate": 5,
        "frame": 5,
        "robot": 2,
    }
    assert [found[name].echelon for name in ("robot", "frame", "bolt")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("stages", "arcs", "message"),
    [
        (STAGES + "bolt,1,1,1\n", ARCS, "stages.csv, line 6: stage: is given twice; was 'bolt'"),
        (STAGES.replace("bolt,5", "bolt,5.5"), ARCS, "line 2: time: must be a whole number; was '5.5'"),
        (STAGES.replace("bolt,5", "bolt,-1"), ARCS, "time: must be from 0"),
        (STAGES.replace("cost", "price"), ARCS, "line 1: price: is no column"),
        (STAGES.replace("stage,time", "stage,tyme"), ARCS, "is no column"),
        (STAGES, ARCS + "nut,frame,1\n", "arcs.csv, line 6: source: is no stage; was 'nut'"),
        (STAGES, ARCS + "bolt,frame,1\n", "is given twice; was 'bolt -> frame'"),
        (STAGES, ARCS + "robot,bolt,1\n", "goods flow in a circle; was 'bolt -> "),
        (STAGES, ARCS + "bolt,frame\n", "must have 3 values; was 2"),
        ("", ARCS, "stage: is missing"),
    ],
)
def test_a_wrong_network_is_refused_with_file_line_column_and_value(
    tmp_path: Path, stages: str, arcs: str, message: str
) -> None:
    with pytest.raises(CsvTableError) as refusal:
        network(tmp_path, stages, arcs)
    assert message in str(refusal.value)


def test_a_random_network_agrees_with_paths_counted_one_by_one(tmp_path: Path) -> None:
    chance = random.Random(4)
    names = [f"s{k}" for k in range(14)]
    arcs = {
        (a, b): chance.randrange(1, 4)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if chance.random() < 0.3
    }
    demand = {name: chance.randrange(3) for name in names}
    time = {name: chance.randrange(9) for name in names}
    stages_text = "stage,time,demand\n" + "".join(f"{n},{time[n]},{demand[n]}\n" for n in names)
    arcs_text = "source,target,quantity\n" + "".join(f"{a},{b},{q}\n" for (a, b), q in arcs.items())
    found = network(tmp_path, stages_text, arcs_text)
    graph = nx.DiGraph(list(arcs))
    graph.add_nodes_from(names)
    for name in names:
        needed, longest = demand[name], time[name]
        for other in names:
            for path in nx.all_simple_paths(graph, name, other) if other != name else ():
                units = demand[other]
                for step in pairwise(path):
                    units *= arcs[step]
                needed += units
            for path in nx.all_simple_paths(graph, other, name) if other != name else ():
                longest = max(longest, sum(time[stage] for stage in path))
        assert found[name].requirement == needed
        assert found[name].lead_time == longest
        assert found[name].demand_at_risk == sum(
            demand[other] for other in {name, *nx.descendants(graph, name)}
        )


def test_the_command_reads_a_large_network_and_writes_every_stage(tmp_path: Path) -> None:
    chance = random.Random(7)
    names = [f"stage-{k:04d}" for k in range(2_025)]
    arcs: set[tuple[int, int]] = set()
    while len(arcs) < 16_225:
        low, high = sorted(chance.sample(range(2_025), 2))
        arcs.add((low, min(high, low + 1 + chance.randrange(120))))
    stages_file = written(
        tmp_path,
        "stages.csv",
        "stage,time,cost,demand\n"
        + "".join(f"{name},{k % 17},{k % 5},{int(k > 1_800)}\n" for k, name in enumerate(names)),
    )
    arcs_file = written(
        tmp_path, "arcs.csv", "source,target\n" + "".join(f"{names[a]},{names[b]}\n" for a, b in sorted(arcs))
    )
    out = tmp_path / "found.csv"
    shown = CliRunner().invoke(
        main, ["import", "network", str(stages_file), str(arcs_file), "--out", str(out)]
    )
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("2025 stages, 16225 arcs, ")
    assert len(out.read_text().splitlines()) == 2_026


LOTS = "order,value,lot,quantity\no1,1000,o1.mill,10\no1,1000,o1.coat,10\no2,400,o2.mill,5\n"
BIDS = (
    "bid,bidder,lot,quantity,price,resource,use,group\n"
    "a1,acme,o1.mill,10,300,acme-mill,60,one\n"
    "a2,acme,o2.mill,5,100,acme-mill,50,\n"
    "a3,acme,o1.mill,10,500,acme-mill,60,one\n"
    "a3,acme,o1.coat,10,500,,,one\n"
    "b1,bolt,o1.coat,10,150,,,\n"
    "b2,bolt,o2.mill,5,200,,,\n"
)
CAPACITIES = "resource,capacity\nacme-mill,100\n"


def test_sealed_bids_become_a_problem_that_clears(tmp_path: Path) -> None:
    files = [
        str(written(tmp_path, name, text))
        for name, text in (("lots.csv", LOTS), ("bids.csv", BIDS), ("capacities.csv", CAPACITIES))
    ]
    problem, clearing = tmp_path / "p.json", tmp_path / "c.json"
    runner = CliRunner()
    made = runner.invoke(
        main, ["import", "bids", files[0], files[1], "--capacities", files[2], "--out", str(problem)]
    )
    assert made.exit_code == 0, made.output
    # A process of its own: the command's time limit counts from the start of its process.
    takt = Path(sys.executable).with_name("takt")
    subprocess.run([takt, "clear", problem, "--out", clearing], check=True, capture_output=True, timeout=120)
    result = json.loads(clearing.read_text())
    # 110 minutes do not fit into 100, so acme mills o1 and bolt o2.
    assert result["objective"] == 1_400 - 300 - 150 - 200
    assert [entry["bid"] for entry in result["accepted"]] == ["a1", "b1", "b2"]


@pytest.mark.parametrize(
    ("lots", "bids", "message"),
    [
        (LOTS + "o2,401,o2.coat,5\n", BIDS, "value: must be 400 as on the order's first line; was 401"),
        (LOTS + "o2,400,o2.mill,5\n", BIDS, "lot: is given twice; was 'o2.mill'"),
        (LOTS, BIDS + "b3,bolt,o9.mill,5,200,,,\n", "bids.csv, line 8: lot: is no lot; was 'o9.mill'"),
        (LOTS, BIDS + "b2,bolt,o1.coat,5,201,,,\n", "price: must be 200 as on the bid's first line; was 201"),
        (LOTS, BIDS + "b3,bolt,o1.coat,5,1,bolt-coat,5,\n", "resource: has no capacity; was 'bolt-coat'"),
        (LOTS, BIDS + "b3,,o1.coat,5,1,,,\n", "bidder: must not be empty"),
    ],
)
def test_wrong_bids_are_refused_with_file_line_column_and_value(
    tmp_path: Path, lots: str, bids: str, message: str
) -> None:
    files = [str(written(tmp_path, name, text)) for name, text in (("lots.csv", lots), ("bids.csv", bids))]
    made = CliRunner().invoke(
        main,
        [
            "import",
            "bids",
            *files,
            "--capacities",
            str(written(tmp_path, "capacities.csv", CAPACITIES)),
            "--out",
            str(tmp_path / "p.json"),
        ],
    )
    assert made.exit_code == 1
    assert message in made.output
    assert not (tmp_path / "p.json").exists()
