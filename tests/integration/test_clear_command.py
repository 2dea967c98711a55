"""`takt clear` as its users run it: a process, its answer, its exit code, and what is left behind."""

from __future__ import annotations

import gzip
import json
import os
import pty
import random
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.deadlines import killed_after
from tests.integration.clear_markets import COUPLED_GREEDY, COUPLED_OPTIMUM, coupled_market, hard_market
from tests.unit.market.clearing.documents import bid, document, order, use

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "scenarios.clear_command"]
PATIENCE_S = 60.0
SLACK_S = 0.5
"""The answer is written so long after the limit at the latest."""


def clear(*arguments: str | Path, command: list[str] = COMMAND) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def write(folder: Path, problem: object) -> Path:
    file = folder / "market.json"
    file.write_text(problem if isinstance(problem, str) else json.dumps(problem))
    return file


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_an_optimum_goes_to_standard_output(tmp_path: Path) -> None:
    done = clear(write(tmp_path, coupled_market()))
    result = json.loads(done.stdout)
    assert (done.returncode, result["status"], result["objective"]) == (0, "optimal", COUPLED_OPTIMUM)
    assert result["greedy_objective"] == COUPLED_GREEDY
    assert result["checked"]
    assert result["seconds"]["read"] > 0
    assert done.stderr == ""


def test_a_compressed_file_and_an_answer_to_a_file(tmp_path: Path) -> None:
    file, out = tmp_path / "market.json.gz", tmp_path / "answer" / "result.json"
    out.parent.mkdir()
    file.write_bytes(gzip.compress(json.dumps(coupled_market()).encode()))
    done = clear(file, "--out", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(out.read_bytes())["objective"] == COUPLED_OPTIMUM
    assert names_in(out.parent) == ["result.json"]


def test_standard_input_is_read_compressed_or_not() -> None:
    for raw in (text := json.dumps(coupled_market()).encode(), gzip.compress(text)):
        done = subprocess.run(
            [*COMMAND, "-"], cwd=ROOT, input=raw, capture_output=True, timeout=PATIENCE_S, check=True
        )
        assert json.loads(done.stdout)["objective"] == COUPLED_OPTIMUM


def test_what_is_no_file_is_written_into_and_a_link_is_followed(tmp_path: Path) -> None:
    """As root, replacing `/dev/null` or `/dev/stdout` would break the machine."""
    file, pipe, link = write(tmp_path, coupled_market()), tmp_path / "pipe", tmp_path / "link.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert clear(file, "--out", pipe).returncode == 0
        assert json.loads(os.read(reader, 1 << 20))["objective"] == COUPLED_OPTIMUM
    finally:
        os.close(reader)
    link.symlink_to("real.json")
    assert clear(file, "--out", link).returncode == 0
    assert link.is_symlink()
    assert json.loads((tmp_path / "real.json").read_bytes())["objective"] == COUPLED_OPTIMUM
    assert sorted(names_in(tmp_path)) == ["link.json", "market.json", "pipe", "real.json"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is full")
def test_an_answer_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    file = write(tmp_path, coupled_market())
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, file], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"Error: standard output: No space left on device\n")
    done_too = clear(file, "--out", "/dev/full")
    assert (done_too.returncode, done_too.stdout) == (1, "")
    assert done_too.stderr == "Error: --out: cannot write /dev/full: No space left on device\n"
    assert Path("/dev/full").is_char_device()


def test_the_greedy_rule_on_request(tmp_path: Path) -> None:
    done = clear(write(tmp_path, coupled_market()), "--mechanism", "greedy")
    assert json.loads(done.stdout)["objective"] == COUPLED_GREEDY


def test_orders_that_must_be_served_and_cannot_be(tmp_path: Path) -> None:
    uses = [use("m", 6)]
    market = document(
        orders=[order(name, 0, must_serve=True) for name in ("a", "b")] + [order("c", 9, must_serve=True)],
        resources=[{"id": "m", "capacity": 10}],
        bids=[bid("a1", "a", 1, uses=uses), bid("b1", "b", 1, uses=uses), bid("c1", "c", 1)],
    )
    done = clear(write(tmp_path, market))
    result = json.loads(done.stdout)
    assert (done.returncode, result["status"], result["objective"]) == (3, "infeasible", None)
    assert result["conflict"] == ["a", "b"]


