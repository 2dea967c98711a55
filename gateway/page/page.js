// The page: sign in, list, form, detail, market. Holds the state; draws with the other modules.

import { Client, Problem } from "./client.js";
import { orderDetail } from "./detail.js";
import { marketView } from "./market.js";
import { TERMINAL, badge, clock, element, fractionDigits, inputMoment, minorUnits, money, moment, number, stateOf } from "./view.js";

const STORED_KEY = "takt.key";
const $ = (id) => document.getElementById(id);
const page = {
  client: null, market: null, offset: 0, orders: new Map(), timelines: new Map(), clearings: new Map(), filter: "all",
  selected: null, token: "", formReady: false, stops: [], stopDetail: null, poll: null, round: null,
};

// --- sign in and out --------------------------------------------------------------------------

async function signIn(key) {
  const client = new Client(key);
  const market = await client.request("GET", "/v1/market");
  page.client = client;
  setMarket(market);
  sessionStorage.setItem(STORED_KEY, key);
  $("sign-in").hidden = true;
  $("tabs").hidden = $("session").hidden = false;
  page.stops.push(client.follow("/v1/events", onOrderEvent, showLive));
  route();
}

function signOut() {
  sessionStorage.removeItem(STORED_KEY);
  location.hash = "";
  location.reload();
}

function setMarket(market) {
  page.market = market;
  page.offset = Date.parse(market.now) - Date.now();
  tick();
}

const marketNow = () => new Date(Date.now() + page.offset);

function tick() {
  if (page.market) $("clock").textContent = clock(marketNow());
}

function showLive(state) {
  if (state === "refused") return signOut();
  $("live").dataset.state = state;
  $("live-text").textContent = state === "live" ? "live" : "reconnecting";
}

// --- list -------------------------------------------------------------------------------------

async function onOrderEvent(name, data) {
  if (name === "order") return keep(data);
  if (name !== "ready" && name !== "reset") return;
  try {
    const listed = await page.client.pages("/v1/orders?limit=500", "orders");
    for (const order of listed) keep(order, false);
    drawList();
  } catch (error) {
    showLive("reconnecting");
  }
}

function keep(order, draw = true) {
  const known = page.orders.get(order.id);
  if (known && known.history.length > order.history.length) return;
  page.orders.set(order.id, order);
  if (draw) drawList();
}

function shownOrders() {
  const wanted = page.filter;
  return [...page.orders.values()]
    .filter((order) => wanted === "all" || (wanted === "open" ? !TERMINAL.has(order.state) : stateOf(order.state)[1] === wanted))
    .sort((a, b) => b.submitted.localeCompare(a.submitted) || a.id.localeCompare(b.id));
}

let drawing = 0;
function drawList() {
  if (drawing) return;
  drawing = requestAnimationFrame(() => {
    drawing = 0;
    const orders = shownOrders();
    const focused = document.activeElement?.dataset?.order;
    $("list").replaceChildren(...orders.slice(0, 500).map(card));
    if (focused) $("list").querySelector(`[data-order="${CSS.escape(focused)}"]`)?.focus();
    $("count").textContent = page.orders.size ? number(page.orders.size) : "";
    $("list-empty").hidden = orders.length > 0;
    $("list-empty").textContent = page.orders.size ? "No orders of this kind." : "No orders yet. Send the first one.";
  });
}

function card(order) {
  const selected = order.id === page.selected;
  return element(
    "li",
    {},
    element(
      "a",
      { href: `#orders/${order.id}`, class: "order", "data-order": order.id, "data-state": order.state, "aria-current": selected ? "true" : null },
      element("span", { class: "row" }, element("strong", {}, `${number(order.quantity)} × ${order.part_id}`), badge(order.state)),
      element(
        "span",
        { class: "row soft" },
        element("span", {}, `${order.destination} · due ${moment(order.due)}`),
        element("span", {}, order.charge_minor === null ? `≤ ${money(order.reservation_value_minor, order.currency)}` : money(order.charge_minor, order.currency)),
      ),
    ),
  );
}

// --- detail -----------------------------------------------------------------------------------

function select(orderId) {
  if (page.stopDetail) page.stopDetail();
  page.stopDetail = null;
  page.selected = orderId;
  drawList();
  $("order-form").hidden = orderId !== null || !page.token || !page.formReady;
  if (orderId === null) {
    drawDetail(null);
    return;
  }
  const known = page.orders.get(orderId);
  drawDetail(known ?? null, known ? "" : "Loading…");
  page.stopDetail = page.client.follow(
    `/v1/orders/${encodeURIComponent(orderId)}/events`,
    (name, data) => {
      if (name !== "order" || page.selected !== orderId) return;
      keep(data);
      drawDetail(data);
      readTimeline(orderId);
    },
    (state) => {
      if (state === "refused") drawDetail(null, "There is no such order, or it is not yours.");
    },
  );
}

