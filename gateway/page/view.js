// Small pieces of the page: elements, words, money, dates. All text goes in as text, never as markup.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

export const STATES = {
  submitted: ["Submitted", "open", "Waiting for the next takt."],
  calling: ["Calling", "open", "Eligible plants and suppliers are bidding."],
  clearing: ["Clearing", "open", "Bids are closed; all open orders are being cleared together."],
  awarded: ["Awarded", "served", "Contracts are awarded; their holders have yet to confirm."],
  confirmed: ["Confirmed", "served", "Everybody has confirmed."],
  in_production: ["In production", "served", "Work has begun."],
  at_risk: ["At risk", "served", "A contract cannot be kept; the rest will be called again."],
  reallocating: ["Reallocating", "served", "The rest is being called again."],
  awaiting_approval: ["Waiting for approval", "served", "So much was lost that the market's operator must approve what is awarded anew."],
  shipped: ["Shipped", "served", "On its way to you."],
  delivered: ["Delivered", "served", "It has arrived."],
  settled: ["Settled", "served", "Delivered and paid."],
  rejected: ["Rejected", "ended", "The market did not take it."],
  unserved: ["Not served", "ended", "No combination of bids met its limits."],
  cancelled: ["Cancelled", "ended", "You cancelled it."],
  expired: ["Expired", "ended", "Its deadline passed."],
};
export const TERMINAL = new Set(["settled", "rejected", "unserved", "cancelled", "expired"]);
export const CANCELLABLE = new Set(["submitted", "calling", "clearing"]);
export const STEPS = ["submitted", "calling", "clearing", "awarded", "confirmed", "in_production", "shipped", "delivered", "settled"];

const REASONS = {
  no_bid: "Nobody who is able to do it made an offer that fits.",
  price: "The cheapest way to make it costs more than your limit price.",
  capacity: "The capacity that it needs went to other orders.",
  group: "The offers that it needs exclude each other.",
  transport: "The goods cannot be brought from place to place.",
  dates: "No combination of offers meets its dates.",
  max_suppliers: "It would need more suppliers than you allow.",
  not_proven: "It could not be shown in time that it can be served.",
};

export const stateOf = (state) => STATES[state] || [state, "open", ""];
export const reasonText = (reason) => REASONS[reason.code] || reason.code.replaceAll("_", " ");

export function badge(state) {
  const [word, kind] = stateOf(state);
  return element("span", { class: `badge ${kind} s-${state}` }, word);
}

const digitsOf = new Map();
export function fractionDigits(currency) {
  if (!digitsOf.has(currency)) {
    const format = new Intl.NumberFormat("en", { style: "currency", currency });
    digitsOf.set(currency, format.resolvedOptions().maximumFractionDigits);
  }
  return digitsOf.get(currency);
}

export function money(minor, currency) {
  if (minor === null || minor === undefined) return "–";
  return new Intl.NumberFormat("en-GB", { style: "currency", currency }).format(minor / 10 ** fractionDigits(currency));
}

// Exact: "1234.5" is 123450 minor units, without a detour over floats.
export function minorUnits(text, currency) {
  const digits = fractionDigits(currency);
  const match = /^(\d{1,13})(?:[.,](\d+))?$/.exec(text.replaceAll(/[\s'_]/g, ""));
  if (!match || (match[2] || "").length > digits) return null;
  return Number(match[1] + (match[2] || "").padEnd(digits, "0"));
}

const dateFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
const timeFormat = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });
export const moment = (text) => (text ? dateFormat.format(new Date(text)) : "–");
export const clock = (date) => `${timeFormat.format(date)} UTC`;
export const time = (text) => element("time", { datetime: text, title: text }, moment(text));
export const number = (value) => (value === null || value === undefined ? "–" : new Intl.NumberFormat("en-GB").format(value));
export const inputMoment = (date) => date.toISOString().slice(0, 16);
export const bytes = (count) => (count < 1e6 ? `${number(Math.round(count / 1000))} kB` : `${(count / 1e6).toFixed(1)} MB`);
export const percent = (share) => share === 0 ? "0 %" : `${share.toFixed(Math.abs(share) < 1 ? 2 : 1)} %`;
export const kilograms = (grams) =>
  grams === null ? "–" : `${new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 }).format(grams / 1000)} kg CO₂e`;
