// A change or the cancellation of an order: asked for, priced, then accepted at that price.

import { Problem } from "./client.js";
import { instantOf, showErrors } from "./form.js";
import { element, money, moment, number } from "./view.js";

const $ = (id) => document.getElementById(id);
const SIDES = {
  before: "Before the clearing: the order leaves the open round.",
  after: "After the clearing of the round that is under way.",
  none: "At once.",
};

const field = (text) => text.slice(0, 16);

export function askChange(client, order, onDone) {
  const dialog = $("change");
  const form = $("change-form");
  const inputs = form.elements;
  let quote = null;
  $("change-about").textContent = `${number(order.quantity)} × ${order.part_id} to ${order.destination}`;
  inputs.quantity.value = order.quantity;
  inputs.due.value = field(order.due);
  inputs.deadline.value = field(order.deadline);
  inputs.what.value = "change";

  const step = (shown) => {
    quote = shown;
    form.hidden = quote !== null;
    $("quote").hidden = quote === null;
    $("quote-error").textContent = "";
  };
  const what = () => {
    $("change-fields").hidden = inputs.what.value === "cancel";
  };
  const asked = () => {
    if (inputs.what.value === "cancel") return { body: { cancel: true }, errors: {} };
    const errors = {};
    const body = {};
    const quantity = inputs.quantity.value.trim();
    if (!/^\d{1,10}$/.test(quantity) || Number(quantity) < 1) errors.quantity = "The quantity must be a whole number.";
    else if (Number(quantity) !== order.quantity) body.quantity = Number(quantity);
    for (const [name, label] of [["due", "The due date"], ["deadline", "The deadline"]]) {
      const value = inputs[name].value;
      if (!value) errors[name] = `${label} is needed.`;
      else if (field(value) !== field(order[name])) body[name] = instantOf(value);
    }
    return { body, errors };
  };

  const ask = async (event) => {
    event.preventDefault();
    const { body, errors } = asked();
    const nothing = !Object.keys(errors).length && !Object.keys(body).length;
    showErrors(errors, nothing ? "Nothing is changed yet." : "", form, $("change-error"));
    if (nothing || Object.keys(errors).length) return;
    $("ask-price").disabled = true;
    try {
      const answer = await client.request("POST", `/v1/orders/${encodeURIComponent(order.id)}/changes`, { body });
      step(answer.quote);
      showQuote(answer.quote, body, order);
      $("accept").focus();
    } catch (error) {
      const named = error instanceof Problem && error.body.field ? { [error.body.field]: error.body.detail } : {};
      showErrors(named, error.message, form, $("change-error"));
    } finally {
      $("ask-price").disabled = false;
    }
  };

  const accept = async () => {
    $("accept").disabled = true;
    try {
      await client.request("POST", `/v1/orders/${encodeURIComponent(order.id)}/changes/${encodeURIComponent(quote.quote_id)}/accept`);
      dialog.close();
      onDone();
    } catch (error) {
      $("quote-error").textContent = error.message;
    } finally {
      $("accept").disabled = false;
    }
  };

  showErrors({}, "", form, $("change-error"));
  form.onsubmit = ask;
  form.onchange = what;
  $("accept").onclick = accept;
  $("ask-again").onclick = () => {
    step(null);
    inputs.quantity.focus();
  };
  for (const id of ["change-close", "quote-close"]) $(id).onclick = () => dialog.close();
  what();
  step(null);
  dialog.showModal();
  inputs.quantity.focus();
}

function showQuote(quote, body, order) {
  const wanted = [
    body.cancel ? "The order is cancelled." : null,
    body.quantity ? `${number(body.quantity)} pieces instead of ${number(order.quantity)}.` : null,
    body.due ? `Due ${moment(body.due)}.` : null,
    body.deadline ? `Deadline ${moment(body.deadline)}.` : null,
  ].filter(Boolean);
  const rows = [
    ["What", wanted.join(" ")],
    ["Price", element("strong", { class: "total" }, quote.price_minor ? money(quote.price_minor, order.currency) : "Free")],
    ["Takes effect", SIDES[quote.clearing]],
    ["What follows", follows(quote.detail, order.currency)],
    ["Holds until", moment(quote.expires)],
  ];
  $("quote-facts").replaceChildren(...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  $("accept").textContent = quote.price_minor ? `Accept for ${money(quote.price_minor, order.currency)}` : "Accept";
  $("accept").className = body.cancel ? "danger" : "primary";
}

// Amounts in the market's words are in minor units.
function follows(detail, currency) {
  const saved = /^(\d+) less to pay$/.exec(detail);
  return saved ? `${money(Number(saved[1]), currency)} less to pay for the order` : detail || "–";
}
