// The nodes of the demo: which one this page is on, and links to the others.
import { byId, make, message, say, shown } from "./dom.js";
import { CHIP_LIMIT } from "./memberships.js";

/** Returns the address as this browser reaches it: a phone that opened the page by the machine's name cannot use 127.0.0.1. */
function reachable(address) {
  const url = new URL(address, location.href);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  if (["127.0.0.1", "localhost", "[::1]", "0.0.0.0"].includes(url.hostname)) url.hostname = location.hostname;
  return url;
}

export async function showNode() {
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
    say(byId("notice-text"), `The node did not send its name (${message(error)}). Load the page again.`);
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
export function prefill() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const id of ["user", "role", "department"]) {
    const field = byId(id);
    const value = (wanted.get(id) ?? "").slice(0, 64);
    const known = id !== "role" || [...field.options].some((option) => option.value === value);
    if (value !== "" && known) field.value = value;
  }
}
