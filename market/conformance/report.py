"""What came of a run, as text and as JSON. Plays nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from market.conformance.customer_scenes import CustomerScript
from market.conformance.rules import RULES, RuleBrokenError
from market.conformance.scenes import Script
from market.conformance.stage import Stage
from market.engine.transitions import ORDER_TRANSITIONS
from market.protocol.machines import PARTICIPANT_CONTRACT, PARTICIPANT_ROUND

_SHOWN = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A scene that was played; ``broken`` is the rule that ended it."""

    name: str
    title: str
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of one participant: the scenes played, the first rule broken, the transitions seen."""

    participant: str
    scenes: tuple[Scene, ...]
    broken: RuleBrokenError | None
    requests: int
    heartbeats: int
    rounds_seen: int
    contracts_seen: int
    orders_seen: int

    @property
    def passed(self) -> bool:
        """Whether no rule was broken."""
        return self.broken is None

    def text(self) -> str:
        """Return the report for people."""
        lines = [
            f"{'FAILED' if scene.broken else 'passed'}  {scene.name}: {scene.title}" for scene in self.scenes
        ]
        if self.broken is not None:
            lines += ["", *_told(self.broken)]
        of_round = f"{self.rounds_seen} of {len(PARTICIPANT_ROUND)} transitions of a round"
        of_contract = f"{self.contracts_seen} of {len(PARTICIPANT_CONTRACT)} of a contract"
        seen = f"{of_round} and {of_contract} seen"
        if self.orders_seen:
            seen = f"{self.orders_seen} of {len(ORDER_TRANSITIONS)} transitions of an order seen"
        lines += [
            "",
            f"{self.requests} requests, {self.heartbeats} heartbeats; {seen}",
            f"{self.participant}: {'conforms' if self.passed else 'does not conform'}",
        ]
        return "\n".join(lines)

    def document(self) -> str:
        """Return the report as JSON."""
        broken = self.broken
        found: dict[str, object] | None = None
        if broken is not None:
            found = {
                "rule": broken.rule,
                "sentence": RULES[broken.rule].sentence,
                "section": RULES[broken.rule].section,
                "happened": broken.happened,
                "expected": broken.expected,
                "subject": broken.sent.subject if broken.sent else "",
                "message": broken.sent.body.decode(errors="replace") if broken.sent else "",
            }
        document = {
            "kind": "takt.conformance_report.v1",
            "participant": self.participant,
            "passed": self.passed,
            "broken": found,
            "scenes": [
                {"name": one.name, "title": one.title, "passed": not one.broken} for one in self.scenes
            ],
            "requests": self.requests,
            "heartbeats": self.heartbeats,
            "transitions": {
                "round": [self.rounds_seen, len(PARTICIPANT_ROUND)],
                "contract": [self.contracts_seen, len(PARTICIPANT_CONTRACT)],
                "order": [self.orders_seen, len(ORDER_TRANSITIONS)],
            },
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _told(broken: RuleBrokenError) -> list[str]:
    rule = RULES[broken.rule]
    lines = [
        f"{broken.rule}: {rule.sentence}",
        f"  happened  {broken.happened}",
        f"  expected  {broken.expected}",
        f"  see       docs/protocol.md, {rule.section}",
    ]
    if broken.sent is not None:
        body = broken.sent.body.decode(errors="replace")
        shown = body if len(body) <= _SHOWN else f"{body[:_SHOWN]}... ({len(broken.sent.body)} bytes)"
        lines += [f"  subject   {broken.sent.subject}", f"  message   {shown}"]
    return lines


async def play(stage: Stage) -> Report:
    """Play every scene, up to the first rule that is broken."""
    script = CustomerScript(stage) if stage.setting.customer else Script(stage)
    played: list[Scene] = []
    broken: RuleBrokenError | None = None
    for name, title, scene in script.scenes():
        try:
            await scene()
        except RuleBrokenError as error:
            broken = error
        played.append(Scene(name=name, title=title, broken=broken.rule if broken else ""))
        if broken is not None:
            break
    return _report(stage, played, broken)


def _report(stage: Stage, scenes: Sequence[Scene], broken: RuleBrokenError | None) -> Report:
    seen = stage.book.seen
    return Report(
        participant=stage.setting.participant,
        scenes=tuple(scenes),
        broken=broken,
        requests=stage.referee.requests,
        heartbeats=stage.referee.heartbeats,
        rounds_seen=len(seen & PARTICIPANT_ROUND.keys()),
        contracts_seen=len(seen & PARTICIPANT_CONTRACT.keys()),
        orders_seen=len(stage.book.bought.seen),
    )
