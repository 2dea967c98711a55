"""``takt up``: the embedded market with gateway, page and companies on Ray, until stopped."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import click

from agents.hosts.assignment import Assignment, NatsAddress
from agents.hosts.ray_host import RayFleet
from agents.profile import CustomerProfile, PlantProfile
from gateway.instants import format_instant
from market.adapters.addresses import LOOPBACK, is_loopback
from market.engine.admission import OPERATOR
from market.journal_errors import JournalError
from market.model.commands import ChangeRules, OpenMarket, PublishMarketKey, RotateKey
from market.model.contract_rules import STANDARD
from market.model.rules import SECOND_US, Rules
from market.ports import Escrow
from market.service.clearing_worker import ProcessClearer
from scenarios.embedded import RunningMarket, embedded_market
from scenarios.errors import RunError, ScenarioError
from scenarios.escrow_command import escrow_at
from scenarios.local_ray import local_ray
from scenarios.market_file import with_market_file
from scenarios.market_folder import Listen, MarketFolder, Ports, key_digest
from scenarios.population import Population, build
from scenarios.runner import operate
from scenarios.scenario import load_scenario
from scenarios.signing_keys import creds_of, with_key
from scenarios.stopping import Stop
from takt_sdk.errors import BusError
from takt_sdk.model.messages import PublishPart, Receipt
from takt_sdk.model.values import DAY_US, PeriodGrid
from takt_sdk.wall_clock import WallClock

DEFAULT_SCENARIO = Path(__file__).parent / "library" / "european-job-shops"
TICK_S = 0.25
TAKT_S, RESPONSE_S = 60, 20
RETENTION_US, HEARD_US = 90 * DAY_US, 45 * SECOND_US
MESSAGES_PER_S = 200
"""Rules of a new market that runs by the wall; a company's heartbeat comes every 10 s."""

SECONDS = click.IntRange(1, 86_400)
PORT = click.IntRange(0, 65_535)
PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("up")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("runs/market"),
    show_default=True,
    is_eager=True,
    callback=with_market_file,
    help="Folder of the market; market.toml in it may say where to listen.",
)
@click.option(
    "--scenario",
    type=click.Path(exists=True, path_type=Path),
    default=DEFAULT_SCENARIO,
    help="Whose companies to host.  [default: european-job-shops]",
)
@click.option("--empty", is_flag=True, help="Host no companies: partners bring their own.")
@click.option("--http-port", type=PORT, default=0, help="Default: the one it had, or a free one.")
@click.option("--nats-port", type=PORT, default=0, help="Default: the one it had, or a free one.")
@click.option("--http-host", default=LOOPBACK, show_default=True, help="0.0.0.0: on every interface.")
@click.option("--nats-host", default=LOOPBACK, show_default=True, help="0.0.0.0: on every interface.")
@click.option("--tls-cert", type=PEM, help="Certificate (chain) for HTTP and NATS, as PEM.")
@click.option("--tls-key", type=PEM, help="Its private key, as PEM.")
@click.option(
    "--plain-text/--no-plain-text",
    default=False,
    help="Without TLS on other addresses than loopback too.",
)
@click.option("--database-url", help="Journal in PostgreSQL; default: a file in the folder.")
@click.option("--hosts", type=click.IntRange(1, 1000), default=2, show_default=True, help="Ray actors.")
@click.option("--ray-address", default=None, help="A running Ray; default: one of its own.")
@click.option("--takt-s", type=SECONDS, help=f"Default: {TAKT_S}, or what the market has.")
@click.option("--response-s", type=SECONDS, help=f"Default: {RESPONSE_S}, or what the market has.")
@click.option("--sealed/--open-bids", default=None, help="Default: open, or what the market has.")
@click.option(
    "--escrow", metavar="[tls://]HOST:PORT", help="A running `takt escrow`; default: a child process."
)
@click.option(
    "--escrow-token", type=click.Path(exists=True, path_type=Path), help="The token file of that escrow."
)
@click.option("--escrow-ca", type=PEM, help="The only authority to trust for that escrow (PEM).")
def up(
    data: Path,
    scenario: Path,
    empty: bool,  # noqa: FBT001 - a flag
    http_port: int,
    nats_port: int,
    http_host: str,
    nats_host: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    plain_text: bool,  # noqa: FBT001 - a flag
    database_url: str | None,
    hosts: int,
    ray_address: str | None,
    takt_s: int | None,
    response_s: int | None,
    sealed: bool | None,  # noqa: FBT001 - a flag
    escrow: str | None,
    escrow_token: Path | None,
    escrow_ca: Path | None,
) -> None:
    """Run a market until Ctrl-C; started again on the same folder, it goes on where it was."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        population = _live(build(load_scenario(scenario)))
        beat = Beat(takt_s=takt_s, response_s=response_s, sealed=sealed)
        beat.of(population.rules)
        ports = Ports(http=http_port, nats=nats_port)
        listen = _listen(http_host, nats_host, tls_cert, tls_key, plain_text=plain_text)
        asyncio.run(
            _up(
                population,
                beat,
                MarketFolder(data),
                database_url,
                ports,
                listen,
                None if empty else hosts,
                ray_address,
                escrow_at(escrow, escrow_token, escrow_ca),
            )
        )
    except (ScenarioError, RunError, JournalError, BusError) as error:
        raise click.ClickException(str(error)) from error
    except asyncio.CancelledError:
        raise click.ClickException("stopped before the market was up") from None


def _listen(
    http_host: str, nats_host: str, tls_cert: Path | None, tls_key: Path | None, *, plain_text: bool
) -> Listen:
    """Return where to listen; keys and prices travel without TLS on this machine only, unless told so."""
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    for option, host in (("--http-host", http_host), ("--nats-host", nats_host)):
        if tls_cert is None and not plain_text and not is_loopback(host):
            raise click.BadParameter(
                f"needs --tls-cert and --tls-key, or --plain-text; was {host!r}", param_hint=option
            )
    return Listen(http_host=http_host, nats_host=nats_host, tls_cert=tls_cert, tls_key=tls_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What the command line says of the takt; None leaves it as it is."""

    takt_s: int | None
    response_s: int | None
    sealed: bool | None = None

    def of(self, rules: Rules) -> Rules:
        """Return rules with this beat.

        Raises
        ------
        click.BadParameter
            If a takt would be shorter than its response time.
        """
        takt_us = rules.takt_us if self.takt_s is None else self.takt_s * SECOND_US
        response_us = rules.response_us if self.response_s is None else self.response_s * SECOND_US
        if response_us > takt_us:
            raise click.BadParameter(
                f"must be at most the takt of {takt_us / SECOND_US:g} s; was {response_us / SECOND_US:g}",
                param_hint="--response-s",
            )
        sealed = rules.sealed if self.sealed is None else self.sealed
        return replace(rules, takt_us=takt_us, response_us=response_us, sealed=sealed)


