// The demo page's behaviour: signs in, keeps one connection to each of two hubs, and shows what they send.
// What people and servers wrote is put in with textContent, never parsed as markup. The token lives in this script's
// memory only; it is never stored, logged, or put into an address by this script.

const LIST_LIMIT = 200; // items in a log: enough to scroll back to, little enough for a phone
const PATIENT_LIMIT = 100; // rows in the table, so that a talkative server cannot fill the page
const CHIP_LIMIT = 40; // people, rooms and wards shown as chips
const TEXT_LIMIT = 2000; // characters shown of one text; the page itself sends no longer ones
const TREND_LENGTH = 40; // readings in one sparkline
const DRAW_DELAY = 100; // ms between two drawings of the table, however fast readings come
const SILENT_AFTER = 12_000; // ms without a reading after which a row says so: an old number must not look new
const RENEW_BEFORE = 5_000; // ms before its lapse at which a token is no longer offered
const RECONNECT_DELAYS = [0, 2_000, 5_000, 10_000, 15_000]; // ms; then the person is asked

const byId = (id) => document.getElementById(id);
const shown = (value) => String(value ?? "").slice(0, TEXT_LIMIT);
const message = (error) => shown(error?.message ?? error);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const naturally = new Intl.Collator(undefined, { numeric: true });

/** Makes an element. `properties` go through DOM properties, so a text can never become markup. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Makes an SVG element from attributes: the page's policy refuses inline styles. */
function makeSvg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const icon = (name) =>
  makeSvg("svg", { class: `icon ${name}`, "aria-hidden": "true" }, makeSvg("use", { href: `#icon-${name}` }));

function timeOf(at) {
  const date = new Date(Number.isFinite(at) ? at : Date.now());
  return Number.isNaN(date.getTime()) ? "" : clock.format(date);
}

/** Appends to a log, drops its oldest items, and follows the end unless the reader has scrolled away from it. */
function appendToLog(list, item) {
  const log = list.closest(".log");
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  list.append(item);
  while (list.childElementCount > LIST_LIMIT) list.firstElementChild.remove();
  if (follows) log.scrollTop = log.scrollHeight;
}

/** Shows a sentence, or hides the element when there is none. The same again is not announced again. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

// ---------------------------------------------------------------------------------------------- the session

let session = null; // { user, role, department, token, lapsesAt }

async function mint(who) {
  let response;
  try {
    response = await fetch("/demo/sign-in", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user: who.user, role: who.role, department: who.department }),
    });
  } catch {
    throw new Error("The node does not answer. Check that `hubward demo` is still running, then try again.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok || typeof body.token !== "string") {
    const reason = shown(body.error ?? `The node answered with status ${response.status}.`);
    throw new Error(`${reason} Change what you entered above and sign in again.`);
  }
  const { user, role, department } = who;
  return { user, role, department, token: body.token, lapsesAt: Date.now() + body.expiresInSeconds * 1000 };
}

/** The token to connect with: a new one when the old one has lapsed, as a real page would ask its sign-in. */
async function freshToken() {
  if (session !== null && Date.now() > session.lapsesAt - RENEW_BEFORE) {
    const renewed = await mint(session);
    if (session !== null) session = renewed;
    showSession();
  }
  return session?.token ?? "";
}

// ---------------------------------------------------------------------------------------------- connections

/** A failure that this page found itself. Its words already say what to do next; other ones get advice beside them. */
class PageError extends Error {}
const fromServer = (error) => !(error instanceof PageError);

const isUnknownToken = (text) => text.includes("Status code '401'");

/** One hub's connection and its state in words. It outlives single connections: `open` starts another. */
class HubLink {
  connection = null;
  state = "Signed out";
  refused = false; // 403: connecting again with the same sign-in would be refused again
  reason = "";
  transport = "";

  constructor(path, handlers, restore) {
    Object.assign(this, { path, handlers, restore });
  }

