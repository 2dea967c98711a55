"""``takt audit``: an auditor's own copy of a market's whole log, checked as it comes."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import click

from market.adapters.log_copy import LogCopy
from market.errors import AuditError
from market.journal_errors import JournalError
from market.service.following import Following
from takt_sdk.codec import DecodeError, decode_reply, encode
from takt_sdk.errors import BusClosedError, BusRefusedError, BusRequestError, BusTimeoutError
from takt_sdk.joining import join
from takt_sdk.model.messages import Envelope, Refused
from takt_sdk.model.proof import LogReply
from takt_sdk.nats.credentials import CredentialsFile, CredentialsFileError
from takt_sdk.nats.creds import market_key_of
from takt_sdk.nats.tls import pinned
from takt_sdk.ports import ParticipantBus
from takt_sdk.process import until_signal

FILE = click.Path(dir_okay=False, path_type=Path)
_ANSWER_S = 10.0
_EVERY_S = 1.0
_PATIENCE = 5
"""Requests in a row without an answer after which a copy that is not to follow gives up."""


@click.command("audit")
@click.argument("copy", type=FILE)
@click.option("--creds", required=True, type=FILE, help="What `takt partner add NAME --role auditor` wrote.")
@click.option("--seed", type=FILE, help="Your own key, where the .creds file holds a JWT only.")
@click.option("--nats-url", required=True, help="Where the market is, e.g. tls://host:4222.")
@click.option("--server-name", default=None, help="Refuse a server of another name.")
@click.option("--tls-ca", type=FILE, help="The only authority to trust (PEM).")
@click.option("--market-key", default="", help="The market's public key.  [default: that in the .creds file]")
@click.option("--follow", is_flag=True, help="Go on with what is written, until stopped.")
def audit(
    copy: Path,
    creds: Path,
    seed: Path | None,
    nats_url: str,
    server_name: str | None,
    tls_ca: Path | None,
    market_key: str,
    follow: bool,  # noqa: FBT001 - a flag
) -> None:
    """Bring COPY up to date with a market's log, entry by entry, each under a head that the market signed.

    You are an auditor whom the market's rules name. Ends with status 1 at the first thing that is wrong.
    `takt verify COPY` then decides everything again, offline.
    """
    try:
        credentials = CredentialsFile(creds, seed)
        key = market_key or market_key_of(credentials.read())
        with LogCopy(copy) as stored:
            following = Following(stored.chain(), market=credentials.market, market_key=key)
            tls = None if tls_ca is None else pinned(tls_ca)
            session = _Session(nats_url, credentials, server_name, tls)
            asyncio.run(until_signal(_keep_up(session, following, stored, follow=follow)))
    except AuditError as error:
        raise click.ClickException(f"WRONG ({error.kind}): {error}") from error
    except (BusRefusedError, CredentialsFileError, JournalError, DecodeError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"right: {following.size} entries\ntree   {following.root.hex()}")


class _Session:
    """An auditor's connection, made anew where the server has ended it: with credentials as they are then."""

    def __init__(
        self, url: str, credentials: CredentialsFile, server_name: str | None, tls: ssl.SSLContext | None
    ) -> None:
        self._url, self._credentials, self._server_name, self._tls = url, credentials, server_name, tls
        self._bus: ParticipantBus | None = None

    async def ask(self, following: Following) -> LogReply | None:
        """Return the market's answer to what is to be asked next; None if there was none in time."""
        credentials = self._credentials
        if self._bus is not None and credentials.renewed():
            await self.close()
        if self._bus is None:
            self._bus = await join(
                self._url,
                credentials.read(),
                credentials.market,
                credentials.participant,
                server_name=self._server_name,
                tls=self._tls,
            )
        query = following.query
        envelope = Envelope(
            message_id=f"log-{query.start}-{query.offset}",
            correlation_id="",
            causation_id="",
            sender=credentials.participant,
            sequence=0,
            occurred_us=0,
            body=query,
        )
        try:
            answer = await self._bus.request("query", encode(envelope), timeout_s=_ANSWER_S)
        except BusClosedError:
            await self.close()
            return None
        except (BusTimeoutError, BusRequestError):
            return None
        reply = decode_reply(answer)
        if isinstance(reply, Refused) and reply.retryable:
            return None
        if not isinstance(reply, LogReply):
            raise click.ClickException(reply.detail if isinstance(reply, Refused) else f"got {reply.kind}")
        return reply

    async def close(self) -> None:
        """Release the connection."""
        if self._bus is not None:
            bus, self._bus = self._bus, None
            await bus.close()


async def _keep_up(session: _Session, following: Following, copy: LogCopy, *, follow: bool) -> None:
    """Take what is new into the copy: all that there is, or for ever."""
    unanswered = 0
    try:
        while True:
            try:
                reply = await session.ask(following)
            except BusRefusedError:
                if not (follow and following.complete):
                    raise
                reply = None
            if reply is None:
                unanswered += 1
                if not follow and unanswered == _PATIENCE:
                    raise click.ClickException(f"the market does not answer; have {following.size} entries")
                await asyncio.sleep(_EVERY_S)
                continue
            unanswered = 0
            copy.append(*following.take(reply))
            if following.complete and not follow:
                return
            if following.complete:
                await asyncio.sleep(_EVERY_S)
    finally:
        await session.close()
