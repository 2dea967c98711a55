// The operator's view: how the market runs, who takes part, what came of each round, and what waits for a word.

import { askReason, redraw } from "./dialogs.js";
import { badge, bytes, element, money, moment, number, stateOf, time } from "./view.js";

const $ = (id) => document.getElementById(id);
const SHOWN_ROUNDS = 40;
const SHOWN_PARTICIPANTS = 200;

export class Operation {
  constructor(client, readClearings, onState) {
    Object.assign(this, { client, readClearings, onState, status: null, participants: [], waiting: [], rounds: [] });
    $("op-find").oninput = () => this.drawParticipants();
    $("op-pause").onclick = () => this.askPause();
  }

  async refresh() {
    try {
      const [status, participants, waiting, clearings] = await Promise.all([
        this.client.request("GET", "/v1/operator/status"),
        this.client.pages("/v1/operator/participants?limit=500", "participants"),
        this.client.pages("/v1/operator/approvals?limit=500", "orders"),
        this.readClearings(),
      ]);
      Object.assign(this, { status, participants, waiting });
      this.rounds = [...clearings.values()].sort((a, b) => b.number - a.number);
      $("op-error").hidden = true;
      this.onState("live");
      this.draw();
    } catch (error) {
      if (error.status === 401) return this.onState("refused");
      $("op-error").hidden = false;
      $("op-error").textContent = `The market does not answer: ${error.message}`;
      this.onState("reconnecting");
    }
  }

  async command(path, body) {
    await this.client.request("POST", `/v1/operator/${path}`, { body });
    await this.refresh();
  }

  askPause() {
    const resume = this.status?.paused !== null;
    askReason(
      resume
        ? { title: "Open rounds again?", text: "The next round opens as soon as its takt is due.", button: "Resume" }
        : { title: "Pause the market?", text: "No further round opens. Orders are acknowledged and wait; an open round and contracts go on. Everybody sees the reason.", button: "Pause" },
      (reason) => this.command(resume ? "resume" : "pause", { reason }),
    );
  }

  askVoid(round) {
    askReason(
      { title: `Take ${round.round_id} back?`, text: "Its contracts end and its orders are called again. It is refused once somebody has confirmed a contract of it.", button: "Take it back", danger: true },
      (reason) => this.command(`rounds/${encodeURIComponent(round.round_id)}/void`, { reason }),
    );
  }

  askApproval(order, approve) {
    askReason(
      {
        title: approve ? "Let it be awarded anew?" : "End this order?",
        text: `${order.id} of ${order.customer}. ${approve ? "What was lost is called again with the next round." : "What is done is paid, the rest ends."}`,
        button: approve ? "Approve" : "End the order",
        danger: !approve,
        reason: false,
      },
      () => this.command(`orders/${encodeURIComponent(order.id)}/approval`, { approve }),
    );
  }

  // --- drawing -------------------------------------------------------------------------------

  draw() {
    const { status } = this;
    const paused = status.paused !== null;
    $("op-ready").textContent = !status.ready ? "Not ready" : paused ? "Paused" : "Ready";
    $("op-ready").className = `badge ${!status.ready ? "s-at_risk" : paused ? "" : "served"}`;
    $("op-pause").textContent = paused ? "Resume…" : "Pause…";
    $("op-pause").hidden = false;
    redraw($("op-status"), [this.notices(), this.approvals(), element("div", { class: "tiles broad" }, tiles(status)), counts(status)]);
    this.drawParticipants();
    redraw($("op-rounds"), this.roundsTable());
  }

  notices() {
    const { status } = this;
    return [
      status.ready ? null : element("div", { class: "callout" }, element("h3", {}, "Orders are refused now"), element("ul", {}, status.problems.map((text) => element("li", {}, text)))),
      status.paused === null ? null : element("div", { class: "callout amber" }, element("h3", {}, "Paused"), element("p", {}, status.paused)),
    ];
  }

  approvals() {
    if (!this.waiting.length) return null;
    return element(
      "section",
      { class: "callout amber" },
      element("h3", {}, "Waiting for your approval"),
      element("ul", { class: "waiting" }, this.waiting.map((order) => element(
        "li",
        { class: "row" },
        element("span", {}, element("strong", {}, order.customer), " ", element("span", { class: "mono" }, order.id), element("span", { class: "soft note" }, `since ${moment(order.since)}, due ${moment(order.due)}, charge ${money(order.charge_minor, order.currency)}`)),
        element("span", { class: "actions" },
          element("button", { type: "button", class: "primary", "data-key": `approve-${order.id}`, onclick: () => this.askApproval(order, true) }, "Approve…"),
          element("button", { type: "button", class: "quiet danger-text", "data-key": `end-${order.id}`, onclick: () => this.askApproval(order, false) }, "End…")),
      ))),
    );
  }

  drawParticipants() {
    if (!this.status) return;
    const heard = new Map(this.status.participants.map((one) => [one.participant, one]));
    const wanted = $("op-find").value.trim().toLowerCase();
    const matches = (one) => [one.participant, ...one.roles, ...one.sites, standing(one)[0]].some((text) => text.toLowerCase().includes(wanted));
    const found = this.participants.filter(matches);
    $("op-count").textContent = wanted ? `${number(found.length)} of ${number(this.participants.length)}` : number(this.participants.length);
    const rows = found.slice(0, SHOWN_PARTICIPANTS).map((one) => {
      const [word, kind] = standing(one);
      const last = heard.get(one.participant)?.last_heard;
      return [
        element("th", { scope: "row" }, one.participant),
        element("td", {}, one.roles.join(", ")),
        element("td", { class: "wrap" }, one.sites.slice(0, 4).join(", ") + (one.sites.length > 4 ? ` and ${one.sites.length - 4} more` : "")),
        element("td", {}, element("span", { class: `badge ${kind}` }, word)),
        element("td", {}, last ? time(last) : element("span", { class: "soft" }, one.agent ? "never" : "has no agent")),
      ];
    });
    redraw($("op-participants"), [
      grid("Participants", ["Name", "Roles", "Sites", "State", "Last heard"], rows, "Nobody of that kind."),
      found.length > SHOWN_PARTICIPANTS ? element("p", { class: "soft" }, `The first ${SHOWN_PARTICIPANTS}: search for the others.`) : null,
    ]);
  }

