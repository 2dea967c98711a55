// A complete partner of a Takt market: node partner.js acme.creds nats://host:4222 [plant.json [server-name]]
// Everything here follows docs/protocol.md; the headings in brackets are its sections.
const [{ createHash }, { readFileSync }, nacl, { blake2b }] = ["node:crypto", "node:fs", "tweetnacl", "blakejs"].map(require);
const { connect, createInbox, credsAuthenticator, headers, nkeys } = require("nats");
const [credsFile, url, plantFile = "plant.json", serverName] = process.argv.slice(2);
if (!url) throw new Error("usage: node partner.js acme.creds nats://host:4222 [plant.json [server-name]]");
const [plant, utf8, MINUTE_US] = [JSON.parse(readFileSync(plantFile, "utf8")), new TextEncoder(), 60_000_000];
const say = (...words) => console.log(new Date().toISOString().slice(11, 19), ...words);
const die = (why) => (console.error(why), process.exit(1));

// [Connecting] The name in the JWT is market.participant; the seed beside it also signs.
const read = () => readFileSync(credsFile, "utf8").match(/[^]*END USER NKEY SEED-+\s*/)?.[0] ?? creds; // whole, or as it was
const part = (name) => creds.match(new RegExp(`BEGIN ${name}-+\\s+(\\S+)`))[1];
let [nc, key, creds, aheadUs] = [null, null, read(), 0]; // connection, its credentials; market time less our clock [Time]
const [market, me] = JSON.parse(Buffer.from(part("NATS USER JWT").split(".")[1], "base64url")).name.split(".");
function login(nonce) {
  if (serverName && nc && nc.info.server_name !== serverName) die(`the server is now ${nc.info.server_name}`);
  creds = read(); // renewed or rotated since: another connection, and another key
  key = nkeys.fromSeed(utf8.encode(part("USER NKEY SEED")));
  return credsAuthenticator(utf8.encode(creds))(nonce);
}

const sequences = new Map(); // conversation -> last number that we used [Sequences]
const contracts = new Map(); // id -> { contract, state }
const acknowledged = new Set(); // ids of deliveries that are done with [The mailbox]
const next = (conversation) => (sequences.get(conversation) ?? 0) + 1;
const nowUs = () => Date.now() * 1000 + aheadUs;

// [Receipts and refusals] The same bytes until there is an answer that counts; a refusal for good is returned.
async function send(channel, conversation, body) {
  const sequence = conversation ? next(conversation) : 0;
  if (conversation) sequences.set(conversation, sequence);
  const content = [me, conversation, sequence, JSON.stringify(body)].join("\n");
  const hash = createHash("sha256").update(content).digest("hex");
  const ids = { message_id: `m-${hash.slice(0, 32)}`, correlation_id: conversation, causation_id: "" };
  const data = utf8.encode(JSON.stringify({ ...ids, sender: me, sequence, occurred_us: nowUs(), body }));
  const subject = `takt.v1.${market}.${channel}.${me}`;
  for (let pause = 50; ; pause = Math.min(2 * pause, 2000)) {
    const signed = headers(); // [Who vouches for what] by the key as it is now
    signed.set("Takt-Key", key.getPublicKey());
    const signature = key.sign(Buffer.concat([utf8.encode(`takt.v1\n${subject}\n`), data]));
    signed.set("Takt-Signature", Buffer.from(signature).toString("base64url"));
    const silence = (error) => (nc.isClosed() ? Promise.reject(error) : null);
    const reply = await nc.request(subject, data, { timeout: 5000, headers: signed }).catch(silence);
    const answer = reply?.data.length ? reply.json() : { retryable: true }; // empty: the market failed on it
    if (answer.code) say(`refused: ${answer.code} ${answer.field} ${answer.detail}`);
    if (!answer.retryable) return answer;
    await new Promise((done) => setTimeout(done, Math.max(pause, (answer.retry_after_us ?? 0) / 1000)));
  }
}

// [After a crash] We keep nothing: the market says how things stand.
async function catchUp() {
  const state = await send("query", "", { kind: "takt.query_sync.v1" });
  if (state.kind !== "takt.sync_reply.v1") throw new Error(`the market refuses us: ${state.detail}`);
  aheadUs = state.now_us - Date.now() * 1000;
  for (const map of [sequences, contracts]) map.clear();
  for (const sheet of state.sheets) sequences.set(sheet.round_id, sheet.sequence);
  for (const { contract, state: word, report_sequence } of state.contracts) {
    sequences.set(contract.id, report_sequence);
    contracts.set(contract.id, { contract, state: word });
  }
  for (const call of state.calls) await answerCall(call);
  await report();
}