// Plan beside actual of the order that is shown; the last one read stays where the market does not answer.
async function readTimeline(orderId) {
  const order = page.orders.get(orderId);
  if (page.selected !== orderId || !order?.lots.some((lot) => lot.contracts.length)) return;
  try {
    const { timeline } = await page.client.request("GET", `/v1/orders/${encodeURIComponent(orderId)}/timeline`);
    const plan = (given) => given && JSON.stringify([given.entries, given.risks, given.predicted, given.quotes]);
    const same = plan(page.timelines.get(orderId)) === plan(timeline);
    page.timelines.set(orderId, timeline);
    if (!same && page.selected === orderId) drawDetail(page.orders.get(orderId));
  } catch {}
}

function drawDetail(order, text) {
  const place = $("detail");
  if (order) {
    place.replaceChildren(orderDetail(order, page.timelines.get(order.id) ?? null, { onCancel: askCancel, onRound: (id) => (page.round = id) }));
  } else {
    const idle = page.token ? "" : "Select an order to see where it stands, or send a new one.";
    place.replaceChildren(element("p", { class: "empty" }, text || idle));
  }
}

function askCancel(order) {
  const dialog = $("confirm");
  $("confirm-text").textContent = `${number(order.quantity)} × ${order.part_id} to ${order.destination}. ${order.state === "awarded" ? "Contracts were awarded and will end." : "It will not be called again."}`;
  dialog.returnValue = "no";
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "yes") return;
    try {
      const cancelled = await page.client.request("POST", `/v1/orders/${encodeURIComponent(order.id)}/cancel`);
      keep(cancelled);
      if (page.selected === order.id) drawDetail(cancelled);
    } catch (error) {
      $("detail").prepend(element("p", { class: "error banner", role: "alert" }, error.message));
    }
  }, { once: true });
  dialog.showModal();
  dialog.querySelector("[value=no]").focus(); // the safe answer
}

// --- form -------------------------------------------------------------------------------------

function newToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function openForm() {
  page.token ||= newToken();
  select(null);
  const market = page.market;
  for (const place of document.querySelectorAll(".currency")) place.textContent = market.currency;
  const sites = $("f-destination");
  if (!sites.options.length) {
    sites.append(element("option", { value: "" }, "Choose a site"));
    for (const site of market.sites) sites.append(element("option", { value: site.id }, `${site.name}${site.country ? ` (${site.country})` : ""}`));
  }
  if (!$("f-release").value) {
    const day = 86400000;
    const start = new Date(Math.ceil(marketNow().getTime() / 3600000) * 3600000);
    $("f-release").value = inputMoment(start);
    $("f-due").value = inputMoment(new Date(start.getTime() + 35 * day));
  }
  await loadParts();
  page.formReady = true;
  if (!page.token || page.selected !== null) return; // closed again meanwhile
  $("order-form").hidden = false;
  $("f-part_id").focus();
}

async function loadParts() {
  try {
    const parts = await page.client.pages("/v1/parts?limit=500", "parts");
    $("parts").replaceChildren(...parts.map((part) => element("option", { value: part.id }, part.name)));
    if (parts.length && !$("f-part_id").value) $("f-part_id").value = parts[0].id;
    $("part-hint").textContent = parts.length
      ? `${number(parts.length)} in your catalogue: ${parts.slice(0, 4).map((part) => part.id).join(", ")}${parts.length > 4 ? "…" : ""}`
      : "Your catalogue is empty: put parts into it with PUT /v1/parts/{id}.";
  } catch (error) {
    $("part-hint").textContent = "";
  }
}

function readForm() {
  const form = $("order-form");
  const errors = {};
  const text = (name) => form.elements[name].value.trim();
  const integer = (name, label) => {
    if (/^\d{1,10}$/.test(text(name))) return Number(text(name));
    errors[name] = `${label} must be a whole number.`;
    return null;
  };
  const instant = (name, label, optional = false) => {
    if (text(name)) return `${text(name)}${text(name).length === 16 ? ":00" : ""}Z`;
    if (!optional) errors[name] = `${label} is needed.`;
    return null;
  };
  const amount = (name, label) => {
    const minor = minorUnits(text(name), page.market.currency);
    if (minor === null) errors[name] = `${label} must be an amount such as ${fractionDigits(page.market.currency) ? "2500.00" : "2500"}.`;
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
    currency: page.market.currency,
    lateness_penalty_minor_per_day: amount("lateness_penalty_minor_per_day", "The penalty"),
    good_for_takts: integer("good_for_takts", "The number of takts"),
    partial: form.elements.partial.checked,
  };
  return { order, errors };
}