  /** Connects. A token that the node no longer knows is replaced once: it may have started with new keys. */
  async open(mayRenew = true) {
    const connection = new signalR.HubConnectionBuilder()
      .withUrl(this.path, { accessTokenFactory: freshToken, transport: Number(byId("transport").value) || undefined })
      .withAutomaticReconnect(RECONNECT_DELAYS)
      .withStatefulReconnect()
      .configureLogging({ log: (level, text) => this.#read(level, text) })
      .build();
    this.connection = connection;
    for (const [name, handler] of Object.entries(this.handlers)) {
      connection.on(name, (value) => {
        if (connection === this.connection) handler(value ?? {});
      });
    }
    connection.onreconnecting((error) => this.#enter(connection, "Reconnecting", error));
    connection.onclose((error) => this.#enter(connection, "Closed", error));
    connection.onreconnected(() => this.#ready(connection));
    this.#enter(connection, "Connecting");
    try {
      await connection.start();
      await this.#ready(connection);
    } catch (error) {
      if (mayRenew && isUnknownToken(message(error)) && connection === this.connection) return this.open(false);
      this.#enter(connection, "Closed", error);
    }
  }

  async close() {
    const { connection } = this;
    this.connection = null;
    Object.assign(this, { state: "Signed out", refused: false, reason: "", transport: "" });
    await connection?.stop();
  }

  /** Calls a method of the hub. Fails with a sentence that says what to do while there is no connection. */
  async invoke(method, ...args) {
    this.#mustBeConnected();
    return this.connection.invoke(method, ...args);
  }

  stream(method, ...args) {
    this.#mustBeConnected();
    return this.connection.stream(method, ...args);
  }

  #mustBeConnected() {
    if (this.refused) throw new PageError(`${this.path} refused this sign-in. ${refusalAdvice()}`);
    if (this.state !== "Connected") {
      throw new PageError("Not connected. Wait for “Connected”, or press “Connect again”.");
    }
  }

  async #ready(connection) {
    this.#enter(connection, "Connected");
    if (connection === this.connection) await this.restore();
  }

  #enter(connection, state, error) {
    if (connection !== this.connection) return; // an older connection's last words
    this.state = state;
    this.reason = error ? message(error) : "";
    this.refused = state === "Closed" && this.reason.includes("Status code '403'");
    if (this.refused) onRefused(this);
    showConnections();
  }

  // The client's log is the only place that names the transport in use. It is never printed as it is: its lines of
  // level Information hold addresses with the token in them.
  #read(level, text) {
    if (session !== null && isUnknownToken(text)) session.lapsesAt = 0; // the next attempt asks for another
    const started = /WebSocket connected|SSE connected|\(LongPolling transport\) Connecting/.exec(text)?.[0];
    if (started) {
      this.transport = { W: "WebSockets", S: "server-sent events", "(": "long polling" }[started[0]];
      showSession();
    } else if (level >= signalR.LogLevel.Warning) {
      console.warn(`${this.path}: ${text.replace(/access_token=[^&\s]*/g, "access_token=…")}`);
    }
  }
}

const chat = new HubLink("/hubs/chat", { Message: showMessage, Presence: showPresence }, restoreRooms);
const ward = new HubLink("/hubs/ward", { Vitals: takeReading, MedicationOrdered: showOrder }, restoreWards);
const links = [chat, ward];

/** One word for both connections: the one that needs attention. A hub that refused the sign-in is not waited for. */
function overallState() {
  const states = links.filter((link) => !link.refused).map((link) => link.state);
  if (states.length === 0) return "Closed";
  return ["Connecting", "Reconnecting", "Closed", "Signed out"].find((state) => states.includes(state)) ?? "Connected";
}

function showState(element, state) {
  if (element.dataset.state === state) return; // a live region is not to repeat itself
  element.dataset.state = state;
  element.textContent = state;
}

function showConnections() {
  const overall = overallState();
  showState(byId("connection-state"), overall);
  showState(byId("chat-state"), chat.refused ? "Refused" : chat.state);
  showState(byId("ward-state"), ward.refused ? "Refused" : ward.state);
  const closed = links.find((link) => link.state === "Closed" && (!link.refused || overall === "Closed"));
  if (overall === "Closed" && closed) {
    const advice = closed.refused ? refusalAdvice() : "If the node is running, press “Connect again”.";
    say(byId("notice-text"), `The connection to ${closed.path} is closed. ${closed.reason} ${advice}`);
  } else if (overall === "Reconnecting") {
    say(byId("notice-text"), "The connection was lost. Trying again by itself; nothing for you to do yet.");
  }
  byId("connect-again").hidden = overall !== "Closed";
  byId("notice").hidden = overall !== "Closed" && overall !== "Reconnecting";
  if (chat.state !== "Connected") forgetPeople();
  showVitalsStatus();
  showSession();
}

const refusalAdvice = () => "Sign out, and sign in with another role or department.";

function onRefused(link) {
  if (link === ward) logWard("error", link.reason, `The policy ClinicalStaff guards this hub. ${refusalAdvice()}`);
}

// ---------------------------------------------------------------------------------------------- sign-in and sign-out

function showSession() {
  byId("session-out").hidden = session !== null;
  byId("session-in").hidden = byId("workspace").hidden = session === null;
  if (session === null) return;
  byId("session-who").textContent = session.user;
  const over = [...new Set(links.map((link) => link.transport).filter(Boolean))].join(" and ");
  const facts = [session.role, session.department, over && `over ${over}`, `token until ${timeOf(session.lapsesAt)}`];
  byId("session-detail").textContent = facts.filter(Boolean).join(" · ");
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  say(byId("sign-in-error"), "");
  try {
    const fields = new FormData(form);
    const text = (name) => String(fields.get(name)).trim();
    session = await mint({ user: text("user"), role: text("role"), department: text("department") });
    byId("ward-name").value = session.department;
    byId("guide").open = false;
    showSession();
    byId("chat-text").focus({ preventScroll: true });
    for (const link of links) link.open();
  } catch (error) {
    say(byId("sign-in-error"), message(error));
  } finally {
    form.ariaBusy = "false";
  }
});