// [Sealed bids] A box to the round's key: whoever has the other half opens it, after the close.
function sealed({ market, round_id, sealing_key, sealed_size }, answer) {
  const inside = { kind: "takt.sealed_answer.v1", market, round_id, sender: me, sequence: next(round_id), answer };
  const text = JSON.stringify(inside); // in ASCII: a byte a character
  const size = [4096, 16384, 65536, 262144, 720896].find((n) => n >= Math.max(text.length, sealed_size));
  const [to, once] = [Buffer.from(sealing_key, "hex"), nacl.box.keyPair()];
  const nonce = blake2b(Buffer.concat([once.publicKey, to]), null, 24);
  const box = nacl.box(utf8.encode(text.padEnd(size)), nonce, to, once.secretKey);
  return { kind: "takt.sealed_sheet.v1", round_id, ciphertext: Buffer.concat([once.publicKey, box]).toString("base64") };
}

// Minutes by period for work on a lot, as soon as our capacity allows; null if it does not fit.
function place(call, lot, minutes, free) {
  const { origin_us, length_us } = call.periods;
  const period = (us) => Math.floor((us - origin_us) / length_us);
  const last = Math.min(period(lot.latest_end_us), period(call.opened_us) + call.max_periods);
  const uses = [];
  for (let p = period(Math.max(lot.earliest_start_us, call.deadline_us) - 1) + 1; p < last; p++) {
    if (free(p) > 0) uses.push([p, Math.min(minutes, free(p))]);
    if ((minutes -= free(p)) <= 0) return uses;
  }
  return null;
}

// [The bid sheet] One package bid for each lot that we can make.
async function answerCall(call) {
  if (sequences.has(call.round_id) || nowUs() >= call.deadline_us) return; // answered, or too late
  const holding = ({ state }) => ["awarded", "confirmed", "in_production"].includes(state);
  const booked = [...contracts.values()].filter(holding).flatMap(({ contract }) => contract.uses);
  const taken = (period) => booked.reduce((sum, use) => sum + (use.period === period ? use.amount : 0), 0);
  const free = (period) => Math.max(0, plant.minutes_per_period - taken(period));
  const able = call.lots.filter((lot) => plant.processes.includes(lot.requirement.process));
  const work = (lot) => plant.setup_minutes + Math.ceil((lot.run_time_us * lot.quantity) / MINUTE_US);
  const placed = able.map((lot) => ({ lot, minutes: work(lot), uses: place(call, lot, work(lot), free) }));
  const offers = placed.filter((offer) => offer.uses);
  const { origin_us, length_us } = call.periods;
  const [each, uses] = [(of) => offers.map(of), (of) => offers.flatMap((offer) => offer.uses.map(of))];
  const periods = [...new Set(uses(([period]) => period))];
  const offsets = (lengths) => lengths.reduce((sums, n) => [...sums, sums.at(-1) + n], [0]);
  const sheet = {
    ...{ kind: "takt.bid_sheet.v1", round_id: call.round_id, expires_us: call.deadline_us + 60 * MINUTE_US },
    capacities: { resource: periods.map(() => plant.resource), period: periods, available: periods.map(free) },
    bids: {
      id: each((_, i) => `b${i}`),
      site: each(() => plant.site),
      start_us: each(({ uses }) => origin_us + uses[0][0] * length_us),
      end_us: each(({ uses }) => origin_us + (uses.at(-1)[0] + 1) * length_us),
      fixed_price_minor: each(({ minutes }) => minutes * plant.price_per_minute_minor),
      ...{ unit_price_minor: each(() => 0), min_quantity: each(() => 0), emissions_g: each(() => 0) },
      ...{ item_offset: offsets(each(() => 1)), group_offset: offsets(each(() => 0)) },
      ...{ item_lot: each(({ lot }) => lot.id), item_quantity: each(({ lot }) => lot.quantity) },
      ...{ use_offset: offsets(each(({ uses }) => uses.length)), use_capacity: uses(([p]) => periods.indexOf(p)) },
      ...{ use_fixed: uses(([, used]) => used), use_per_unit: uses(() => 0) },
    },
  };
  const answer = offers.length ? sheet : { kind: "takt.decline_call.v1", round_id: call.round_id, code: "no_capacity" };
  const reply = await send("bid", call.round_id, call.sealing_key ? sealed(call, answer) : answer);
  if (reply.leaf) say(`${call.round_id}: ${offers.length} bids, entry ${reply.position}`);
}