def test_no_time_is_nothing_or_what_greedy_found(tmp_path: Path) -> None:
    done = clear(write(tmp_path, hard_market()), "--time-limit", "0")
    result = json.loads(done.stdout)
    assert (done.returncode, result["status"]) in {(4, "unknown"), (0, "fallback"), (0, "feasible")}


def test_a_file_or_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = clear(tmp_path / "none.json")
    assert absent.returncode == 2
    assert absent.stderr == f"takt clear: {tmp_path / 'none.json'}: No such file or directory\n"
    with socket.socket() as nobody:  # bound, and listening to nobody
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        lonely = clear(write(tmp_path, coupled_market()), "--cluster", address)
    assert (lonely.returncode, lonely.stdout) == (2, "")
    assert lonely.stderr == f"takt clear: --cluster: no Ray cluster answers ({address}: Connection refused)\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('"resource": "m"', 'bids[0].uses[0].resource: unknown "x"'),
        ('"fixed": 6', "bids[0].uses[0].fixed: must be an integer (was 1.5)"),
        ('"value": 70', "document: holds NaN, which is not a JSON number"),
        ('"seed": 1', "seed: must be an integer (was true)"),
        ('"capacity": 10', "resources[0]: a key stands twice in this object"),
        ('"groups": []', r"bids[0].\ud800\x1b[31m\n: unknown field"),
    ],
)
def test_bad_input_names_path_and_value_and_writes_nothing(tmp_path: Path, change: str, message: str) -> None:
    wrong = {
        '"resource": "m"': '"resource": "x"',
        '"fixed": 6': '"fixed": 1.5',
        '"value": 70': '"value": NaN',
        '"seed": 1': '"seed": true',
        '"capacity": 10': '"capacity": 10, "capacity": 10',
        '"groups": []': '"groups": [], "\\ud800\\u001b[31m\\n": 1',
    }[change]
    text = json.dumps(coupled_market())
    assert change in text
    done = clear(write(tmp_path, text.replace(change, wrong, 1)), "--out", tmp_path / "out.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"takt clear: {message}\n"
    assert names_in(tmp_path) == ["market.json"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--gap", "lots"],
        ["--gap", "-1%"],
        ["--gap", "nan%"],
        ["--workers", "0"],
        ["--time-limit", "-1"],
        ["--time-limit", "nan"],
        ["--mechanism", "lottery"],
        ["--explain", "nobody"],
        ["--out", "no/such/folder/out.json"],
    ],
)
def test_bad_options_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    done = clear(write(tmp_path, coupled_market()), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert arguments[0] in done.stderr


def test_a_losing_bid_learns_what_would_have_won(tmp_path: Path) -> None:
    file = write(tmp_path, coupled_market())
    done = clear(file, "--explain", "a1")
    said = json.loads(done.stdout)
    assert (done.returncode, said["kind"], said["bid"]) == (0, "takt.explanation.v1", "a1")
    assert (said["price"], said["threshold_price"], said["estimate"]) == (10, None, False)
    market = coupled_market()
    market["orders"][0]["value"] = 85  # worth 75 to serve, the other two 80 together
    said = json.loads(clear(write(tmp_path, market), "--explain", "a1").stdout)
    assert (said["price"], said["threshold_price"], said["estimate"]) == (10, 5, False)
    for price, wins in ((4, True), (6, False)):
        market["bids"][0]["fixed_price"] = price
        won = [row["bid"] for row in json.loads(clear(write(tmp_path, market)).stdout)["accepted"]]
        assert ("a1" in won) == wins


def test_an_explanation_that_cannot_be_proven_is_an_estimate(tmp_path: Path) -> None:
    done = clear(write(tmp_path, hard_market()), "--explain", "c001", "--time-limit", "5")
    assert done.returncode == 0
    assert json.loads(done.stdout)["estimate"] is True


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    done = clear(tmp_path / "nothing.json")
    assert done.returncode == 2
    assert "nothing.json" in done.stderr


def test_a_gap_that_is_good_enough_ends_the_search(tmp_path: Path) -> None:
    done = clear(write(tmp_path, hard_market()), "--gap", "10%", "--time-limit", "50")
    result = json.loads(done.stdout)
    assert result["gap_ppm"] <= 100_000
    assert sum(result["seconds"].values()) < 20


def test_a_work_limit_makes_the_answer_a_function_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, hard_market(columns=40, rows=4))
    digests = {
        json.loads(clear(file, "--work-limit", "1000", "--workers", n).stdout)["digest"] for n in "113"
    }
    assert len(digests) == 1