byId("sign-out").addEventListener("click", async () => {
  session = null;
  stopWatching();
  countSubscription?.dispose();
  const ended = Promise.allSettled(links.map((link) => link.close()));
  rooms.clear();
  wards.clear();
  forgetPatients(() => true);
  for (const list of [byId("chat-log"), wardLog]) list.replaceChildren();
  showConnections();
  byId("user").focus();
  await ended;
});

byId("connect-again").addEventListener("click", () => {
  for (const link of links) if (link.state === "Closed") link.open();
});

/** A form that calls a hub: one call at a time, its error shown where `fail` says. */
function onSubmit(form, call, fail) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    try {
      await call(form);
    } catch (error) {
      fail(error);
    } finally {
      form.ariaBusy = "false";
    }
  });
}

/** A bounded set of names shown as chips, each with a button that leaves it. */
class Memberships {
  names = new Set();

  constructor(list, leave, changed = () => {}) {
    Object.assign(this, { list, leave, changed });
  }

  add(name) {
    if (this.names.size >= CHIP_LIMIT) throw new PageError(`At most ${CHIP_LIMIT} at a time. Leave one first.`);
    this.names.add(name);
    this.#show();
  }

  delete(name) {
    this.names.delete(name);
    this.#show();
  }

  clear() {
    this.names.clear();
    this.#show();
  }

  #show() {
    const chip = (name) => {
      const button = make("button", { type: "button", className: "chip-leave" }, "×");
      button.setAttribute("aria-label", `Leave ${name}`);
      button.addEventListener("click", () => this.leave(name));
      return make("li", {}, make("bdi", { textContent: name }), button);
    };
    this.list.replaceChildren(...[...this.names].map(chip));
    this.changed();
  }
}

// ---------------------------------------------------------------------------------------------- the chat

