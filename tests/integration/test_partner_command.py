"""`takt partner` and `takt join` as their users type them, against a market in a process of its own."""

from __future__ import annotations

import json
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from click.testing import CliRunner

from scenarios.cli import main
from takt_sdk.nats.creds import claims_of, jwt_of, market_key_of
from tests.integration.live_market import (
    SMOKE,
    Market,
    market,
    plates,
    program,
    submit,
    wait_for,
    wait_for_state,
    written_profiles,
)

BEAT = ("--takt-s", "2", "--response-s", "1")


def ran(*arguments: str) -> str:
    """Return what a ``takt`` command printed; it must succeed."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def failed(*arguments: str) -> str:
    """Return what a ``takt`` command that must fail says."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    return " ".join(done.output.split())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(tmp_path_factory.mktemp("market") / "m", "--empty", *BEAT) as running:
        yield running


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """Write the profile of a plant of the smoke scenario."""
    return written_profiles(tmp_path)["paris-mill"]


def row(live: Market, name: str) -> list[str]:
    """Return a company's line in the list."""
    lines = ran("partner", "list", "--data", str(live.folder)).splitlines()
    return next(line.split() for line in lines if line.startswith(f"{name} "))


def test_a_partner_is_admitted_suspended_reinstated_renewed_rotated_revoked_and_taken_in_again(
    tmp_path: Path, live: Market
) -> None:
    data, creds = ("--data", str(live.folder)), tmp_path / "acme.creds"
    add = ("partner", "add", "acme", "--role", "plant", "--site", "paris", "--out", str(creds), *data)
    said = ran(*add, "--expires", "2", "--max-payload", "65536", "--max-connections", "2")
    assert "admitted acme (plant)" in said
    assert "it will be called on nothing" in said  # a site, and nothing that it can make there
    claims = claims_of(jwt_of(creds.read_text()))
    assert (claims["exp"] - claims["iat"], claims["nats"]["payload"]) == (2 * 86_400, 65_536)
    assert row(live, "acme")[1:3] == ["plant", "active"]
    assert row(live, "acme")[4] == claims["sub"]
    assert "acme is admitted already" in failed(*add)

    ran("partner", "suspend", "acme", "--reason", "late", *data)
    assert row(live, "acme")[2] == "suspended"
    ran("partner", "reinstate", "acme", *data)
    assert row(live, "acme")[2] == "active"
    assert "no such suspended participant" in failed("partner", "reinstate", "acme", *data)

    before = creds.read_text()
    ran("partner", "renew", "acme", "--expires", "9", "--out", str(creds), *data)
    renewed = claims_of(jwt_of(creds.read_text()))
    assert (renewed["sub"], renewed["nats"]["payload"]) == (claims["sub"], 65_536)
    assert renewed["exp"] > claims["exp"]
    assert creds.read_text().split("SEED")[1] == before.split("SEED")[1]

    ran("partner", "rotate", "acme", "--out", str(creds), *data)
    rotated = claims_of(jwt_of(creds.read_text()))
    assert rotated["sub"] != claims["sub"]
    assert row(live, "acme")[3:] == ["always", rotated["sub"]]

    ran("partner", "revoke", "acme", "--reason", "gone", *data)
    assert row(live, "acme")[2:4] == ["revoked", "revoked"]
    assert "its credentials are revoked" in failed("partner", "renew", "acme", *data)
    ran(*add, "--replace")
    assert row(live, "acme")[2:4] == ["active", "always"]
    assert creds.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("revoke", "nobody"), "nobody"),
        (("rotate", "nobody"), "no credentials were issued here; was 'nobody'"),
        (("renew", "nobody"), "no credentials were issued here; was 'nobody'"),
        (("add", "own", "--role", "plant", "--site", "paris", "--key", "UABC"), "was 'UABC'"),
        (("add", "far", "--role", "plant", "--site", "atlantis"), "no such site"),
    ],
)
def test_what_an_operator_gives_wrong_is_named(live: Market, arguments: tuple[str, ...], said: str) -> None:
    assert said in failed("partner", *arguments, "--data", str(live.folder))


def test_join_tells_what_it_bids_wins_and_does_and_why_it_is_cut_off(
    tmp_path: Path, live: Market, profile: Path
) -> None:
    creds, name = tmp_path / "p.creds", profile.stem
    where = ("--out", str(creds), "--data", str(live.folder))
    ran("partner", "add", name, "--role", "plant", "--profile", str(profile), *where)
    command = ("join", str(profile), "--creds", str(creds), "--nats-url", live.nats_url)
    with program((*command, "--server-name", live.said(r"server +(\S+)")), tmp_path / "join.log") as joined:
        joined.wait_until_printed("connected: 0 open calls")
        with live.customer() as client:
            order = submit(client, "join-1", plates() | {"good_for_takts": 2}).json()
            joined.wait_until_printed("called r-")
            joined.wait_until_printed("bid in r-")
            wait_for_state(client, order["id"], {"unserved"})  # nobody sells blanks
        joined.wait_until_printed("lost r-")
        start_s = time.monotonic()
        ran("partner", "revoke", name, "--data", str(live.folder))
        links = psutil.Process(joined.process.pid).net_connections
        wait_for(lambda: not any(one.status == "ESTABLISHED" for one in links()), "cut off", 2.0)
        took_s = time.monotonic() - start_s
        print(f"revoked: the live connection is gone after {took_s:.2f} s")  # noqa: T201 - the figure
        assert took_s < 2.0
        wait_for(lambda: "refused the credentials" in joined.printed(), "told that it is cut off", 5.0)
        assert joined.stop(signal.SIGTERM) == 0
        assert joined.printed().count("cannot connect") <= 4  # said less and less often
    assert (tmp_path / f"{name}.outbox.db").exists()
    assert "refused the credentials" in failed(*command)