def test_the_answer_is_written_in_time(tmp_path: Path) -> None:
    file, limit_s, attempts = write(tmp_path, hard_market()), 2.0, []
    for _ in range(5):  # the promise is about this process, not about what else runs on the machine
        started = time.monotonic()
        result = json.loads(clear(file, "--time-limit", str(limit_s)).stdout)
        took_s = time.monotonic() - started
        attempts.append((took_s, result["status"]))
        if took_s <= limit_s + SLACK_S and result["checked"]:
            return
    pytest.fail(f"seconds and statuses: {attempts}")


@pytest.mark.slow
def test_a_file_of_a_million_lines_is_cleared_in_time_and_memory(tmp_path: Path) -> None:
    r = random.Random(1)
    orders = [order(f"o{k}", r.randint(90, 200)) for k in range(9_000)]
    machines = [{"id": f"m{k}", "capacity": 300} for k in range(400)]
    bids = [
        bid(
            f"b{k}",
            f"o{k % 9_000}",
            r.randint(50, 150),
            uses=[use(f"m{r.randrange(400)}", r.randint(5, 40))],
            bidder=f"p{k % 300}",
        )
        for k in range(48_000)
    ]
    file = tmp_path / "market.json"
    file.write_text(json.dumps(document(orders=orders, resources=machines, bids=bids), indent=0))
    limit_s, attempts = 20.0, []
    for _ in range(3):  # as above: other work on the machine is no fault of this process
        started = time.monotonic()
        result = json.loads(clear(file, "--time-limit", str(limit_s)).stdout)
        took_s = time.monotonic() - started
        attempts.append((took_s, result["status"], result["gap_ppm"]))
        assert result["checked"]
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1_000_000  # kilobytes
        if took_s <= limit_s + SLACK_S and result["gap_ppm"] < 20_000:
            return
    pytest.fail(f"seconds, statuses and gaps: {attempts}")


FAULTS = {
    "raises": {"fallback"},
    "no_memory": {"fallback"},
    "crashes": {"fallback"},
    "hangs": {"fallback"},
    "hangs_with_lock": {"fallback"},
    "nan": {"fallback", "feasible", "optimal"},
    "nan_duals": {"fallback", "feasible", "optimal"},
    "infeasible_point": {"fallback", "feasible", "optimal"},
    "says_infeasible": {"fallback", "feasible"},
    "low_bound": {"fallback", "feasible"},
    "says_optimal": {"fallback", "feasible"},
    "short": {"fallback", "feasible"},
}
"""Planted fault → statuses that are honest."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_solver_that_fails_costs_the_optimum_not_the_answer(tmp_path: Path, fault: str) -> None:
    file, limit_s, took_s = write(tmp_path, coupled_market()), 3.0, PATIENCE_S
    started = time.monotonic()
    done = clear(
        file,
        "--time-limit",
        str(limit_s),
        command=[sys.executable, "-m", "tests.integration.faulty_clear", fault],
    )
    took_s = time.monotonic() - started
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["status"] in FAULTS[fault]
    assert result["checked"]
    assert result["objective"] in {COUPLED_GREEDY, COUPLED_OPTIMUM}
    assert result["bound"] is None or result["bound"] >= COUPLED_OPTIMUM
    assert result["status"] != "optimal" or result["objective"] == COUPLED_OPTIMUM
    assert took_s < limit_s + 2 * SLACK_S
    assert names_in(tmp_path) == ["market.json"]


@contextmanager
def searching(file: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command on a terminal until it shows an incumbent with a bound; give its terminal too."""
    master, terminal = pty.openpty()
    command = [*COMMAND, str(file), *arguments]
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, text=True, start_new_session=True
    )
    os.close(terminal)
    try:
        shown, deadline = b"", time.monotonic() + PATIENCE_S
        while b"incumbent 4" not in shown and b"incumbent 5" not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([master], [], [], 1.0)[0]:
                shown += os.read(master, 4096)
        yield running, master
    finally:
        running.kill()
        running.wait(PATIENCE_S)
        os.close(master)


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def answer_of(running: subprocess.Popen[str]) -> dict[str, Any]:
    assert running.stdout is not None
    with killed_after(running, PATIENCE_S):
        result: dict[str, Any] = json.loads(running.stdout.read())
    return result


