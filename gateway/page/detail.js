// One order: where it stands, what it costs, who does what, what happened, and why not.

import { linesTable } from "./account.js";
import {
  CANCELLABLE, STEPS, TERMINAL, badge, element, kilograms, money, moment, number, reasonText, stateOf, time,
} from "./view.js";

// `timeline` is null until there are contracts and it was read.
export function orderDetail(order, timeline, lines, { onCancel, onChange, onRound }) {
  const [, , meaning] = stateOf(order.state);
  return element(
    "article",
    { class: "detail", "data-order": order.id, "data-state": order.state },
    element(
      "div",
      { class: "row" },
      element("h2", { id: "detail-title", tabindex: "-1" }, `${number(order.quantity)} × ${order.part_id}`),
      badge(order.state),
    ),
    element("p", { class: "id" }, order.id),
    element("p", { class: "meaning", role: "status" }, meaning),
    progress(order),
    reasons(order),
    facts(order, timeline),
    risks(timeline),
    charge(order),
    payments(order, lines),
    lots(order, timeline),
    history(order),
    element(
      "div",
      { class: "row" },
      order.rounds.length
        ? element("p", { class: "rounds" }, "Rounds: ", order.rounds.map((id, index) => [
            index ? ", " : "",
            element("a", { href: "#market", onclick: () => onRound(id) }, id),
          ]))
        : element("span"),
      element(
        "span",
        { class: "actions" },
        TERMINAL.has(order.state)
          ? null
          : element("button", { type: "button", class: "change", "data-key": "change", onclick: () => onChange(order) }, CANCELLABLE.has(order.state) ? "Change…" : "Change or cancel…"),
        CANCELLABLE.has(order.state)
          ? element("button", { type: "button", class: "quiet danger-text", "data-key": "cancel", onclick: () => onCancel(order) }, "Cancel order…")
          : null,
      ),
    ),
  );
}

function progress(order) {
  const visited = new Set(order.history.map((entry) => entry.state));
  const current = STEPS.indexOf(order.state);
  const reached = current >= 0 ? current : Math.max(...STEPS.map((state, index) => (visited.has(state) ? index : -1)));
  return element(
    "ol",
    { class: "steps", "aria-label": "Progress" },
    STEPS.map((state, index) => {
      const now = index === current;
      const kind = now ? "now" : index <= reached ? "done" : "";
      return element("li", { class: kind, "aria-current": now ? "step" : null }, element("span", {}, stateOf(state)[0]));
    }),
  );
}

function reasons(order) {
  if (!order.reasons.length) return null;
  return element(
    "section",
    { class: "callout" },
    element("h3", {}, order.state === "unserved" ? "Why it was not served" : "What stood in the way in the last round"),
    element(
      "ul",
      {},
      order.reasons.map((reason) =>
        element("li", {}, reasonText(reason), reason.detail ? element("span", { class: "soft" }, ` (${about(order, reason.detail)})`) : null),
      ),
    ),
  );
}

// A lot is named in full in the answer; beside its order its own name is enough.
const about = (order, detail) => (detail.startsWith(`${order.id}.`) ? `lot ${detail.slice(order.id.length + 1)}` : detail);

function risks(timeline) {
  if (!timeline?.risks.length) return null;
  return element(
    "section",
    { class: "callout" },
    element("h3", {}, "What put it at risk"),
    element("ul", {}, timeline.risks.map((risk) => element(
      "li",
      {},
      `${risk.cause.replaceAll("_", " ")}, ${moment(risk.at)}: `,
      risk.awarded === null ? "not awarded anew" : `awarded anew ${moment(risk.awarded)}`,
      risk.promised === null ? "" : `, promised for ${moment(risk.promised)}`,
    ))),
  );
}

