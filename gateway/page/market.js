// The market view: the rules in short, and what each round came to.

import { element, moment, money, number, percent, svg, time } from "./view.js";

const SHOWN = 60;
const WORDS = {
  optimal: "Optimal: nothing better exists for these bids.",
  feasible: "Good, but not proven to be the best; the gap says how far at most.",
  fallback: "Cleared by the fallback, order by order.",
  infeasible: "Nothing could be served.",
  unknown: "No answer was found in time.",
  void: "The round was given up; its orders are called again.",
};

export function marketView(market, clearings, highlighted) {
  const newest = [...clearings.values()].sort((a, b) => b.number - a.number);
  const cleared = newest.filter((item) => item.clearing_status !== null);
  const shown = cleared.filter((item) => item.objective !== null);
  return [
    element("h1", {}, `Market ${market.market}`),
    element("div", { class: "tiles" }, tiles(market, cleared)),
    shown.length ? chart(shown.slice(0, 30).reverse(), market.currency) : null,
    table(newest.slice(0, SHOWN), market.currency, highlighted),
    newest.length > SHOWN ? element("p", { class: "soft" }, `The newest ${SHOWN} of ${number(newest.length)} rounds.`) : null,
  ];
}

function tiles(market, cleared) {
  const served = cleared.reduce((sum, item) => sum + item.served, 0);
  const open = cleared.filter((item) => item.objective !== null);
  const welfare = open.length ? open.reduce((sum, item) => sum + item.objective, 0) : null;
  const compared = open.filter((item) => item.greedy_objective !== null);
  const joint = compared.reduce((sum, item) => sum + item.objective, 0);
  const greedy = compared.reduce((sum, item) => sum + item.greedy_objective, 0);
  const tile = (name, value, note) => element("div", { class: "tile card" }, element("span", { class: "soft" }, name), element("strong", {}, value), note ? element("span", { class: "soft" }, note) : null);
  return [
    tile("Takt", `${number(market.takt_s)} s`, `bidders have ${number(market.response_s)} s`),
    tile("Mechanism", market.mechanism.replaceAll("_", " "), `rules version ${market.rules_version}, fee ${percent(market.fee_ppm / 10000)}`),
    tile("Orders served", number(served), `in ${number(cleared.length)} cleared rounds`),
    tile("Welfare", money(welfare, market.currency), compared.length && greedy > 0 ? `${percent((100 * (joint - greedy)) / greedy)} more than order by order` : open.length ? "value served minus cost" : "shown once three customers and three bidders take part"),
  ];
}

function chart(items, currency) {
  const width = 900;
  const height = 190;
  const top = 12;
  const floor = height - 24;
  const most = Math.max(1, ...items.map((item) => Math.max(item.objective, item.bound ?? 0, item.greedy_objective ?? 0)));
  const step = (width - 10) / Math.max(items.length, 8);
  const y = (value) => floor - ((floor - top) * Math.max(0, value)) / most;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "chart-title" });
  const title = svg("title", { id: "chart-title" });
  title.textContent = `Welfare of the last ${items.length} rounds: joint clearing, its bound, and order by order`;
  drawing.append(title, svg("line", { x1: 0, x2: width, y1: floor, y2: floor, class: "axis" }));
  items.forEach((item, index) => {
    const x = 6 + index * step;
    const wide = Math.min(step * 0.36, 26);
    const group = svg("g");
    const note = svg("title");
    note.textContent = `${item.round_id}: joint ${money(item.objective, currency)}, bound ${money(item.bound, currency)}, order by order ${money(item.greedy_objective, currency)}`;
    group.append(note);
    if (item.greedy_objective !== null) {
      group.append(svg("rect", { x, y: y(item.greedy_objective), width: wide, height: floor - y(item.greedy_objective), class: "greedy", rx: 2 }));
    }
    group.append(svg("rect", { x: x + wide + 2, y: y(item.objective), width: wide, height: floor - y(item.objective), class: "joint", rx: 2 }));
    if (item.bound !== null) group.append(svg("line", { x1: x + wide, x2: x + 2 * wide + 4, y1: y(item.bound), y2: y(item.bound), class: "bound" }));
    if (items.length <= 16 || index % 3 === 0) {
      const label = svg("text", { x: x + wide + 1, y: height - 8, "text-anchor": "middle" });
      label.textContent = String(item.number);
      group.append(label);
    }
    drawing.append(group);
  });
  return element(
    "figure",
    { class: "card" },
    element("figcaption", {}, element("strong", {}, "Welfare by round"), element("ul", { class: "legend" },
      element("li", { class: "greedy" }, "order by order"), element("li", { class: "joint" }, "cleared together"), element("li", { class: "bound" }, "bound: no clearing could be better"))),
    drawing,
  );
}

function table(items, currency, highlighted) {
  if (!items.length) return element("p", { class: "empty card" }, "No round has been called yet.");
  const names = ["Round", "State", "Closed", "Bidders", "Orders", "Welfare", "Gap", "Over order by order"];
  return element(
    "div",
    { class: "scroll card", tabindex: "0", role: "region", "aria-label": "Rounds" },
    element(
      "table",
      { class: "rounds-table" },
      element("caption", { class: "hidden" }, "Rounds, newest first"),
      element("thead", {}, element("tr", {}, names.map((name, index) => element("th", { scope: "col", class: index > 2 ? "num" : null }, name)))),
      element("tbody", {}, items.map((item) => row(item, currency, item.round_id === highlighted))),
    ),
  );
}

function row(item, currency, highlighted) {
  const status = item.clearing_status ?? item.status;
  const kind = item.clearing_status ? "served" : item.status === "void" ? "ended" : "open";
  const gain = item.greedy_objective === null || item.objective === null ? null : item.objective - item.greedy_objective;
  const cells = [
    element("td", {}, element("span", { class: `badge ${kind}`, title: WORDS[status] || null }, status)),
    element("td", {}, item.closed ? time(item.closed) : `until ${moment(item.closes)}`),
    element("td", { class: "num" }, item.closed ? `${number(item.answered)} of ${number(item.called)}` : number(item.called)),
    element("td", { class: "num" }, item.clearing_status === null ? number(item.orders) : `${number(item.served)} of ${number(item.orders)}`),
    element("td", { class: "num" }, money(item.objective, currency)),
    element("td", { class: "num" }, item.gap_ppm === null ? "–" : percent(item.gap_ppm / 10000)),
    element("td", { class: "num" }, gain === null ? "–" : `${gain > 0 ? "+" : ""}${money(gain, currency)}`),
  ];
  return element("tr", { class: highlighted ? "highlight" : null, id: `round-${item.round_id}` }, element("th", { scope: "row", class: "mono" }, item.round_id), cells);
}
