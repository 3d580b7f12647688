// The chat: messages, rooms, and who is there.
import { appendToLog, byId, make, message, onSubmit, say, shown, timeOf } from "./dom.js";
import { HubConnection, fromServer } from "./hub_connection.js";
import { CHIP_LIMIT, Memberships } from "./memberships.js";
import { currentSession } from "./session.js";

const RETRY_ADVICE = "If nothing came of it, try again once the state is “Connected”.";

export const chat = new HubConnection("/hubs/chat", { Message: showMessage, Presence: showPresence }, restoreRooms);
const chatFailed = (error) => say(byId("chat-error"), `${message(error)} ${fromServer(error) ? RETRY_ADVICE : ""}`);
const rooms = new Memberships(byId("room-list"), leaveRoom, showTargets);
const people = new Map(); // "user\nnode" → how many connections have been seen there

chat.addEventListener("change", () => {
  if (chat.state !== "Connected") forgetPeople();
});

/** Closes the connection and clears what it has shown. */
export async function closeChat() {
  const closed = chat.close();
  rooms.clear();
  byId("chat-log").replaceChildren();
  await closed;
}

function showMessage({ user, text, node, at, room }) {
  const own = user === currentSession()?.user;
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
  const session = currentSession();
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