const chatFailed = (error) => say(byId("chat-error"), `${message(error)} ${fromServer(error) ? RETRY_ADVICE : ""}`);
const RETRY_ADVICE = "If nothing came of it, try again once the state is “Connected”.";
const rooms = new Memberships(byId("room-list"), leaveRoom, showTargets);
const people = new Map(); // "user\nnode" → how many connections have been seen there

function showMessage({ user, text, node, at, room }) {
  const own = session !== null && user === session.user;
  const meta = [room && `in ${shown(room)}`, node && `via ${shown(node)}`, timeOf(at)].filter(Boolean).join(" · ");
  const who = make("p", { className: "who" }, make("bdi", { className: "user", textContent: shown(user) }));
  who.append(" ", make("span", { className: "meta", textContent: meta }));
  const item = make("li", { className: own ? "own" : "" }, who);
  item.append(make("p", { className: "text", dir: "auto", textContent: shown(text) }));
  appendToLog(byId("chat-log"), item);
  if (!people.has(`${shown(user)}\n${shown(node)}`)) countPerson(user, node, 1);
}

function showPresence({ user, node, event }) {
  countPerson(user, node, event === "left" ? -1 : 1);
  byId("presence-last").textContent = `${shown(user)} ${event === "left" ? "left" : "joined on"} ${shown(node)}`;
}

function countPerson(user, node, change) {
  const key = `${shown(user)}\n${shown(node)}`;
  const count = (people.get(key) ?? 0) + change;
  if (count > 0 && (people.has(key) || people.size < CHIP_LIMIT)) people.set(key, count);
  else people.delete(key);
  showPeople();
}

function forgetPeople() {
  people.clear();
  showPeople();
}

function showPeople() {
  const own = session === null ? "" : `${session.user}\n${byId("node-name").textContent}`;
  const keys = new Set(own && chat.state === "Connected" ? [own, ...people.keys()] : []);
  const chip = (key) => {
    const [user, node] = key.split("\n");
    const meta = key === own ? `${node} · you` : node;
    return make("li", {}, make("bdi", { textContent: user }), make("span", { className: "meta", textContent: meta }));
  };
  byId("presence").replaceChildren(...[...keys].map(chip));
}

function showTargets() {
  const select = byId("chat-target");
  const chosen = select.value;
  const option = (name) => make("option", { value: name, textContent: `Room ${name}` });
  select.replaceChildren(make("option", { value: "", textContent: "Everyone" }), ...[...rooms.names].map(option));
  select.value = rooms.names.has(chosen) ? chosen : "";
}

onSubmit(byId("chat-form"), async () => {
  const field = byId("chat-text");
  const room = byId("chat-target").value;
  const text = field.value;
  await (room === "" ? chat.invoke("Send", text) : chat.invoke("SendToRoom", room, text));
  if (field.value === text) field.value = ""; // what was typed meanwhile stays
  say(byId("chat-error"), "");
}, chatFailed);

onSubmit(byId("room-form"), async (form) => {
  const room = byId("room-name").value.trim();
  await chat.invoke("Join", room);
  rooms.add(room);
  byId("chat-target").value = room;
  form.reset();
  say(byId("chat-error"), "");
}, chatFailed);

async function leaveRoom(room) {
  try {
    await chat.invoke("Leave", room);
    rooms.delete(room);
  } catch (error) {
    chatFailed(error);
  }
}

/** Groups end with a connection: a new one joins them again. */
async function restoreRooms() {
  for (const room of rooms.names) await chat.invoke("Join", room).catch(chatFailed);
}

let countSubscription = null;

function showCount(state, text) {
  byId("count-button").textContent = state === "running" ? "Stop" : "Count";
  byId("count-output").textContent = text;
  if (state === "ended") countSubscription = null;
}

