"""``docs/promises.md``: runs the tests of every promise and the small benchmarks, and writes what came of it.

``make trust``, or ``python -m tests.trust.page [--date D] [--quick] [--no-figures]``. Exits 1 if a test
failed; the page is then written all the same and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.trust.promises import FIGURES, PROMISES, Figure, Promise

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"
KEPT = ROOT / "tests" / "trust" / "results.json"

INTRODUCTION = """\
# Promises

What anybody who trades on a Takt market may rely on, the tests that hold it, and what they last showed.
`make trust` runs every test named here and the small benchmarks, and writes this page anew. A test that
can not run on a machine is skipped and counted as such.
"""


def main() -> int:
    """Run, write the page, and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--date", default="")
    parser.add_argument("--quick", action="store_true", help="without the tests that are marked slow")
    parser.add_argument("--only", type=int, nargs="*", help="these promises; of others the last run stands")
    parser.add_argument("--no-figures", action="store_true", help="keep the figures of the last run")
    arguments = parser.parse_args()
    known: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    results: dict[str, Any] = {"date": arguments.date, "machine": _machine(), "quick": arguments.quick}
    results["tests"] = known.get("tests", {}) if arguments.only else {}
    results["figures"] = known.get("figures", {})
    for promise in PROMISES:
        if not arguments.only or promise.number in arguments.only:
            results["tests"][str(promise.number)] = outcome(promise, quick=arguments.quick)
            print(promise.number, promise.title, results["tests"][str(promise.number)], flush=True)  # noqa: T201
            _write(results)
    if not arguments.no_figures:
        results["figures"] = {figure.arguments[0]: measured(figure) for figure in FIGURES}
    _write(results)
    return int(any(counts.get("failed", 0) for counts in results["tests"].values()))


def _write(results: Mapping[str, Any]) -> None:
    KEPT.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results), encoding="utf-8")


def outcome(promise: Promise, *, quick: bool) -> dict[str, int]:
    """Run a promise's tests; return how many passed, failed and were skipped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        present = [test for test in promise.tests if (ROOT / test.partition("::")[0]).exists()]
        marked = "not slow" if quick else "slow or not slow"
        command = [sys.executable, "-m", "pytest", "-q", "-m", marked, f"--junitxml={report}"]
        subprocess.run([*command, *present], cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        if not report.exists():
            return {"failed": 1}
        counts: Counter[str] = Counter()
        for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - written by pytest just now
            tags = {child.tag for child in case}
            kind = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
            counts[kind] += 1
        return dict(counts)


def measured(figure: Figure) -> dict[str, Any]:
    """Run a benchmark; return its words and the load of the machine."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "figures.json"
        load = os.getloadavg()[0]
        run = subprocess.run(
            [sys.executable, "-m", *figure.arguments, "--json", str(found)],
            cwd=ROOT,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if run.returncode != 0 or not found.exists():
            return {"words": "did not run", "load": round(load, 1)}
        values = json.loads(found.read_text())
    named = values if isinstance(values, Mapping) else {"bids": 17 * values[0]["per_s"]}
    placed = () if isinstance(values, Mapping) else values
    return {"words": figure.show.format(*placed, **named), "load": round(load, 1)}


def page(results: Mapping[str, Any]) -> str:
    """Return the page of some results."""
    which = " without the slow tests" if results["quick"] else ""
    parts = [INTRODUCTION, f"\nLast run{which}: {results['date'] or 'undated'}, {results['machine']}.\n"]
    for promise in PROMISES:
        counts = results["tests"].get(str(promise.number), {})
        said = ", ".join(
            f"{counts[kind]:,} {kind}" for kind in ("passed", "failed", "skipped") if counts.get(kind)
        )
        parts.append(f"\n## {promise.number}. {promise.title}\n\n{promise.text}\n\n")
        parts.append(f"Tests: **{said or 'not run'}**\n\n")
        parts += [f"* `{test}`\n" for test in promise.tests]
        for figure in FIGURES:
            if figure.promise == promise.number:
                known = results["figures"].get(figure.arguments[0], {"words": "not measured", "load": "-"})
                parts.append(
                    f"\n{figure.what[0].upper()}{figure.what[1:]}: **{known['words']}** "
                    f"(goal: {figure.goal}; load of the machine {known['load']}; "
                    f"`python -m {' '.join(figure.arguments)}`)\n"
                )
    return "".join(parts)


def _machine() -> str:
    system = f"{platform.system()} {platform.machine()}"
    return f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}"


if __name__ == "__main__":
    raise SystemExit(main())