function showErrors(errors, summary) {
  const form = $("order-form");
  for (const old of form.querySelectorAll(".field > .error")) old.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
  let first = null;
  for (const [name, message] of Object.entries(errors)) {
    const input = form.elements[name];
    if (!input) continue;
    const id = `error-${name}`;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", id);
    input.closest(".field").append(element("p", { class: "error", id }, message));
    first ||= input;
  }
  $("form-error").textContent = summary;
  $("form-error").hidden = !summary;
  if (first) first.focus();
  else if (summary) $("form-error").focus();
}

async function send(event) {
  event.preventDefault();
  const { order, errors } = readForm();
  showErrors(errors, Object.keys(errors).length ? "Please look at the marked fields." : "");
  if (Object.keys(errors).length) return;
  $("send").disabled = true;
  try {
    const answer = await page.client.request("POST", "/v1/orders", { body: order, headers: { "Idempotency-Key": page.token } });
    page.token = "";
    keep(await page.client.request("GET", `/v1/orders/${answer.id}`));
    location.hash = `orders/${answer.id}`;
  } catch (error) {
    const fields = {};
    if (error instanceof Problem) {
      for (const item of error.body.errors ?? [error.body]) if (item.field) fields[item.field] = item.detail;
      if (error.body.type?.endsWith("idempotency_key_reused")) page.token = newToken();
    }
    const lost = error instanceof Problem ? error.message : "No answer came. Send it again: it will not be ordered twice.";
    showErrors(fields, lost);
  } finally {
    $("send").disabled = false;
  }
}

// --- market -----------------------------------------------------------------------------------

const isOver = (item) => item.status === "cleared" || item.status === "void";

async function refreshMarket() {
  try {
    setMarket(await page.client.request("GET", "/v1/market"));
    const final = [...page.clearings.values()].filter(isOver).map((item) => item.round_id).sort();
    const open = [...page.clearings.values()].filter((item) => !isOver(item)).map((item) => item.round_id).sort();
    const from = open.length ? final.filter((id) => id < open[0]).at(-1) : final.at(-1);
    const query = from ? `&after=${encodeURIComponent(from)}` : "";
    for (const item of await page.client.pages(`/v1/clearings?limit=500${query}`, "clearings")) page.clearings.set(item.round_id, item);
    $("market").replaceChildren(...marketView(page.market, page.clearings, page.round).filter(Boolean));
    if (page.round) {
      $(`round-${page.round}`)?.scrollIntoView({ block: "center" });
      page.round = null;
    }
  } catch (error) {
    if (!$("market").childNodes.length) $("market").replaceChildren(element("p", { class: "error banner", role: "alert" }, error.message));
  }
}

// --- routes -----------------------------------------------------------------------------------

function route() {
  if (!page.client) return;
  const [view, orderId] = location.hash.slice(1).split("/");
  const onMarket = view === "market";
  $("orders").hidden = onMarket;
  $("market").hidden = !onMarket;
  for (const [id, on] of [["tab-orders", !onMarket], ["tab-market", onMarket]]) {
    if (on) $(id).setAttribute("aria-current", "page");
    else $(id).removeAttribute("aria-current");
  }
  clearInterval(page.poll);
  if (onMarket) {
    refreshMarket();
    page.poll = setInterval(refreshMarket, 3000);
  } else if (orderId) {
    select(decodeURIComponent(orderId));
    $("side").scrollIntoView({ block: "nearest" });
  } else if (view === "orders" || !page.selected) {
    select(null);
  }
}

function start() {
  $("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    $("key-error").textContent = "";
    try {
      await signIn($("key").value.trim());
    } catch (error) {
      const wrong = error instanceof Problem && error.status === 401;
      $("key-error").textContent = wrong ? "The market does not know this key." : `The market cannot be reached: ${error.message}`;
      $("key").focus();
    }
  });
  $("sign-out").addEventListener("click", signOut);
  $("new").addEventListener("click", () => {
    if (location.hash !== "#orders") history.replaceState(null, "", "#orders");
    openForm();
  });
  $("form-cancel").addEventListener("click", () => {
    page.token = "";
    showErrors({}, "");
    select(null);
  });
  $("order-form").addEventListener("submit", send);
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.addEventListener("click", () => {
      page.filter = button.dataset.filter;
      for (const other of document.querySelectorAll("[data-filter]")) other.setAttribute("aria-pressed", String(other === button));
      drawList();
    });
  }
  addEventListener("hashchange", route);
  setInterval(tick, 1000);
  setInterval(() => readTimeline(page.selected), 15000);
  const stored = sessionStorage.getItem(STORED_KEY);
  const showSignIn = () => {
    $("sign-in").hidden = false;
    $("key").focus();
  };
  if (stored) signIn(stored).catch(showSignIn);
  else showSignIn();
}

start();