onSubmit(byId("count-form"), async () => {
  if (countSubscription !== null) {
    countSubscription.dispose();
    return showCount("ended", "Stopped: the server was told to cancel.");
  }
  const n = byId("count-n").valueAsNumber;
  const progress = byId("count-progress");
  Object.assign(progress, { max: n, value: 0 });
  let received = 0;
  countSubscription = chat.stream("Count", n, byId("count-delay").valueAsNumber).subscribe({
    next: (item) => {
      progress.value = received += 1;
      showCount("running", `Received ${shown(item)}, ${received} of ${n} items.`);
    },
    complete: () => showCount("ended", `Complete: ${received} items.`),
    error: (error) => showCount("ended", `${message(error)} Press “Count” to start again.`),
  });
  showCount("running", "Waiting for the first item.");
}, (error) => showCount("ended", message(error)));

// ---------------------------------------------------------------------------------------------- the ward

const wardLog = byId("ward-log").querySelector("ol");
const wards = new Memberships(byId("ward-list"), unsubscribe, showVitalsStatus);
const KINDS = { answer: "Answer", error: "Error", order: "Order", alarm: "Alarm", info: "Note" };

function logWard(kind, text, hint = "") {
  const head = make("p", { className: "who" }, icon(kind), make("b", { textContent: KINDS[kind] }));
  head.append(" ", make("span", { className: "meta", textContent: timeOf(Date.now()) }));
  const item = make("li", { className: kind }, head, make("p", { className: "text", dir: "auto", textContent: text }));
  if (hint) item.append(make("p", { className: "hint", textContent: hint }));
  appendToLog(wardLog, item);
}

function wardFailed(error, advice) {
  logWard("error", message(error), fromServer(error) ? advice : "");
}

const SUBSCRIBE_ADVICE = "Subscribe to the ward of your own department, or sign in with another one.";
const ORDER_ADVICE = "Only doctors may order: sign out and sign in with the role doctor.";

onSubmit(byId("ward-form"), async () => {
  const name = byId("ward-name").value.trim();
  await ward.invoke("SubscribeToWard", name);
  wards.add(name);
  logWard("answer", `Subscribed to ward ${name}.`);
}, (error) => wardFailed(error, SUBSCRIBE_ADVICE));

async function unsubscribe(name) {
  try {
    await ward.invoke("UnsubscribeFromWard", name);
    wards.delete(name);
    forgetPatients((reading) => shown(reading.ward).toLowerCase() === name.toLowerCase());
    logWard("info", `Unsubscribed from ward ${name}.`);
  } catch (error) {
    wardFailed(error, "Connect again; that ends every subscription of the old connection.");
  }
}

async function restoreWards() {
  for (const name of wards.names) {
    await ward.invoke("SubscribeToWard", name).catch((error) => wardFailed(error, SUBSCRIBE_ADVICE));
  }
}

let watching = null; // { name, subscription } of the stream in this window

function stopWatching() {
  watching?.subscription?.dispose();
  watching = null;
  byId("watch").setAttribute("aria-pressed", "false");
  byId("watch").textContent = "Watch as a stream";
  showVitalsStatus();
}

byId("watch").addEventListener("click", () => {
  if (watching !== null) return stopWatching();
  const name = byId("ward-name").value.trim();
  if (name === "") return byId("ward-form").reportValidity();
  const mine = (watching = { name, subscription: null });
  const end = (report) => {
    if (watching !== mine) return;
    report();
    mine.subscription = null; // it has ended by itself
    stopWatching();
  };
  try {
    mine.subscription = ward.stream("WatchVitals", name).subscribe({
      next: (reading) => watching === mine && takeReading({ ...reading, ward: reading?.ward ?? name }),
      complete: () => end(() => logWard("info", `The stream of ward ${name} has ended.`)),
      error: (error) => end(() => wardFailed(error, `${SUBSCRIBE_ADVICE} Then press “Watch as a stream” again.`)),
    });
    byId("watch").setAttribute("aria-pressed", "true");
    byId("watch").textContent = "Stop the stream";
    showVitalsStatus();
  } catch (error) {
    end(() => wardFailed(error, ""));
  }
});

