// The page: sign in, list, form, detail, market. Holds the state; draws with the other modules.

import { Client, Problem } from "./client.js";
import { Statement, accountView } from "./account.js";
import { askChange } from "./change.js";
import { orderDetail } from "./detail.js";
import { loadParts, newToken, prepareForm, readForm, showErrors } from "./form.js";
import { marketView } from "./market.js";
import { Operation } from "./operator.js";
import { TERMINAL, badge, clock, element, money, moment, number, stateOf } from "./view.js";

const STORED_KEY = "takt.key";
const $ = (id) => document.getElementById(id);
const page = {
  client: null, market: null, offset: 0, orders: new Map(), timelines: new Map(), clearings: new Map(), filter: "all",
  selected: null, token: "", formReady: false, stops: [], stopDetail: null, poll: null, round: null,
  statement: null, operation: null,
};
const NEWEST_ROUNDS = 40; // their clearings may still be taken back
const VIEWS = ["orders", "account", "operator", "market"];

// --- sign in and out --------------------------------------------------------------------------

async function signIn(key) {
  const client = new Client(key);
  const market = await client.request("GET", "/v1/market");
  page.client = client;
  setMarket(market);
  sessionStorage.setItem(STORED_KEY, key);
  $("sign-in").hidden = true;
  $("tabs").hidden = $("session").hidden = false;
  const operator = market.holder === "operator";
  $("tab-orders").hidden = $("tab-account").hidden = operator;
  $("tab-operator").hidden = !operator;
  if (operator) page.operation = new Operation(client, readClearings, showLive);
  else {
    page.statement = new Statement(client);
    page.stops.push(client.follow("/v1/events", onOrderEvent, showLive));
  }
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
  if (page.selected !== orderId || !order?.history.some((entry) => entry.state === "awarded")) return;
  try {
    const { timeline } = await page.client.request("GET", `/v1/orders/${encodeURIComponent(orderId)}/timeline`);
    const plan = (given) => given && JSON.stringify([given.entries, given.risks, given.predicted, given.quotes]);
    const same = plan(page.timelines.get(orderId)) === plan(timeline);
    page.timelines.set(orderId, timeline);
    const more = await page.statement.read();
    if ((!same || more) && page.selected === orderId) drawDetail(page.orders.get(orderId));
  } catch {}
}

function drawDetail(order, text) {
  const place = $("detail");
  if (order) {
    const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    place.replaceChildren(orderDetail(order, page.timelines.get(order.id) ?? null, page.statement.of(order.id), {
      onCancel: askCancel,
      onChange: (shown) => askChange(page.client, shown, () => readTimeline(shown.id)),
      onRound: (id) => (page.round = id),
    }));
    if (focused) place.querySelector(`[data-key="${focused}"]`)?.focus();
  } else {
    const idle = page.token ? "" : "Select an order to see where it stands, or send a new one.";
    place.replaceChildren(element("p", { class: "empty" }, text || idle));
  }
}

function askCancel(order) {
  const dialog = $("confirm");
  $("confirm-text").textContent = `${number(order.quantity)} × ${order.part_id} to ${order.destination}. It will not be called again.`;
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

async function openForm() {
  page.token ||= newToken();
  select(null);
  prepareForm(page.market, marketNow());
  await loadParts(page.client);
  page.formReady = true;
  if (!page.token || page.selected !== null) return; // closed again meanwhile
  $("order-form").hidden = false;
  $("f-part_id").focus();
}

async function send(event) {
  event.preventDefault();
  const { order, errors } = readForm(page.market);
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

// The rounds by id; read again is what may have changed: from the first that is open, the newest in any case.
async function readClearings() {
  const known = [...page.clearings.values()].sort((a, b) => a.round_id.localeCompare(b.round_id));
  const open = known.findIndex((item) => !isOver(item));
  const first = Math.min(open < 0 ? known.length : open, known.length - NEWEST_ROUNDS);
  const query = first > 0 ? `&after=${encodeURIComponent(known[first - 1].round_id)}` : "";
  for (const item of await page.client.pages(`/v1/clearings?limit=500${query}`, "clearings")) page.clearings.set(item.round_id, item);
  return page.clearings;
}

async function refreshMarket() {
  try {
    setMarket(await page.client.request("GET", "/v1/market"));
    await readClearings();
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
  const [asked, orderId] = location.hash.slice(1).split("/");
  const home = page.operation ? "operator" : "orders";
  const allowed = page.operation ? ["operator", "market"] : ["orders", "account", "market"];
  const view = allowed.includes(asked) ? asked : home;
  for (const name of VIEWS) {
    $(name).hidden = name !== view;
    if (name === view) $(`tab-${name}`).setAttribute("aria-current", "page");
    else $(`tab-${name}`).removeAttribute("aria-current");
  }
  clearInterval(page.poll);
  const refresh = { market: refreshMarket, account: refreshAccount, operator: () => page.operation.refresh() }[view];
  if (refresh) {
    refresh();
    page.poll = setInterval(refresh, 3000);
  } else if (orderId) {
    select(decodeURIComponent(orderId));
    $("side").scrollIntoView({ block: "nearest" });
  } else if (asked === "orders" || !page.selected) {
    select(null);
  }
}

async function refreshAccount() {
  try {
    const more = await page.statement.read();
    if (more || !$("account").childNodes.length) $("account").replaceChildren(...accountView(page.statement, page.orders));
  } catch (error) {
    if (!$("account").childNodes.length) $("account").replaceChildren(element("p", { class: "error banner", role: "alert" }, error.message));
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
