"""The rules that a participant is held to, each with a stable id. Words only; checks nothing.

Ids are promises: partners' build scripts name them. A rule may go, its id is never given to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from takt_sdk.errors import TaktError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a participant keeps to; ``section`` is the heading of ``docs/protocol.md`` that says so."""

    sentence: str
    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message of the participant's as it arrived."""

    subject: str
    body: bytes


class RuleBrokenError(TaktError):
    """The participant has broken a rule.

    Attributes
    ----------
    rule
        Its id.
    happened
        What the participant did, or did not do.
    expected
        What it should have done.
    sent
        The message that broke it; None where one is missing.
    """

    def __init__(self, rule: str, happened: str, expected: str, sent: Sent | None = None) -> None:
        assert rule in RULES, rule
        self.rule, self.happened, self.expected, self.sent = rule, happened, expected, sent
        super().__init__(f"{rule}: {happened}; expected: {expected}")


def _rules(section: str, sentences: Mapping[str, str]) -> dict[str, Rule]:
    return {id_: Rule(sentence=sentence, section=section) for id_, sentence in sentences.items()}


RULES: Mapping[str, Rule] = {
    **_rules(
        "After a crash",
        {
            "start.query": "Before anything new is sent, the market is asked how things stand.",
            "start.again": "A call whose answer the market has is not answered again after a restart.",
            "start.numbering": "After a restart numbers go on from the highest that the market has.",
        },
    ),
    **_rules(
        "Signing",
        {
            "sign.missing": "Every request carries `Takt-Key` and `Takt-Signature`.",
            "sign.key": "The key is the one that the operator admitted.",
            "sign.bytes": "The signature is over the three lines `takt.v1`, subject and exact body.",
            "sign.header": "No other header begins with `Takt-`.",
        },
    ),
    **_rules(
        "The envelope",
        {
            "wire.message": "A message keeps to its JSON Schema and to the rules beside it.",
            "wire.channel": "A kind travels on the subject that carries it.",
            "wire.sender": "`sender` is the participant of the subject.",
            "wire.conversation": (
                "`correlation_id` is the round of an answer, the contract of a milestone, else empty."
            ),
            "wire.message-id": "A `message_id` belongs to one message.",
        },
    ),
    **_rules(
        "Versions",
        {"wire.more": "Fields of the market's messages that a participant does not know are ignored."},
    ),
    **_rules(
        "Sequences",
        {
            "sequence.number": "Answers and milestones are numbered from 1 on; elsewhere the number is 0.",
            "sequence.equivocation": "A number has one body, for ever.",
            "sequence.rising": "No number is lower than one already used in its conversation.",
        },
    ),
    **_rules(
        "Receipts and refusals",
        {
            "retry.missing": "What got no answer, `Takt-Failed` or a retryable refusal is sent again.",
            "retry.same-bytes": "It is sent again in the same bytes.",
            "retry.pause": "Between attempts there is a pause, at first of 50 ms, that grows.",
            "retry.after": "After a refusal with `retry_after_us` nothing is sent again before that time.",
            "retry.final": "What was refused for good is not sent again, whatever its code.",
        },
    ),
    **_rules(
        "The mailbox",
        {
            "mailbox.acknowledge": (
                "Every message is acknowledged: also those of an unknown kind, and those that cannot be read."
            ),
            "mailbox.early": "A call is acknowledged after its answer has a receipt, not before.",
            "mailbox.repeat": "A message that comes again is acknowledged and nothing else follows.",
        },
    ),
    **_rules(
        "A round",
        {
            "round.answer": "A call is answered before its deadline, by a sheet or a refusal.",
            "round.bid": "A call for work that the participant says it can do is answered by bids.",
            "round.known": "Only rounds that called the participant are answered.",
            "round.late": "A call whose deadline has passed is not answered.",
        },
    ),
    **_rules(
        "The bid sheet",
        {
            "bid.lots": "Bids are on lots of the call.",
            "bid.quantity": "A bid takes at most the lot's quantity, of lots of one order.",
            "bid.dates": "Bids lie inside the dates of their lots, capacities inside the call's periods.",
            "bid.site": "Work is done at a site of the participant's.",
            "bid.limit": "Number of bids, prices and emissions stay within the call's limits.",
            "bid.expires": "A sheet binds at least until the deadline.",
            "bid.capacity": "What a bid takes at least fits into the capacity that its sheet declares.",
            "bid.booked": "Capacity that running contracts take is not offered again.",
        },
    ),
    **_rules(
        "Sealed bids",
        {
            "seal.plain": "Answers are sealed exactly where the call has a key.",
            "seal.opens": "A sealed answer opens with the round's key.",
            "seal.inside": "Inside stand market, round, sender and sequence of call and envelope.",
            "seal.size": "A sealed answer is at least as long as the call asks for.",
        },
    ),
    **_rules(
        "A contract",
        {
            "contract.confirm": "An award is confirmed or refused within the market's time.",
            "contract.known": "Milestones are of contracts of the participant's own.",
            "contract.order": "A milestone is one that the contract's state allows.",
            "contract.over": "A contract that is at risk, ended or settled gets no more milestones.",
            "contract.quantity": "A milestone counts lots of the contract, at most their quantity.",
            "contract.goods": "Shipped is what has somewhere to go, delivered what goes to the customer.",
            "contract.reported": "Planned milestones are reported once their time has come.",
        },
    ),
    **_rules(
        "An order (customers)",
        {
            "order.placed": "A participant that buys places its orders.",
            "order.key": "An idempotency key has one order, for ever.",
            "order.again": (
                "An order that has no answer yet, or was placed before a restart, gets no second key."
            ),
            "order.part": "An order is for a part that was published, or brings its plan.",
            "order.dates": "An order is due after the market's time.",
            "order.known": "What is changed or cancelled is an order of the participant's own.",
            "order.over": "An order that has ended is neither changed nor cancelled.",
            "order.cancelled": "A participant that says it cancels an order does.",
            "change.asked": "A participant that says it changes an order asks for the price and accepts it.",
            "change.quoted": "Only a price that was quoted for the order is accepted, while it holds.",
        },
    ),
    **_rules(
        "Time",
        {"time.future": "No milestone is later than the market's time."},
    ),
    **_rules(
        "Connecting",
        {
            "life.connect": "The participant connects with its credentials and speaks.",
            "life.alive": "Nothing that the market says ends the participant.",
            "life.reconnect": "After a restart of the server the mailbox is pulled again.",
        },
    ),
}
"""Id → rule, in the order of the page."""
