"""The conformance kit: who keeps the rules passes, and each planted fault is found under its rule."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agents.profile import Profile, SupplierProfile
from agents.profile_file import format_profile
from market.conformance.partners import AwaitedPartner, CommandPartner, Partner
from market.conformance.report import Report, play
from market.conformance.rules import RULES
from market.conformance.stage import Setting, staged
from takt_sdk.signing import Signer, user_seed
from tests.integration.agents_market import profiles
from tests.integration.bare_partner import BarePartner
from tests.integration.partner_market import PRICING

SOURCE = Path(__file__).parents[2] / "docs" / "partner-javascript"
SIDE_BY_SIDE = 12
CUSTOMERS = "An order (customers)"
"""The section of the rules that plants do not break: `test_conformance_customers`."""

FAULTS = {
    "never connects": "life.connect",
    "sends before it asks": "start.query",
    "does not sign": "sign.missing",
    "signs with a key of nobody": "sign.key",
    "signs another subject": "sign.bytes",
    "signs other bytes": "sign.bytes",
    "a header of its own": "sign.header",
    "another's name": "wire.sender",
    "no correlation id": "wire.conversation",
    "one id for all": "wire.message-id",
    "ignores what has a new field": "wire.more",
    "another subject": "wire.channel",
    "malformed heartbeat": "wire.message",
    "prices in fractions": "wire.message",
    "columns of two lengths": "wire.message",
    "counts from nought": "sequence.number",
    "counts down": "sequence.rising",
    "one number for all reports": "sequence.equivocation",
    "answers twice": "sequence.equivocation",
    "gives up": "retry.missing",
    "gives up reporting": "retry.missing",
    "new id on retry": "retry.same-bytes",
    "new number on retry": "retry.same-bytes",
    "hammers": "retry.pause",
    "ignores retry_after": "retry.after",
    "repeats a final refusal": "retry.final",
    "acknowledges first": "mailbox.early",
    "acts on repeats": "mailbox.repeat",
    "chokes on what it cannot read": "mailbox.acknowledge",
    "dies of an unknown kind": "life.alive",
    "never answers": "round.answer",
    "declines everything": "round.bid",
    "answers another round": "round.known",
    "answers too late": "round.late",
    "bids on a lot of others": "bid.lots",
    "bids on more than the lot": "bid.quantity",
    "bids outside the dates": "bid.dates",
    "works at another's site": "bid.site",
    "asks too much": "bid.limit",
    "binds too shortly": "bid.expires",
    "bids above its capacity": "bid.capacity",
    "sells capacity twice": "bid.booked",
    "never confirms": "contract.confirm",
    "starts before it confirms": "contract.order",
    "reports for another": "contract.known",
    "goes on with what has ended": "contract.over",
    "goes by its own clock": "time.future",
    "counts too many": "contract.quantity",
    "delivers what goes elsewhere": "contract.goods",
    "never reports": "contract.reported",
    "numbers anew after a restart": "start.numbering",
    "answers again after a restart": "start.again",
    "does not reconnect": "life.reconnect",
    "does not seal": "seal.plain",
    "seals for nobody": "seal.opens",
    "another's name inside the seal": "seal.inside",
    "seals without padding": "seal.size",
}
"""Fault of `BarePartner` → the rule under which it is found."""


async def conform(setting: Setting, partner: Partner, folder: Path) -> Report:
    home = folder / setting.participant
    await asyncio.to_thread(home.mkdir)
    async with staged(setting, partner, home, folder / f"{setting.participant}.creds") as stage:
        return await play(stage)


async def all_of(faults: Sequence[str], folder: Path) -> dict[str, Report]:
    """Play the market against a bare partner with each fault, some side by side."""
    free = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(number: int, fault: str) -> tuple[str, Report]:
        setting = Setting(participant=f"p{number}", patience_s=8.0, quiet_s=0.3, sealed=True)
        async with free:
            return fault, await conform(setting, BarePartner(fault), folder)

    return dict(await asyncio.gather(*(one(number, fault) for number, fault in enumerate(faults))))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    return asyncio.run(all_of(["", *FAULTS], tmp_path_factory.mktemp("faulty")))


@pytest.mark.slow
def test_a_bare_partner_without_a_fault_conforms(reports: dict[str, Report]) -> None:
    assert reports[""].passed, reports[""].text()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_under_its_rule(reports: dict[str, Report], fault: str) -> None:
    broken = reports[fault].broken
    assert broken is not None, reports[fault].text()
    assert broken.rule == FAULTS[fault], reports[fault].text()


@pytest.mark.slow
def test_every_rule_has_a_planted_fault_and_the_rate_is_told(reports: dict[str, Report]) -> None:
    found = [fault for fault, rule in FAULTS.items() if (b := reports[fault].broken) and b.rule == rule]
    print(f"{len(found)} of {len(FAULTS)} planted faults found under their rule")  # noqa: T201 - the figure
    assert set(FAULTS.values()) == {id_ for id_, rule in RULES.items() if rule.section != CUSTOMERS}


def joining(profile: Profile, folder: Path) -> tuple[Setting, str]:
    """Return what a company of the shipped agents is tested as, and how it joins."""
    file = folder / f"{profile.participant}.toml"
    file.write_text(format_profile(profile))
    command = "from agents.join_command import join; join()"
    setting = Setting(participant=profile.participant, site=profile.site, patience_s=30.0)
    if isinstance(profile, SupplierProfile):
        setting = replace(setting, kind="material", process="supply")
    words = "--creds {creds} --nats-url {url} --server-name {server}"
    return replace(setting, sealed=True), f"{sys.executable} -c '{command}' {file} {words}"


async def test_our_own_agents_conform(tmp_path: Path) -> None:
    plant, _, supplier, _ = profiles()
    pricing = tmp_path / "pricing.py"
    pricing.write_text(PRICING)
    words = "--creds {creds} --nats-url {url} --server-name {server}"
    agents = [
        joining(plant, tmp_path),
        joining(supplier, tmp_path),
        (
            Setting(participant="own", patience_s=30.0, sealed=True),
            f"{sys.executable} -m takt_sdk run {pricing} {words}",
        ),
    ]
    logs = [tmp_path / f"{setting.participant}.log" for setting, _ in agents]
    reports = await asyncio.gather(
        *(
            conform(setting, CommandPartner(command, log), tmp_path)
            for (setting, command), log in zip(agents, logs, strict=True)
        )
    )
    for report, log in zip(reports, logs, strict=True):
        assert report.passed, f"{report.text()}\n{log.read_text()}"
        assert [scene.name for scene in report.scenes][-1] == "sealing"


@pytest.mark.slow
@pytest.mark.parametrize("milestones", ["planned", "at_once"])
async def test_the_partner_in_javascript_conforms(tmp_path: Path, milestones: str) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed here")
    folder = tmp_path / "partner"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"))
    done = await asyncio.to_thread(
        subprocess.run,
        [npm, "ci", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        pytest.skip(f"npm cannot install the partner's dependency here: {done.stderr[-300:]!r}")
    plant = json.loads((SOURCE / "plant.json").read_text()) | {"report": milestones}
    (folder / "plant.json").write_text(json.dumps(plant))
    command = f"{node} {folder / 'partner.js'} {{creds}} {{url}} {folder / 'plant.json'} {{server}}"
    log = tmp_path / "partner.log"
    setting = Setting(patience_s=30.0, sealed=True)
    report = await conform(setting, CommandPartner(command, log), tmp_path)
    assert report.passed, f"{report.text()}\n{log.read_text()}"


def command_line(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-c",
        "from scenarios.cli import main; main()",
        "conform",
        "--creds",
        str(tmp_path / "acme.creds"),
        *options,
    ]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_names_the_rule_the_message_and_what_was_expected(tmp_path: Path) -> None:
    silent = f"{sys.executable} -c pass"
    done = command_line(
        tmp_path, "--partner", silent, "--patience", "5", "--json", str(tmp_path / "report.json")
    )
    assert done.returncode == 1, done.stderr
    assert "FAILED  joining" in done.stdout
    assert "life.alive: Nothing that the market says ends the participant." in done.stdout
    assert "acme: does not conform" in done.stdout
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["passed"], document["broken"]["rule"]) == (False, "life.alive")
    assert "exit code 0" in document["broken"]["happened"]


async def test_a_participant_with_a_key_of_its_own_gets_no_seed(tmp_path: Path) -> None:
    signer = Signer(user_seed(b"k" * 32))
    setting = Setting(patience_s=1.0)
    async with staged(
        setting, BarePartner("never connects"), tmp_path, tmp_path / "acme.creds", user_key=signer.key
    ) as stage:
        assert stage.referee.key == signer.key
    assert "SEED" not in (tmp_path / "acme.creds").read_text()


async def test_a_report_shows_the_message_that_broke_the_rule(tmp_path: Path) -> None:
    report = await conform(Setting(patience_s=5.0), BarePartner("bids above its capacity"), tmp_path)
    text = report.text()
    assert "bid.capacity: What a bid takes at least fits" in text
    assert "bid b0 takes 961 of mill" in text
    assert "at most 960" in text
    assert "takt.v1.conformance.bid.acme" in text
    assert (
        json.loads(json.loads(report.document())["broken"]["message"])["body"]["kind"] == "takt.bid_sheet.v1"
    )


@pytest.mark.slow
async def test_somebody_at_another_terminal_may_start_and_kill_it(tmp_path: Path) -> None:
    asked: list[str] = []
    hand = BarePartner()
    loop = asyncio.get_running_loop()

    class ByHand(AwaitedPartner):
        async def stop(self) -> None:
            await hand.stop()

    def do(what: str) -> None:
        asked.append(what.split(maxsplit=1)[0])
        words = what.removesuffix(". Then press Enter. ").split()
        step = (
            hand.kill()
            if asked[-1] == "Kill"
            else hand.start(Path(words[4].rstrip(",")), words[6], words[7].strip("()"))
        )
        asyncio.run_coroutine_threadsafe(step, loop).result(20.0)

    report = await conform(Setting(patience_s=8.0, quiet_s=0.3), ByHand(do), tmp_path)
    assert report.passed, report.text()
    assert asked == ["Start", "Kill", "Start", "Kill", "Start"]
