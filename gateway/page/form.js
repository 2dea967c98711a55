// The order form: what it starts with, what it says, and what is wrong with it.

import { element, fractionDigits, inputMoment, minorUnits, number } from "./view.js";

const $ = (id) => document.getElementById(id);
const DAY_MS = 86400000;

export function newToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

export function prepareForm(market, now) {
  for (const place of document.querySelectorAll(".currency")) place.textContent = market.currency;
  const sites = $("f-destination");
  if (!sites.options.length) {
    sites.append(element("option", { value: "" }, "Choose a site"));
    for (const site of market.sites) sites.append(element("option", { value: site.id }, `${site.name}${site.country ? ` (${site.country})` : ""}`));
  }
  if (!$("f-release").value) {
    const start = new Date(Math.ceil(now.getTime() / 3600000) * 3600000);
    $("f-release").value = inputMoment(start);
    $("f-due").value = inputMoment(new Date(start.getTime() + 35 * DAY_MS));
  }
}

// The RFC 3339 of a field for a date; it may leave the seconds out.
export const instantOf = (text) => `${text}${text.length === 16 ? ":00" : ""}Z`;

export async function loadParts(client) {
  try {
    const parts = await client.pages("/v1/parts?limit=500", "parts");
    $("parts").replaceChildren(...parts.map((part) => element("option", { value: part.id }, part.name)));
    if (parts.length && !$("f-part_id").value) $("f-part_id").value = parts[0].id;
    $("part-hint").textContent = parts.length
      ? `${number(parts.length)} in your catalogue: ${parts.slice(0, 4).map((part) => part.id).join(", ")}${parts.length > 4 ? "…" : ""}`
      : "Your catalogue is empty: put parts into it with PUT /v1/parts/{id}.";
  } catch (error) {
    $("part-hint").textContent = "";
  }
}

export function readForm(market) {
  const form = $("order-form");
  const errors = {};
  const text = (name) => form.elements[name].value.trim();
  const integer = (name, label) => {
    if (/^\d{1,10}$/.test(text(name))) return Number(text(name));
    errors[name] = `${label} must be a whole number.`;
    return null;
  };
  const instant = (name, label, optional = false) => {
    if (text(name)) return instantOf(text(name));
    if (!optional) errors[name] = `${label} is needed.`;
    return null;
  };
  const amount = (name, label) => {
    const minor = minorUnits(text(name), market.currency);
    if (minor === null) errors[name] = `${label} must be an amount such as ${fractionDigits(market.currency) ? "2500.00" : "2500"}.`;
    return minor;
  };
  for (const [name, label] of [["part_id", "A part"], ["destination", "A destination"]]) {
    if (!text(name)) errors[name] = `${label} is needed.`;
  }
  const order = {
    part_id: text("part_id"),
    quantity: integer("quantity", "The quantity"),
    destination: text("destination"),
    release: instant("release", "The first date"),
    due: instant("due", "The due date"),
    deadline: instant("deadline", "The deadline", true),
    reservation_value_minor: amount("reservation_value_minor", "The limit price"),
    currency: market.currency,
    lateness_penalty_minor_per_day: amount("lateness_penalty_minor_per_day", "The penalty"),
    good_for_takts: integer("good_for_takts", "The number of takts"),
    partial: form.elements.partial.checked,
  };
  return { order, errors };
}

export function showErrors(errors, summary, form = $("order-form"), banner = $("form-error")) {
  for (const old of form.querySelectorAll(".field > .error")) old.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
  let first = null;
  for (const [name, message] of Object.entries(errors)) {
    const input = form.elements[name];
    if (!input) continue;
    const id = `error-${input.id.replace(/^f-/, "")}`;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", id);
    input.closest(".field").append(element("p", { class: "error", id }, message));
    first ||= input;
  }
  banner.textContent = summary;
  banner.hidden = !summary;
  if (first) first.focus();
  else if (summary) banner.focus();
}
