// Who is signed in, and the token. It lives in this module's memory only: it is never stored, logged, or put into an
// address by this page.
import { shown } from "./dom.js";

const RENEW_BEFORE = 5_000; // ms before a token expires at which it is no longer used

let session = null; // { user, role, department, token, expiresAt }
const events = new EventTarget();

export const currentSession = () => session;

/** Calls `listener` when a token has been renewed. */
export const onTokenRenewed = (listener) => events.addEventListener("renewed", listener);

export async function signIn(user) {
  session = await mint(user);
}

export function signOut() {
  session = null;
}

/** Makes the next connection ask for a new token: the node does not know this one. */
export function rejectToken() {
  if (session !== null) session.expiresAt = 0;
}

/** Returns the token to connect with: a new one when the old one has expired, as a real page would get from its sign-in. */
export async function freshToken() {
  if (session !== null && Date.now() > session.expiresAt - RENEW_BEFORE) {
    const renewed = await mint(session);
    if (session !== null) session = renewed;
    events.dispatchEvent(new Event("renewed"));
  }
  return session?.token ?? "";
}

async function mint({ user, role, department }) {
  let response;
  try {
    response = await fetch("/demo/sign-in", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user, role, department }),
    });
  } catch {
    throw new Error("The node does not respond. Check that `hubward demo` is still running, then try again.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok || typeof body.token !== "string") {
    const reason = shown(body.error ?? `The node responded with status ${response.status}.`);
    throw new Error(`${reason} Change what you entered above and sign in again.`);
  }
  return { user, role, department, token: body.token, expiresAt: Date.now() + body.expiresInSeconds * 1000 };
}