@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupt_gives_the_best_so_far(
    tmp_path: Path, number: signal.Signals, whole_group: bool
) -> None:
    file = write(tmp_path, hard_market())
    with searching(file, "--time-limit", "300") as (running, _):
        children = descendants(running)
        assert children
        (os.killpg if whole_group else os.kill)(running.pid, number)
        started = time.monotonic()
        result = answer_of(running)
        assert running.wait(PATIENCE_S) == 0
        assert time.monotonic() - started < 5
        assert result["status"] == "feasible"
        assert result["checked"]
        assert result["objective"] < result["bound"]
        assert psutil.wait_procs(children, timeout=5)[1] == []


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    file = write(tmp_path, hard_market())
    with searching(file, "--time-limit", "300") as (running, _):
        child = descendants(running)[0]
        child.suspend()
        for _ in range(2):
            os.kill(running.pid, signal.SIGINT)
            time.sleep(0.05)  # signals of one number that arrive together are one
        result = answer_of(running)
        assert running.wait(5) == 0
        assert result["checked"]
        assert not child.is_running()


def test_killing_the_command_leaves_no_orphan(tmp_path: Path) -> None:
    file, out = write(tmp_path, hard_market()), tmp_path / "out.json"
    with searching(file, "--time-limit", "300", "--out", str(out)) as (running, _):
        children = descendants(running)
        assert children
        running.kill()
        assert psutil.wait_procs(children, timeout=5)[1] == []
    assert names_in(tmp_path) == ["market.json"]


def test_a_killed_child_leaves_its_draft(tmp_path: Path) -> None:
    file = write(tmp_path, hard_market())
    with searching(file, "--time-limit", "300") as (running, _):
        child = descendants(running)[0]
        child.kill()
        result = answer_of(running)
        assert running.wait(PATIENCE_S) == 0
        assert result["checked"]
        assert result["status"] in {"feasible", "fallback"}


def regions_market(regions: int = 3, columns: int = 1_100) -> dict[str, Any]:
    """Return hard parts that do not touch, enough for a helper."""
    market = document()
    for region in range(regions):
        text = json.dumps(hard_market(columns=columns, rows=5, seed=region))
        for name in ("c", "r"):
            text = re.sub(rf'"{name}(\d+)"', rf'"{region}/{name}\1"', text)
        part = json.loads(text)
        for name in ("orders", "resources", "bids"):
            market[name] += part[name]
    return market


def helpers(running: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in descendants(running) if "market.adapters.part_worker" in child.cmdline()]


@pytest.mark.parametrize("end", ["interrupt", "kill", "kill_helper"])
def test_helpers_end_with_the_command(tmp_path: Path, end: str) -> None:
    """Parts that are searched side by side: interrupted, killed, or with a helper that crashes."""
    file = write(tmp_path, regions_market())
    limit_s = 8 if end == "kill_helper" else 300
    running = subprocess.Popen(
        [*COMMAND, str(file), "--workers", "2", "--time-limit", str(limit_s)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not helpers(running):
            assert time.monotonic() < deadline
            time.sleep(0.02)  # a process that starts tells nobody
        children = descendants(running)
        if end == "kill":
            running.kill()
        else:
            (helpers(running)[0].kill if end == "kill_helper" else running.terminate)()
            result = answer_of(running)
            assert running.wait(PATIENCE_S) == 0
            assert result["checked"]
            assert result["components"] == 3
            assert result["objective"] >= result["greedy_objective"]
        assert psutil.wait_procs(children, timeout=5)[1] == []
        assert names_in(tmp_path) == ["market.json"]
    finally:
        running.kill()
        running.wait(PATIENCE_S)
        assert running.stdout is not None
        running.stdout.close()


def test_the_command_loads_neither_servers_nor_agents() -> None:
    """What the child imports is small: start-up is part of the time limit."""
    script = (
        "import sys, scenarios.clear_command, market.service.guarded_clearing, market.adapters.solver_pulp\n"
        "slow = {'ray', 'nats', 'fastapi', 'sqlalchemy', 'pydantic', 'networkx', 'numba', 'scipy', 'rich'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "[]\n"
