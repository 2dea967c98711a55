"""What we ship and what we install: our import names, the lock file, the wheel, what files may not name."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SDK = tomllib.loads((ROOT / "sdk" / "pyproject.toml").read_text())["project"]
FOLDERS = {
    "agents": ROOT,
    "gateway": ROOT,
    "market": ROOT,
    "scenarios": ROOT,
    "takt_sdk": ROOT / "sdk",
}
"""Where each import name of ours lies; a folder with several is one distribution."""
LOCK = (ROOT / "requirements.lock").read_text()
STANZAS = [stanza for stanza in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE) if stanza]

# Spelled apart, so that this file does not name what it looks for.
INDEX_HOSTS = re.compile(
    "|".join(
        [
            r"py" + r"pi\.org",
            r"python" + r"hosted\.org",
            r"registry\.npm" + r"js",
            r"anaconda" + r"\.org",
            r"proxy\.go" + r"lang\.org",
            r"deb\." + r"debian\.org",
            r"(?:security|ftp|archive|snapshot)\." + r"debian\.org",
            r"archive\." + r"ubuntu\.com",
            r"--(?:extra-)?index-" + r"url[ =]",
            r"--find-" + r"links[ =]",
        ]
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.$}*-])/(?:" + r"work|root|home/\w+|opt/wheels|Users/\w+)/")


def committed_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def pins() -> dict[str, list[Requirement]]:
    """Return the lock's requirements by name; one name may have a version per Python."""
    found: dict[str, list[Requirement]] = {}
    for stanza in STANZAS:
        requirement = Requirement(stanza.split("\\")[0].strip())
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def wanted() -> list[Requirement]:
    extra = [
        line for line in (ROOT / "requirements.in").read_text().splitlines() if line[:1] not in {"", "#"}
    ]
    return [
        Requirement(text)
        for text in (
            *PROJECT["dependencies"],
            *PROJECT["optional-dependencies"]["test"],
            *SDK["dependencies"],
            *extra,
        )
        if canonicalize_name(Requirement(text).name) != SDK["name"]
    ]


@pytest.mark.parametrize("name", FOLDERS)
def test_an_import_name_is_ours_only(name: str) -> None:
    """``agents`` is also the import name of another well-known package, which must not be beside us."""
    others = set(importlib.metadata.packages_distributions().get(name, [])) - {PROJECT["name"], SDK["name"]}
    assert not others
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent == FOLDERS[name] / name


def test_the_command_is_installed() -> None:
    scripts = importlib.metadata.distribution("takt").entry_points.select(group="console_scripts")
    assert {(script.name, script.value) for script in scripts} == {("takt", "scenarios.cli:main")}


def test_no_committed_file_names_an_index_host_or_a_path_of_one_machine() -> None:
    offences = []
    for file in committed_files():
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for pattern in (INDEX_HOSTS, MACHINE_PATHS):
            offences += [f"{file.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
        if str(ROOT) != "/" and str(ROOT) in text:
            offences.append(f"{file.relative_to(ROOT)}: {ROOT}")
    assert offences == []


def test_the_lock_names_no_place_and_hashes_everything() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^-", LOCK, re.MULTILINE)
    assert [stanza.split()[0] for stanza in STANZAS if "--hash=sha256:" not in stanza] == []


def test_the_lock_holds_what_the_project_asks_for() -> None:
    locked = pins()
    missing = [
        str(want)
        for want in wanted()
        if not any(
            want.specifier.contains(next(iter(pin.specifier)).version)
            for pin in locked.get(canonicalize_name(want.name), [])
        )
    ]
    assert missing == []


def test_the_environment_is_the_locked_one() -> None:
    differing = []
    for name, requirements in pins().items():
        here = [r for r in requirements if r.marker is None or r.marker.evaluate()]
        for requirement in here:
            try:
                installed = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                installed = "nothing"
            if installed == "nothing" or not requirement.specifier.contains(installed):
                differing.append(f"{requirement.name}{requirement.specifier}: installed is {installed}")
    assert differing == []


def test_no_dependency_is_under_a_strong_copyleft() -> None:
    offending = []
    for name in pins():
        try:
            about: Message = importlib.metadata.metadata(name)  # type: ignore[assignment]
        except importlib.metadata.PackageNotFoundError:
            continue
        stated = [about.get("License-Expression") or "", *about.get_all("Classifier", [])]
        licences = [text for text in stated if "License ::" in text or text == stated[0]]
        if any(re.search(r"(?<!L)GPL|Affero|(?<!Lesser )General Public", text) for text in licences):
            offending.append(f"{name}: {licences}")
    assert offending == []


@pytest.mark.parametrize("folder", sorted(set(FOLDERS.values())), ids=lambda folder: folder.name)
def test_a_wheel_holds_its_own_packages_only(folder: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    own = {name for name, home in FOLDERS.items() if home == folder}
    assert {name for name in top if not name.endswith(".dist-info")} == own
    sources = {str(path.relative_to(folder)) for name in own for path in (folder / name).rglob("*.py")}
    assert sources <= set(names)
