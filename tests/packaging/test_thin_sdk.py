"""`takt-sdk` alone in a fresh environment: what it brings, what it weighs, that a partner joins with it."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import psutil
import pytest

from tests.integration.partner_market import PRICING, partner_market, process, until

ROOT = Path(__file__).parents[2]
HEAVY = {"ray", "fastapi", "uvicorn", "pulp", "highspy", "numpy", "scipy", "numba", "sqlalchemy", "httpx"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the SDK's wheel into an environment of its own and return its Python."""
    folder = tmp_path_factory.mktemp("thin")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT / "sdk",
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    interpreter = folder / "env" / "bin" / "python"
    installed = subprocess.run(
        [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if installed.returncode:
        pytest.skip(f"pip cannot install the SDK's dependencies here: {installed.stderr[-300:]}")
    return interpreter


def test_it_brings_nothing_heavy(python: Path) -> None:
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert not names & HEAVY
    site = next((python.parents[1] / "lib").glob("python*/site-packages"))
    size = sum(
        file.stat().st_size
        for file in site.rglob("*")
        if file.is_file() and not file.is_symlink() and not file.relative_to(site).parts[0].startswith("pip")
    )
    print(f"installed: {len(names) - 1} packages, {size / 1e6:.1f} MB without pip")  # noqa: T201 - a figure
    assert size < 40e6


def test_it_starts_in_less_than_a_second_of_cpu(python: Path) -> None:
    code = "import takt_sdk.simple, time, sys; print(time.process_time(), *sorted(sys.modules))"
    runs = [
        subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, check=True, timeout=120
        ).stdout.split()
        for _ in range(5)
    ]
    assert not {name.split(".")[0] for name in runs[0][1:]} & HEAVY
    cpu_s = min(float(run[0]) for run in runs)
    print(f"import takt_sdk.simple: {cpu_s:.2f} s of CPU")  # noqa: T201 - a figure
    assert cpu_s < 1.0


async def test_a_partner_joins_and_wins_with_it(python: Path, tmp_path: Path) -> None:
    (tmp_path / "pricing.py").write_text(PRICING)
    log = tmp_path / "acme.log"
    async with partner_market(tmp_path, "acme") as market:
        command = (
            *(str(python.parent / "takt-join"), "run", str(tmp_path / "pricing.py")),
            *("--creds", str(market.creds("acme")), "--nats-url", market.server.url),
        )
        async with process(*command, log=log) as running:
            order = await market.order()
            await until(lambda: market.state(order) == "confirmed", log.read_text)
            resident = psutil.Process(running.pid).memory_info().rss
            print(f"running: {resident / 1e6:.0f} MB resident")  # noqa: T201 - a figure
    assert "won c-" in log.read_text()
    assert (tmp_path / "acme.outbox.db").stat().st_mode & 0o077 == 0
