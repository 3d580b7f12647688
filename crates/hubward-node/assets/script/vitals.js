// The vital signs: a table with a row for each patient, drawn at a bounded rate however fast readings come.
import { byId, icon, make, makeSvg, shown } from "./dom.js";
import { logWard } from "./ward_log.js";

const PATIENT_LIMIT = 100; // rows in the table, so that a server that sends many cannot fill the page
const TREND_LENGTH = 40; // readings in one sparkline
const DRAW_DELAY = 100; // ms between two drawings of the table
const SILENT_AFTER = 12_000; // ms without a reading after which a row says so: an old number must not look new
const naturally = new Intl.Collator(undefined, { numeric: true });

const patients = new Map(); // "ward\npatient" → { reading, trend, seenAt, alarmed, row }
let drawing = null;
const events = new EventTarget();

export const hasPatients = () => patients.size > 0;

/** Calls `listener` whenever the table has been drawn. */
export const onDrawn = (listener) => events.addEventListener("drawn", listener);

export function takeReading(reading) {
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
  events.dispatchEvent(new Event("drawn"));
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

/** Removes the patients whose last reading meets `which`. */
export function forgetPatients(which) {
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

setInterval(() => hasPatients() && drawVitals(), 3_000);
