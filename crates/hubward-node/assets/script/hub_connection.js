// A connection to one hub, kept up over single SignalR connections.
import { byId, message } from "./dom.js";
import { freshToken, rejectToken } from "./session.js";

const RECONNECT_DELAYS = [0, 2_000, 5_000, 10_000, 15_000]; // ms; then the person decides

export const REFUSAL_ADVICE = "Sign out, and sign in with another role or department.";

/** An error that this page found itself. Its message says what to do next; a server's gets advice beside it. */
export class PageError extends Error {}
export const fromServer = (error) => !(error instanceof PageError);

const isUnknownToken = (text) => text.includes("Status code '401'");

/**
 * One hub's connection and its state as a string. It outlives single connections: `open` starts another. It fires
 * `change` when what it shows has changed, and `refused` when the hub refuses this sign-in.
 */
export class HubConnection extends EventTarget {
  connection = null;
  state = "Signed out";
  refused = false; // 403: connecting again with the same sign-in would be refused again
  reason = "";
  transport = "";

  /** `handlers` are the client methods, by name; `restore` runs after each connect, since groups end with a connection. */
  constructor(path, handlers, restore) {
    super();
    Object.assign(this, { path, handlers, restore });
  }

  /** Connects. A token that the node does not know is replaced once: the node may have restarted with new keys. */
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
    this.#changed();
    await connection?.stop();
  }

  /** Invokes a method of the hub. Without a connection it fails with a message that says what to do. */
  async invoke(method, ...args) {
    this.#mustBeConnected();
    return this.connection.invoke(method, ...args);
  }

  stream(method, ...args) {
    this.#mustBeConnected();
    return this.connection.stream(method, ...args);
  }

  #mustBeConnected() {
    if (this.refused) throw new PageError(`${this.path} refused this sign-in. ${REFUSAL_ADVICE}`);
    if (this.state !== "Connected") {
      throw new PageError("Not connected. Wait for “Connected”, or press “Connect again”.");
    }
  }

  async #ready(connection) {
    this.#enter(connection, "Connected");
    if (connection === this.connection) await this.restore();
  }

  #enter(connection, state, error) {
    if (connection !== this.connection) return; // an event of an older connection
    this.state = state;
    this.reason = error ? message(error) : "";
    this.refused = state === "Closed" && this.reason.includes("Status code '403'");
    if (this.refused) this.dispatchEvent(new Event("refused"));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  // The client's log is the only place that names the transport in use. It is never printed as it is: its lines of
  // level Information contain addresses with the token in them.
  #read(level, text) {
    if (isUnknownToken(text)) rejectToken();
    const started = /WebSocket connected|SSE connected|\(LongPolling transport\) Connecting/.exec(text)?.[0];
    if (started) {
      this.transport = { W: "WebSockets", S: "server-sent events", "(": "long polling" }[started[0]];
      this.#changed();
    } else if (level >= signalR.LogLevel.Warning) {
      console.warn(`${this.path}: ${text.replace(/access_token=[^&\s]*/g, "access_token=…")}`);
    }
  }
}