def test_a_partner_with_a_key_of_its_own_gets_a_jwt_only(tmp_path: Path, live: Market, profile: Path) -> None:
    seed, creds, name = tmp_path / "own.nk", tmp_path / "own.creds", profile.stem
    made = subprocess.run(
        [sys.executable, "-m", "takt_sdk", "key", str(seed)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    key = made.stdout.strip()
    where = ("--out", str(creds), "--data", str(live.folder), "--replace")
    ran("partner", "add", name, "--role", "plant", "--profile", str(profile), "--key", key, *where)
    assert "SEED" not in creds.read_text()
    assert row(live, name)[4] == key
    command = ("join", str(profile), "--creds", str(creds), "--nats-url", live.nats_url)
    with program((*command, "--seed", str(seed)), tmp_path / "own.log") as joined:
        joined.wait_until_printed("connected: ")
        assert joined.stop(signal.SIGTERM) == 0
    assert "holds no key" in failed(*command)


@pytest.mark.slow
def test_keys_are_moved_off_and_a_partner_issued_elsewhere_joins_and_is_cut_off(
    tmp_path: Path, profile: Path
) -> None:
    folder, vault, post = tmp_path / "m", tmp_path / "vault", tmp_path / "post"
    name, data = profile.stem, ("--data", str(tmp_path / "m"))
    with market(folder, "--empty", *BEAT):
        assert "stop it first" in failed("partner", "export-keys", str(vault), *data)
    ran("partner", "export-keys", str(vault), *data)
    assert not list((folder / "nats" / "keys").glob("*.nk"))
    issue = ("partner", "issue", name, "--keys", str(vault), "--out", str(post))
    said = ran(*issue, "--expires", "30")
    key = re.search(r"key (U\w+)", said)
    assert key is not None
    creds = post / f"{name}.creds"
    assert market_key_of(creds.read_text()).startswith("A")
    with market(folder, "--empty", *BEAT) as live:
        assert "kept elsewhere" in failed("partner", "add", name, "--role", "plant", *data)
        admitted = ("partner", "add", name, "--role", "plant", "--profile", str(profile), *data)
        ran(*admitted, "--key", key.group(1))
        (claim,) = post.glob("*.jwt")
        shutil.copy(claim, folder / "nats" / "claims")
        command = ("join", str(profile), "--creds", str(creds), "--nats-url", live.nats_url)
        wait_for((folder / "nats" / "accounts" / claim.name).exists, "the claim is taken")
        with program(command, tmp_path / "join.log") as joined:
            joined.wait_until_printed("connected: ")
            ran(*issue, "--revoke")
            shutil.copy(claim, folder / "nats" / "claims")
            wait_for(lambda: "refused the credentials" in joined.printed(), "cut off", 5.0)
            assert joined.stop(signal.SIGTERM) == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_market_with_tls_is_joined_by_whom_trusts_its_certificate(tmp_path: Path, profile: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=takt test"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    listen = ("--nats-host", "0.0.0.0", "--http-host", "127.0.0.1")  # noqa: S104 - what is tested
    here = ("--data", str(tmp_path / "m"), "--scenario", str(SMOKE), "--empty")
    refused = CliRunner().invoke(main, ["up", *here, *listen])
    assert refused.exit_code == 2
    assert "needs --tls-cert and --tls-key" in " ".join(refused.output.split())
    tls = (*listen, "--tls-cert", str(cert), "--tls-key", str(key))
    with market(tmp_path / "m", "--empty", *BEAT, *tls) as live:
        trusting = ssl.create_default_context(cafile=str(cert))
        page = live.said(r"page +(https://\S+)/")
        assert httpx.get(f"{page}/v1/health", verify=trusting).status_code < 500
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{page}/v1/health")
        creds, data = tmp_path / "p.creds", ("--data", str(live.folder))
        ran(
            "partner",
            "add",
            profile.stem,
            "--role",
            "plant",
            "--profile",
            str(profile),
            "--out",
            str(creds),
            *data,
        )
        address = json.loads((live.folder / "market.json").read_text())
        assert address["nats_url"].startswith("tls://127.0.0.1:")
        command = ("join", str(profile), "--creds", str(creds), "--nats-url", address["nats_url"])
        with program((*command, "--tls-ca", str(cert)), tmp_path / "join.log") as joined:
            joined.wait_until_printed("connected: ")
            assert joined.stop(signal.SIGTERM) == 0
        assert "is not trusted" in failed(*command)
        failed(*command[:-1], address["nats_url"].replace("tls://", "nats://"))
        other = failed(*command, "--tls-ca", str(cert), "--server-name", "takt-smoke-other")
        assert "must be 'takt-smoke-other'" in other