// [A contract] Confirm at once; the rest at the planned times, or at once where plant.json says so.
async function report() {
  for (const entry of contracts.values()) {
    const { id, items, shipments, start_us, end_us } = entry.contract;
    const made = items.reduce((sum, item) => sum + item.quantity, 0);
    const home = shipments.filter((shipment) => shipment.to_contract === null).map((one) => one.transit_minutes);
    const arrival_us = end_us + Math.max(0, ...home) * MINUTE_US;
    const steps = {
      awarded: ["confirmed", 0, "confirmed", 0],
      confirmed: ["started", start_us, "in_production", 0],
      in_production: ["finished", end_us, "finished", made],
      finished: shipments.length ? ["shipped", end_us, "shipped", made] : null,
      shipped: home.length ? ["delivered", arrival_us, "delivered", made] : null,
    };
    for (let step; (step = steps[entry.state]); ) {
      const [milestone, due_us, then, quantity] = step;
      const at_us = plant.report === "at_once" || due_us === 0 ? nowUs() - 1000 : due_us;
      if (at_us > nowUs()) break;
      const what = { kind: "takt.report_milestone.v1", contract_id: id, milestone, at_us, quantity };
      if (!(await send("report", id, what)).leaf) return catchUp();
      say(`${id} ${milestone}`);
      entry.state = then;
    }
  }
}

async function take(message) {
  let body = {}; // what we cannot read, or do not know, is acknowledged and left behind
  try { body = message.json().body ?? {}; } catch {} // prettier-ignore
  if (body.kind === "takt.call_for_proposals.v1") await answerCall(body);
  if (body.kind === "takt.round_result.v1") {
    say(`${body.round_id}: ${body.awards.length} won, ${body.rejected.length} lost`);
    for (const one of body.awards) if (!contracts.has(one.id)) contracts.set(one.id, { contract: one, state: "awarded" });
  }
  const entry = contracts.get(body.contract_id ?? body.contract?.id);
  if (entry && body.kind === "takt.contract_notice.v1") entry.state = body.state;
  if (entry && body.kind === "takt.contract_amended.v1") entry.contract = body.contract;
  await report();
}

// [The mailbox] One message at a time: decide, send what follows, get the receipts, then acknowledge.
async function main() {
  nc = await connect({
    ...{ servers: url, authenticator: login, inboxPrefix: `_INBOX_${me}` },
    ...{ maxReconnectAttempts: -1, ignoreAuthErrorAbort: true, pingInterval: 5000 },
    tls: url.startsWith("tls:") ? { handshakeFirst: true, caFile: process.env.TAKT_TLS_CA } : undefined,
  });
  if (serverName && nc.info.server_name !== serverName) throw new Error(`the server is ${nc.info.server_name}`);
  say(`${me} joins ${market} at ${url}`);
  for (const end of ["SIGTERM", "SIGINT"]) process.once(end, () => (nc.close(), setTimeout(process.exit, 10_000, 1).unref()));
  await catchUp();
  while (!nc.isClosed()) {
    const inbox = createInbox(`_INBOX_${me}`);
    const subscription = nc.subscribe(inbox, { max: 1, timeout: 3000 });
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${market}_${me}.mailbox`, '{"batch":1,"expires":2000000000}', { reply: inbox });
    try {
      for await (const message of subscription) {
        if (!message.subject.startsWith(`takt.v1.${market}.`)) continue; // only a Status: pull again
        const id = message.headers.get("Nats-Msg-Id");
        if (!acknowledged.has(id)) await take(message);
        acknowledged.add(id);
        nc.publish(message.reply, "+ACK");
      }
    } catch (error) {
      if (error.code !== "TIMEOUT" && !nc.isClosed()) say(`again: ${error.message}`);
      subscription.unsubscribe();
    }
    await report(); // what has become due
    if (read() !== creds && !nc.isClosed()) await nc.reconnect();
  }
}

main().catch((e) => nc?.isClosed() || die(String(e))).then(() => say(`${me} has left`));