onSubmit(byId("order-form"), async () => {
  const answer = await ward.invoke("OrderMedication", byId("patient").value.trim(), byId("drug").value.trim());
  logWard("answer", shown(answer));
  byId("drug").value = "";
}, (error) => wardFailed(error, ORDER_ADVICE));

function showOrder({ patient, drug, by }) {
  logWard("order", `${shown(drug)} for ${shown(patient)}, ordered by ${shown(by)}.`);
}

// ---------------------------------------------------------------------------------------------- vitals

const patients = new Map(); // "ward\npatient" → { reading, trend, seenAt, alarmed, row }
let drawing = null;

function takeReading(reading) {
  const key = `${shown(reading.ward)}\n${shown(reading.patient)}`;
  let entry = patients.get(key);
  if (entry === undefined) {
    if (patients.size >= PATIENT_LIMIT) return;
    entry = { reading, trend: [], alarmed: false, row: makeRow(reading) };
    patients.set(key, entry);
    placeRow(entry);
    suggestPatients();
  }
  Object.assign(entry, { reading, seenAt: Date.now() });
  if (Number.isFinite(reading.heartRate)) entry.trend.push(reading.heartRate);
  if (entry.trend.length > TREND_LENGTH) entry.trend.shift();
  const alarmed = reading.alarm === true;
  if (alarmed && !entry.alarmed) {
    const figures = `heart rate ${figure(reading.heartRate)}, oxygen ${figure(reading.oxygen)}\u00a0%`;
    logWard("alarm", `${shown(reading.patient)}, bed ${shown(reading.bed)}: ${figures}.`, "Look at the patient first.");
  }
  entry.alarmed = alarmed;
  drawing ??= setTimeout(drawVitals, DRAW_DELAY);
}

const figure = (value) => (Number.isFinite(value) ? String(Math.round(value)) : "–");

function makeRow(reading) {
  const name = make("button", { type: "button", className: "patient", textContent: shown(reading.patient) });
  name.append(make("span", { className: "visually-hidden", textContent: ": put into the order" }));
  name.addEventListener("click", () => {
    byId("patient").value = shown(reading.patient);
    byId("drug").focus();
  });
  const place = make("span", { className: "meta" });
  const rate = make("span", { className: "figure" });
  const oxygen = make("span", { className: "figure" });
  const line = makeSvg("polyline", { points: "" });
  const dot = makeSvg("circle", { r: "2.4" });
  const trend = makeSvg("svg", { class: "trend", viewBox: "0 0 96 28", "aria-hidden": "true" }, line, dot);
  const status = make("td", { className: "status" });
  const patient = make("th", { scope: "row" }, name, place);
  const heart = make("td", { className: "rate" }, rate, trend);
  const element = make("tr", {}, patient, heart, make("td", {}, oxygen), status);
  return { element, place, rate, oxygen, line, dot, status };
}

/** Rows stand by ward, then bed: a place on the screen keeps its meaning. */
function placeRow({ reading, row }) {
  const body = byId("vitals").tBodies[0];
  const order = `${shown(reading.ward)} ${shown(reading.bed)} ${shown(reading.patient)}`;
  row.element.dataset.order = order;
  const next = [...body.rows].find((other) => naturally.compare(other.dataset.order, order) > 0);
  body.insertBefore(row.element, next ?? null);
}

function drawVitals() {
  drawing = null;
  const oneWard = new Set([...patients.values()].map(({ reading }) => reading.ward)).size < 2;
  for (const { reading, trend, seenAt, alarmed, row } of patients.values()) {
    row.place.textContent = `Bed ${shown(reading.bed)}` + (oneWard ? "" : ` · ${shown(reading.ward)}`);
    row.rate.textContent = figure(reading.heartRate);
    row.oxygen.textContent = figure(reading.oxygen);
    drawTrend(row, trend);
    const silent = Date.now() - seenAt > SILENT_AFTER;
    const status = alarmed ? "alarm" : "stable";
    showStatus(row, silent ? `${status} lost` : status);
  }
  showVitalsStatus();
}