def _live(population: Population) -> Population:
    """Return the population under the rules of a live market: wall time, a secret lottery, no disruptions."""
    today_us = WallClock().now_us() // DAY_US * DAY_US
    rules = replace(
        population.rules,
        takt_us=TAKT_S * SECOND_US,
        response_us=RESPONSE_S * SECOND_US,
        periods=PeriodGrid(origin_us=today_us, length_us=DAY_US),
        clearing_time_us=10 * SECOND_US,
        retention_us=RETENTION_US,
        heard_us=HEARD_US,
        messages_per_s=MESSAGES_PER_S,
        message_burst=MESSAGES_PER_S,
        contracts=STANDARD,
    )
    profiles = tuple(
        replace(profile, disruptions=(), floor=None) if isinstance(profile, PlantProfile) else profile
        for profile in population.profiles
    )
    return replace(population, rules=rules, profiles=profiles)


async def _up(
    population: Population,
    beat: Beat,
    folder: MarketFolder,
    database: str | None,
    ports: Ports,
    listen: Listen,
    hosts: int | None,
    ray_address: str | None,
    escrow: Escrow | None,
) -> None:
    stop = Stop.on_signals()
    clearer = ProcessClearer()
    async with AsyncExitStack() as stack:
        market = await stack.enter_async_context(
            embedded_market(
                folder,
                population.market,
                clock=WallClock(),
                clearer=clearer,
                pid=os.getpid(),
                tick_s=TICK_S,
                ports=ports,
                database=database,
                listen=listen,
                escrow=escrow,
            )
        )
        customer, key = await _prepare(population, beat, market, folder, hosted=hosts is not None)
        _print_addresses(market, folder)
        await clearer.warm_up()
        if hosts is not None:
            click.echo("companies are starting on Ray ...")
            await stack.enter_async_context(local_ray(ray_address))
            fleet = RayFleet(_assignments(population, market, folder), _nats(market), hosts=hosts, live=True)
            await fleet.start()
            stack.push_async_callback(fleet.stop)
            click.echo(f"{len(population.profiles)} companies are on the market")
        _print_first_order(population, market, customer, key)
        stop.is_up = True
        await _until_stopped(market, stop)
        click.echo("stopping")


