"""Fetch packages of a Debian suite into a folder, without root and without touching the system.

The sources are derived from the machine's own apt sources (one-line and deb822), so that no host is
named here and apt's own signature checks stay in force. Standard library only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

APT = Path("/etc/apt")


class DebianError(RuntimeError):
    """A package could not be fetched; the message says why."""


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Return the fields of os-release; empty where there is none."""
    if not path.is_file():
        return {}
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def sources(apt: Path = APT) -> list[str]:
    """Return the machine's enabled ``deb`` sources, each as a deb822 stanza."""
    found = []
    for file in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]:
        if file.is_file():
            found += [stanza for line in file.read_text().splitlines() if (stanza := _from_one_line(line))]
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        found += [stanza.strip() for stanza in re.split(r"\n\s*\n", "\n".join(lines)) if stanza.strip()]
    return [
        stanza
        for stanza in found
        if "deb" in _field(stanza, "Types").split() and _field(stanza, "Enabled").lower() != "no"
    ]


def _from_one_line(line: str) -> str:
    """Return a one-line source as a deb822 stanza; empty for anything but a ``deb`` line."""
    match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line.strip())
    if match is None:
        return ""
    options, uri, suite, components = match.groups()
    names = {"signed-by": "Signed-By", "trusted": "Trusted", "arch": "Architectures"}
    stanza = ["Types: deb", f"URIs: {uri}", f"Suites: {suite}", f"Components: {components.strip()}"]
    for option in (options or "").split():
        key, _, value = option.partition("=")
        if key in names:
            stanza.append(f"{names[key]}: {value.replace(',', ' ')}")
    return "\n".join(stanza)


def _field(stanza: str, name: str) -> str:
    match = re.search(rf"^{name}:[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE | re.IGNORECASE)
    return match.group(1).strip() if match else ""


def for_suite(stanza: str, own: set[str], wanted: str) -> str:
    """Return the stanza for another suite of the same archive; empty if it is not the main archive's."""
    if not own & set(_field(stanza, "Suites").split()):
        return ""
    for field, value in (("Types", "deb"), ("Suites", wanted), ("Components", "main")):
        pattern = rf"^{field}:.*(?:\n[ \t].*)*"
        stanza = re.sub(pattern, f"{field}: {value}", stanza, flags=re.MULTILINE | re.IGNORECASE)
    return stanza + "\n"


def fetch(package: str, into: Path, *, suite: str | None = None, apt: Path = APT) -> str:
    """Unpack a package's files under ``into`` and return its version.

    ``suite`` None is the machine's own. Every source of the machine's main archive is tried in turn.
    """
    release = os_release()
    codename = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise DebianError(f"this is no Debian machine: ID was {release.get('ID', 'unknown')!r}")
    own = {name for name in (codename, "stable", "testing", "sid", "unstable") if name}
    stanzas = [derived for stanza in sources(apt) if (derived := for_suite(stanza, own, suite or codename))]
    if not stanzas:
        raise DebianError(f"no source of the Debian archive for {codename!r} in {apt}")
    failures = []
    for stanza in dict.fromkeys(stanzas):
        with tempfile.TemporaryDirectory(prefix="takt-apt-") as folder:
            try:
                return _fetch_from(stanza, package, into, Path(folder))
            except subprocess.CalledProcessError as error:
                failures.append(f"{' '.join(error.cmd[-2:])}: {error.stderr.strip() or error.stdout.strip()}")
    raise DebianError(f"apt could not fetch {package!r}: " + "; ".join(failures))


def _fetch_from(stanza: str, package: str, into: Path, work: Path) -> str:
    work.chmod(0o755)
    (work / "lists" / "partial").mkdir(parents=True)
    (work / "cache" / "archives" / "partial").mkdir(parents=True)
    listed = work / "takt.sources"
    listed.write_text(stanza)
    options = {
        "Dir::Etc::SourceList": listed,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "root",  # the folder is ours, not the download user's
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
    }
    apt_get = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]
    _run([*apt_get, "update", "--error-on=any"], work)
    _run([*apt_get, "download", package], work)
    (archive,) = work.glob("*.deb")
    version = _run(["dpkg-deb", "--field", str(archive), "Version"], work)
    into.mkdir(parents=True, exist_ok=True)
    _run(["dpkg-deb", "--extract", str(archive), str(into)], work)
    return version.strip()


def _run(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