  roundsTable() {
    const rows = this.rounds.slice(0, SHOWN_ROUNDS).map((round) => [
      element("th", { scope: "row", class: "mono" }, round.round_id),
      element("td", {}, element("span", { class: `badge ${round.status === "cleared" ? "served" : round.status === "void" ? "ended" : ""}` }, round.status)),
      element("td", {}, round.closed ? time(round.closed) : `until ${moment(round.closes)}`),
      element("td", { class: "num" }, `${number(round.answered)} of ${number(round.called)}`),
      element("td", { class: "num" }, round.clearing_status === null ? number(round.orders) : `${number(round.served)} of ${number(round.orders)}`),
      element("td", {}, ["cleared", "clearing", "opening"].includes(round.status)
        ? element("button", { type: "button", class: "quiet danger-text small", "data-key": `void-${round.round_id}`, "aria-label": `Take ${round.round_id} back`, onclick: () => this.askVoid(round) }, "Take back…")
        : null),
    ]);
    return [
      grid("Rounds, newest first", ["Round", "State", "Closed", "Answered", "Orders served", ""], rows, "No round has been called yet.", [3, 4]),
      this.rounds.length > SHOWN_ROUNDS ? element("p", { class: "soft" }, `The newest ${SHOWN_ROUNDS} of ${number(this.rounds.length)}.`) : null,
    ];
  }
}

const standing = (one) => (one.revoked ? ["revoked", "ended"] : one.suspended ? ["suspended", "s-at_risk"] : ["active", "served"]);

function grid(label, names, rows, empty, numeric = []) {
  if (!rows.length) return element("p", { class: "empty card" }, empty);
  return element(
    "div",
    { class: "scroll card", tabindex: "0", role: "region", "aria-label": label, "data-key": label },
    element(
      "table",
      {},
      element("caption", { class: "hidden" }, label),
      element("thead", {}, element("tr", {}, names.map((name, index) => element("th", { scope: "col", class: numeric.includes(index) ? "num" : null }, name)))),
      element("tbody", {}, rows.map((cells) => element("tr", {}, cells))),
    ),
  );
}

function tile(name, value, ...notes) {
  return element("div", { class: "tile card" }, element("span", { class: "soft" }, name), element("strong", {}, value), notes.filter(Boolean).map((note) => element("span", { class: "soft" }, note)));
}

const mean = (sum, count) => (count ? sum / count / 1e6 : null);
const span = (seconds) => (seconds < 90 ? `${seconds.toFixed(0)} s` : seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`);

function tiles(status) {
  const agents = status.participants.filter((one) => one.agent);
  const heard = agents.filter((one) => one.last_heard);
  const unread = Object.entries(status.counts).filter(([name]) => name.startsWith("refused_unread")).reduce((sum, [, count]) => sum + count, 0);
  const { risks, awarded, detection_us: detection, award_us: award, late_us: late } = status.resilience;
  return [
    tile("Round", status.round_id ? `${status.round_id}` : "none open", status.round_id ? `${status.round_state}, due ${moment(status.round_deadline)}` : null),
    tile("Companies heard", `${number(heard.length)} of ${number(agents.length)}`, status.nats_connected ? "their bus is connected" : "their bus is AWAY", status.escrow ? `escrow: ${status.escrow}` : null),
    tile("Losses", number(risks), risks ? `known after ${span(mean(detection, risks))}, on average` : "nothing was lost", awarded ? `${number(awarded)} awarded anew after ${span(mean(award, awarded))} more` : null, late ? `${(late / 86400e6).toFixed(1)} late days` : null),
    tile("Waiting to be read", number(status.waiting_messages), `${bytes(status.waiting_bytes)} of ${number(status.waiting_senders)} senders`, `${number(status.outbox_open)} to be read by participants`),
    tile("Refused", number(status.counts.refused ?? 0), `${number(unread)} unread, ${number(status.counts.dropped_unread ?? 0)} dropped`),
    tile("Journal", `${number(status.entries)} entries`, bytes(status.journal_bytes), `snapshot at ${number(status.snapshot_entries)}, ${status.snapshot ? moment(status.snapshot) : "before this run"}`),
    tile("Running since", moment(status.started), `market time ${moment(status.now)}`),
  ];
}

function counts(status) {
  const chips = (kinds, draw) => element("ul", { class: "chips" }, Object.entries(kinds).filter(([, count]) => count).map(([name, count]) => element("li", {}, draw(name), " ", element("strong", {}, number(count)))));
  const part = (name, list) => element("div", {}, element("h3", {}, name), list.childNodes.length ? list : element("p", { class: "soft" }, "none"));
  return element(
    "section",
    { class: "card counts", "aria-label": "By state" },
    part("Orders", chips(status.orders, badge)),
    part("Contracts", chips(status.contracts, (name) => element("span", { class: "soft name" }, stateOf(name)[0].replaceAll("_", " ")))),
    part("Messages since the start", chips(status.messages, (name) => element("span", { class: "soft name" }, name.replace(/^takt\./, "").replace(/\.v\d+$/, "").replaceAll("_", " ")))),
  );
}