async def _until_stopped(market: RunningMarket, stop: Stop) -> None:
    """Return on a signal.

    Raises
    ------
    RunError
        If the market fails first.
    """
    signalled = asyncio.create_task(stop.told.wait())
    failing = asyncio.create_task(market.service.failed())
    done, waiting = await asyncio.wait((signalled, failing), return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if failing in done:
        raise RunError(failing.result())


def _nats(market: RunningMarket) -> NatsAddress:
    return NatsAddress(
        url=market.nats.url,
        market=market.address.market,
        server_name=market.nats.name,
        tls_cert=market.address.tls_cert,
    )


def _assignments(population: Population, market: RunningMarket, folder: MarketFolder) -> list[Assignment]:
    return [
        Assignment(
            profile=profile,
            creds=creds_of(
                market.nats.issuer(), profile.participant, folder.company_seed(profile.participant)
            ),
        )
        for profile in population.profiles
    ]


async def _prepare(
    population: Population, beat: Beat, market: RunningMarket, folder: MarketFolder, *, hosted: bool
) -> tuple[str, str]:
    """Open a new market and admit the companies that are to be hosted; return a customer and its key."""
    service = market.service
    if not service.market:
        opening = OpenMarket(
            market=population.market,
            rules=replace(beat.of(population.rules), signatures="required"),
            network=population.network,
            id_salt=folder.secret("ids"),
            market_key=market.market_key,
        )
        await operate(market, opening)
    elif service.market != population.market:
        raise RunError(
            f"{folder.path} is of the market {service.market!r}; was asked for {population.market!r}"
        )
    else:
        if service.state_of().state.market_key != market.market_key:  # of a release that signed no heads
            await operate(market, PublishMarketKey(market_key=market.market_key))
        await _set_beat(market, beat)
    customers = [
        profile.participant for profile in population.profiles if isinstance(profile, CustomerProfile)
    ]
    customer = customers[0]
    key = folder.secret(f"customer-{customer}")
    known = service.state_of().state.participants
    for one in population.admissions:
        admission = with_key(one, folder.company_seed(one.participant)) if hosted else one
        if admission.participant in known:
            record = known[admission.participant]
            if hosted and not record.key and not record.revoked:  # of a release without signatures
                rotation = RotateKey(participant=one.participant, signing_key=admission.signing_key)
                await operate(market, rotation)
            continue
        if not hosted and admission.participant != customer:
            continue
        mine = admission.participant == customer
        await operate(
            market, replace(admission, api_key_sha256=key_digest(key), agent=hosted) if mine else admission
        )
    for owner, part in population.parts:
        if owner == customer:
            await _publish(market, owner, part)
    return customer, key


async def _set_beat(market: RunningMarket, beat: Beat) -> None:
    """Change the rules of a market that has others; waits for the round that may be open."""
    service = market.service
    while (wanted := beat.of(present := service.state_of().state.rules)) != present:
        change = ChangeRules(rules=replace(wanted, version=present.version + 1))
        reply = await service.submit(
            OPERATOR, change, message_id=f"rules-{change.rules.version}", source="operator"
        )
        if isinstance(reply, Receipt):
            return
        if not reply.retryable:
            raise RunError(f"the rules were refused: {reply.field} {reply.detail}")
        await asyncio.sleep(TICK_S)


async def _publish(market: RunningMarket, customer: str, part: PublishPart) -> None:
    await market.service.submit(customer, part, message_id=f"part-{part.part.id}", source="operator")


def _print_addresses(market: RunningMarket, folder: MarketFolder) -> None:
    click.echo(f"market  {market.address.market} in {folder.path}")
    click.echo(f"page    {market.address.http_url}/")
    click.echo(f"http    {market.address.http_url}/v1/openapi.json")
    click.echo(f"nats    {market.nats.public_url}")
    click.echo(f"server  {market.nats.name}   # for `takt join --server-name`")


def _print_first_order(population: Population, market: RunningMarket, customer: str, key: str) -> None:
    now_us = WallClock().now_us()
    part = next(part.part.id for owner, part in population.parts if owner == customer)
    destination = next(p.site for p in population.profiles if p.participant == customer)
    release, due = (format_instant((now_us + days * DAY_US) // DAY_US * DAY_US) for days in (1, 35))
    click.echo(
        f"""customer {customer}, key {key}

export TAKT_URL={market.address.http_url} TAKT_API_KEY={key}   # for `takt order`

a first order:

curl -X POST {market.address.http_url}/v1/orders \\
  -H 'Authorization: Bearer {key}' -H 'Idempotency-Key: first-{release[:10]}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"part_id": "{part}", "quantity": 5, "destination": "{destination}",
       "release": "{release}", "due": "{due}", "reservation_value_minor": 500000}}'

Ctrl-C stops."""
    )