function facts(order, timeline) {
  const expected = timeline?.predicted && timeline.predicted !== timeline.promised;
  const rows = [
    ["Destination", order.destination],
    ["Due", time(order.due)],
    ["Promised", order.promised ? time(order.promised) : "–"],
    ...(expected ? [["Expected", time(timeline.predicted)]] : []),
    ["Deadline", time(order.deadline)],
    ["Not before", time(order.release)],
    ["Pieces promised", order.pieces ? `${number(order.pieces)} of ${number(order.quantity)}` : "–"],
    ["Your limit", money(order.reservation_value_minor, order.currency)],
    ["Emissions", kilograms(order.emissions_g)],
  ];
  return element("dl", { class: "facts" }, rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function charge(order) {
  if (order.charge_minor === null) return null;
  const parts = [
    ["Production", order.production_minor, "production"],
    ["Transport", order.transport_minor, "transport"],
    ["Fee", order.fee_minor, "fee"],
  ].filter(([, amount]) => amount !== null);
  const limit = Math.max(order.reservation_value_minor, order.charge_minor, 1);
  const bar = element("div", { class: "bar-chart", role: "img", "aria-label": `${money(order.charge_minor, order.currency)} of at most ${money(limit, order.currency)}` });
  for (const [, amount, kind] of parts) {
    const piece = element("span", { class: kind });
    piece.style.width = `${(100 * amount) / limit}%`;
    bar.append(piece);
  }
  return element(
    "section",
    {},
    element("div", { class: "row" }, element("h3", {}, "Charge"), element("strong", { class: "total" }, money(order.charge_minor, order.currency))),
    bar,
    element("ul", { class: "legend" }, parts.map(([name, amount, kind]) => element("li", { class: kind }, `${name} ${money(amount, order.currency)}`)),
      element("li", { class: "left" }, `Below your limit by ${money(order.reservation_value_minor - order.charge_minor, order.currency)}`)),
  );
}

function payments(order, lines) {
  if (!lines.length) return null;
  const total = lines.reduce((sum, line) => sum + line.amount_minor, 0);
  return element(
    "section",
    { class: "payments" },
    element("div", { class: "row" }, element("h3", {}, "On your account"), element("a", { href: "#account" }, "Your account")),
    linesTable(lines, order.currency, "What was booked for this order", { order, total }),
  );
}

function lots(order, timeline) {
  const prefix = `${order.id}.`;
  const shown = (id) => (id.startsWith(prefix) ? id.slice(prefix.length) : id);
  const entries = new Map((timeline?.entries ?? []).map((entry) => [entry.contract_id, entry]));
  const names = entries.size
    ? ["Lot", "Process", "Contracts", "Made", "Planned end", "Expected end"]
    : ["Lot", "Process", "Units", "Contracts"];
  return element(
    "section",
    {},
    element("h3", {}, "Lots and contracts"),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Lots and contracts" },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, names.map((name) => element("th", { scope: "col", class: name === "Units" ? "num" : null }, name)))),
        element(
          "tbody",
          {},
          order.lots.map((lot) => {
            const plans = lot.contracts.map((id) => entries.get(id));
            return element(
              "tr",
              {},
              element("th", { scope: "row" }, shown(lot.lot_id)),
              element("td", {}, lot.process),
              entries.size ? null : element("td", { class: "num" }, number(lot.quantity)),
              element("td", { class: lot.contracts.length ? "mono" : null }, lot.contracts.length ? lot.contracts.map((id) => element("span", { class: "contract", title: id }, id.slice(0, 12))) : element("span", { class: "soft" }, TERMINAL.has(order.state) ? "none" : "none yet")),
              entries.size ? planCells(plans) : null,
            );
          }),
        ),
      ),
    ),
  );
}

// One line a contract, in the order of the contracts' column.
function planCells(plans) {
  const cell = (text) => element("td", { class: "plan" }, plans.map((plan) => element("div", {}, plan ? text(plan) : "–")));
  return [
    cell((plan) => `${number(plan.done)} of ${number(plan.quantity)}${plan.scrapped ? `, ${number(plan.scrapped)} scrapped` : ""}`),
    cell((plan) => time(plan.planned_end)),
    cell((plan) => time(plan.actual_end ?? plan.predicted_end)),
  ];
}

function history(order) {
  return element(
    "section",
    {},
    element("h3", {}, "What happened"),
    element(
      "ol",
      { class: "timeline" },
      order.history.map((entry) =>
        element(
          "li",
          { class: stateOf(entry.state)[1] },
          element("span", { class: "when" }, moment(entry.at), element("span", { class: "soft" }, `:${entry.at.slice(17, 19)}`)),
          element("span", {}, element("strong", {}, stateOf(entry.state)[0]), entry.cause ? element("span", { class: "soft" }, ` ${entry.cause.replaceAll("_", " ")}`) : null),
        ),
      ),
    ),
  );
}
