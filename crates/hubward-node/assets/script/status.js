// The state of the page: both connections, who is signed in, and what to do when a connection is lost.
import { chat } from "./chat.js";
import { byId, say, timeOf } from "./dom.js";
import { REFUSAL_ADVICE } from "./hub_connection.js";
import { currentSession, onTokenRenewed } from "./session.js";
import { ward } from "./ward.js";

export const hubs = [chat, ward];

for (const hub of hubs) hub.addEventListener("change", showConnections);
onTokenRenewed(showSession);

/** Returns one state for both connections: the one that needs attention. A hub that refused the sign-in does not count. */
function overallState() {
  const states = hubs.filter((hub) => !hub.refused).map((hub) => hub.state);
  if (states.length === 0) return "Closed";
  return ["Connecting", "Reconnecting", "Closed", "Signed out"].find((state) => states.includes(state)) ?? "Connected";
}

function showState(element, state) {
  if (element.dataset.state === state) return; // screen readers would announce it again
  element.dataset.state = state;
  element.textContent = state;
}

export function showConnections() {
  const overall = overallState();
  showState(byId("connection-state"), overall);
  showState(byId("chat-state"), chat.refused ? "Refused" : chat.state);
  showState(byId("ward-state"), ward.refused ? "Refused" : ward.state);
  const closed = hubs.find((hub) => hub.state === "Closed" && (!hub.refused || overall === "Closed"));
  if (overall === "Closed" && closed) {
    const advice = closed.refused ? REFUSAL_ADVICE : "If the node is running, press “Connect again”.";
    say(byId("notice-text"), `The connection to ${closed.path} is closed. ${closed.reason} ${advice}`);
  } else if (overall === "Reconnecting") {
    say(byId("notice-text"), "The connection was lost. The page is reconnecting; you need not do anything yet.");
  }
  byId("connect-again").hidden = overall !== "Closed";
  byId("notice").hidden = overall !== "Closed" && overall !== "Reconnecting";
  showSession();
}

export function showSession() {
  const session = currentSession();
  byId("session-out").hidden = session !== null;
  byId("session-in").hidden = byId("workspace").hidden = session === null;
  if (session === null) return;
  byId("session-who").textContent = session.user;
  const over = [...new Set(hubs.map((hub) => hub.transport).filter(Boolean))].join(" and ");
  const facts = [session.role, session.department, over && `over ${over}`, `token until ${timeOf(session.expiresAt)}`];
  byId("session-detail").textContent = facts.filter(Boolean).join(" · ");
}

byId("connect-again").addEventListener("click", () => {
  for (const hub of hubs) if (hub.state === "Closed") hub.open();
});