/** The last heart rates as a line on a fixed scale, 40 to 160 per minute, so that rows can be compared. */
function drawTrend({ line, dot }, trend) {
  const points = trend.map((rate, index) => {
    const x = 92 - (trend.length - 1 - index) * (90 / (TREND_LENGTH - 1));
    const y = 25 - (Math.min(Math.max(rate, 40), 160) - 40) * (22 / 120);
    return [x.toFixed(1), y.toFixed(1)];
  });
  line.setAttribute("points", points.map((point) => point.join(",")).join(" "));
  const [x, y] = points.at(-1) ?? [-9, -9];
  dot.setAttribute("cx", x);
  dot.setAttribute("cy", y);
}

const STATUSES = {
  stable: ["stable", "Stable"],
  alarm: ["alarm", "Alarm"],
  "stable lost": ["lost", "No signal"],
  "alarm lost": ["alarm", "Alarm, then no signal"], // silence does not end an alarm
};

function showStatus(row, status) {
  if (row.element.className === status) return;
  const [name, text] = STATUSES[status];
  row.element.className = status;
  row.status.replaceChildren(icon(name), text);
}

function forgetPatients(which) {
  for (const [key, { reading, row }] of patients) {
    if (!which(reading)) continue;
    row.element.remove();
    patients.delete(key);
  }
  suggestPatients();
}

function suggestPatients() {
  const names = new Set([...patients.values()].map(({ reading }) => shown(reading.patient)));
  byId("patients").replaceChildren(...[...names].map((value) => make("option", { value })));
}

function showVitalsStatus() {
  const names = [...wards.names, ...(watching === null ? [] : [`${watching.name} (stream)`])];
  let text = "No ward yet. Subscribe to one to see its patients.";
  const pace = patients.size > 0 ? "live" : "waiting for the first reading";
  if (names.length > 0) text = `${pace} from ${names.join(", ")}.`;
  if (names.length === 0 && patients.size > 0) text = "not live: these are the last readings.";
  if (names.length > 0 && ward.state !== "Connected") text = "not live: the connection is away, readings are old.";
  if (byId("vitals-status").textContent !== text) byId("vitals-status").textContent = text;
}

setInterval(() => patients.size > 0 && drawVitals(), 3_000);

// ---------------------------------------------------------------------------------------------- which node

/** The address as this browser reaches it: a phone that opened the page by the machine's name cannot use 127.0.0.1. */
function reachable(address) {
  const url = new URL(address, location.href);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  if (["127.0.0.1", "localhost", "[::1]", "0.0.0.0"].includes(url.hostname)) url.hostname = location.hostname;
  return url;
}

async function showNode() {
  try {
    const response = await fetch("/demo/info");
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { node, nodes } = await response.json();
    byId("node-name").textContent = shown(node);
    document.title = `${shown(node)} · Hubward demo`;
    const others = nodes.filter((other) => other.name !== node);
    byId("windows").replaceChildren(...(others.length > 0 ? others : nodes).slice(0, CHIP_LIMIT).flatMap(windowLink));
  } catch (error) {
    byId("node-name").textContent = "an unknown node";
    say(byId("notice-text"), `The node does not say which one it is (${message(error)}). Load the page again.`);
    byId("notice").hidden = false;
  }
}

function windowLink({ name, url }) {
  const address = reachable(url);
  if (address === null) return [];
  address.hash = "user=ben&role=doctor&department=cardiology"; // somebody else, so that the two windows differ
  const link = make("a", { href: address.href, target: "_blank", rel: "noopener", className: "window" });
  link.append("Open a second window on ", make("span", { className: "nowrap", textContent: shown(name) }));
  return [link, " "];
}

/** Fills the form from the address of a second window. Only the person's own click signs in. */
function prefill() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const id of ["user", "role", "department"]) {
    const field = byId(id);
    const value = (wanted.get(id) ?? "").slice(0, 64);
    const known = id !== "role" || [...field.options].some((option) => option.value === value);
    if (value !== "" && known) field.value = value;
  }
}

prefill();
showNode();
showConnections();
