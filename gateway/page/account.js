// The customer's account: what was booked, order by order, and the balance.

import { element, money, time } from "./view.js";

const MOST_PAGES = 200;
const WORDS = {
  charge: "Charge",
  set_up: "Set-up",
  price: "Price",
  milestone: "On account",
  transport: "Transport of what had moved",
  fee: "Fee",
  lateness: "Lateness",
  breach: "Work that was lost",
  cancellation: "Work given up",
  payment: "Payment",
  shared: "Shared price",
};

export class Statement {
  constructor(client) {
    this.client = client;
    this.lines = [];
    this.balance = 0;
    this.currency = "";
    this.reading = null;
  }

  // Read what was booked since; returns whether there was something new.
  read() {
    this.reading ||= this.readOn().finally(() => (this.reading = null));
    return this.reading;
  }

  async readOn() {
    const first = this.currency === "";
    const before = this.lines.length;
    for (let page = 0, more = true; more && page < MOST_PAGES; page += 1) {
      const last = this.lines.at(-1)?.posting_id ?? "";
      const answer = await this.client.request("GET", `/v1/statement?after=${encodeURIComponent(last)}`);
      this.currency = answer.currency;
      this.balance = answer.statement.balance_minor;
      this.lines.push(...answer.statement.entries);
      more = answer.statement.more;
    }
    return first || this.lines.length > before;
  }

  of(orderId) {
    return this.lines.filter((line) => line.order_id === orderId);
  }
}

export function accountView(statement, orders) {
  const { lines, balance, currency } = statement;
  const paid = lines.filter((line) => line.amount_minor < 0).reduce((sum, line) => sum - line.amount_minor, 0);
  const received = lines.filter((line) => line.amount_minor > 0).reduce((sum, line) => sum + line.amount_minor, 0);
  const tile = (name, value, note) => element("div", { class: "tile card" }, element("span", { class: "soft" }, name), element("strong", {}, value), element("span", { class: "soft" }, note));
  return [
    element("h1", {}, "Your account"),
    element(
      "div",
      { class: "tiles" },
      tile("Balance", money(balance, currency), balance < 0 ? "you owe the market" : balance > 0 ? "the market owes you" : "nothing is open"),
      tile("Booked to you", money(received, currency), "payments, penalties and what you earned"),
      tile("Booked from you", money(paid, currency), "charges and what you gave up"),
    ),
    lines.length
      ? linesTable([...lines].reverse(), currency, "Lines on your account, newest first", { orders, card: true })
      : element("p", { class: "empty card" }, "Nothing was booked yet. An order is charged when it is settled."),
  ];
}

// With `orders` each line leads to its order and has the balance after it; with `total` a sum stands below.
export function linesTable(lines, currency, caption, { orders = null, order = null, total = null, card = false } = {}) {
  const names = ["Booked", "What", orders ? "Order" : "Contract", "Amount", ...(orders ? ["Balance"] : [])];
  const amount = (minor) => element("td", { class: minor < 0 ? "num amount" : "num amount plus" }, `${minor > 0 ? "+" : ""}${money(minor, currency)}`);
  const note = (line) => line.detail || (order && line.entry === "charge" && !line.contract_id ? toWhom(order) : "");
  return element(
    "div",
    { class: card ? "scroll card" : "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      { class: "lines" },
      element("caption", { class: "hidden" }, caption),
      element("thead", {}, element("tr", {}, names.map((name) => element("th", { scope: "col", class: ["Amount", "Balance"].includes(name) ? "num" : null }, name)))),
      element("tbody", {}, lines.map((line) => element(
        "tr",
        {},
        element("td", { class: "booked" }, time(line.at)),
        element("th", { scope: "row", class: "what" }, WORDS[line.entry] ?? line.entry, note(line) ? element("span", { class: "soft note" }, note(line)) : null),
        orders ? orderCell(line, orders) : element("td", { class: "about mono" }, line.contract_id ? line.contract_id.slice(0, 12) : "the order"),
        amount(line.amount_minor),
        orders ? element("td", { class: "num balance" }, money(line.balance_minor, currency)) : null,
      ))),
      total === null ? null : element("tfoot", {}, element("tr", {}, element("th", { scope: "row", colspan: "3" }, "Together"), amount(total))),
    ),
  );
}

// What the market passes on of an order's charge; what each of its makers gets is theirs to know.
function toWhom(order) {
  const parts = [[order.production_minor, "to who made it"], [order.transport_minor, "to carriers"], [order.fee_minor, "to the market"]];
  const paid = parts.filter(([minor]) => minor).map(([minor, whom]) => `${money(minor, order.currency)} ${whom}`);
  return `in all ${money(order.charge_minor, order.currency)}: ${paid.join(", ")}`;
}

function orderCell(line, orders) {
  if (!line.order_id) return element("td", { class: "about" }, "");
  const known = orders.get(line.order_id);
  const name = known ? `${known.quantity} × ${known.part_id}` : line.order_id.slice(0, 12);
  return element("td", { class: "about" }, element("a", { href: `#orders/${line.order_id}`, title: line.order_id }, name));
}
