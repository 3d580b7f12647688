// The ward's log: results, errors, orders and alarms.
import { appendToLog, byId, icon, make, message, timeOf } from "./dom.js";
import { fromServer } from "./hub_connection.js";

const KINDS = { result: "Result", error: "Error", order: "Order", alarm: "Alarm", info: "Note" };
const list = byId("ward-log").querySelector("ol");

export function logWard(kind, text, hint = "") {
  const head = make("p", { className: "who" }, icon(kind), make("b", { textContent: KINDS[kind] }));
  head.append(" ", make("span", { className: "meta", textContent: timeOf(Date.now()) }));
  const item = make("li", { className: kind }, head, make("p", { className: "text", dir: "auto", textContent: text }));
  if (hint) item.append(make("p", { className: "hint", textContent: hint }));
  appendToLog(list, item);
}

/** Logs an error, with advice where the page has not given any itself. */
export function wardFailed(error, advice) {
  logWard("error", message(error), fromServer(error) ? advice : "");
}

export const clearWardLog = () => list.replaceChildren();
