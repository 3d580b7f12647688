// What a scenario does with a connection, whatever carries it: send, receive, wait, record.
// A transport adds start(), write(bytes) and kill(), and calls received() and ended().
import { setTimeout as sleep } from 'node:timers/promises';
import { RECORD_SEPARATOR } from '../protocols/names.mjs';
import { protocols } from '../protocols/index.mjs';

export class Pipe {
  #unread = Buffer.alloc(0);
  #inbox = [];
  #waiting = [];

  /** How it ended, or null while it is open. */
  end = null;
  pings = 0;
  /** Acks come when a timer says so and are kept out of the record, unless the scenario is about them. */
  showAcks = false;

  constructor(trace, hub, { name, id, connectionId, protocol = 'json', token, query, shaken = false }) {
    Object.assign(this, { trace, hub, name, id, connectionId, token, query, shaken });
    this.protocol = protocols[protocol];
  }

  // ---- what the transport reports

  received(bytes) {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    if (this.shaken || this.#readHandshake()) this.#readMessages();
    this.#wake();
  }

  ended(how) {
    if (this.end) return;
    this.end = how;
    this.#wake();
  }

  // ---- sending

  send(...messages) {
    return this.write(
      Buffer.concat(
        messages.map(message => (Buffer.isBuffer(message) ? message : this.protocol.write(message))),
      ),
    );
  }
  /** Any text as a JSON record, well-formed or not. */
  writeRecord(text) {
    return this.write(Buffer.from(text + RECORD_SEPARATOR));
  }
  invoke(target, args = [], options = {}) {
    return this.send(this.protocol.invocation(target, args, options));
  }
  stream(target, args = [], options = {}) {
    return this.invoke(target, args, { ...options, stream: true });
  }
  item(id, value) {
    return this.send(this.protocol.item(id, value));
  }
  complete(id, outcome = {}) {
    return this.send(this.protocol.completion(id, outcome));
  }
  cancel(id) {
    return this.send(this.protocol.cancel(id));
  }
  ping() {
    return this.send(this.protocol.ping());
  }

  // ---- receiving, with a record

  async handshake({ protocol = this.protocol.name, version = 1, quiet, raw } = {}) {
    await this.write(raw ?? Buffer.from(JSON.stringify({ protocol, version }) + RECORD_SEPARATOR));
    const [response] = await this.take(1);
    if (!quiet) this.trace.record(`${this.name} handshake`, response ?? { none: true });
    else if (!response?.handshake || response.handshake.error)
      throw new Error(`handshake: ${JSON.stringify(response)}`);
  }

  /** The next `count` messages in order; with `unordered` sorted, for what may come in any order. */
  async next(count = 1, { timeout = 4000, unordered = false } = {}) {
    const messages = await this.take(count, timeout);
    if (unordered) messages.sort((one, other) => (this.#sortKey(one) < this.#sortKey(other) ? -1 : 1));
    const missing = messages.length < count ? { missing: count - messages.length } : {};
    this.trace.record(`${this.name} receives`, { messages, ...missing });
  }

  /** Invokes and records what comes next, which is the completion if all is well. */
  async call(target, args = [], id = this.trace.nextInvocationId()) {
    await this.invoke(target, args, { id });
    await this.next();
  }

  /** Records what arrives in a while without a request: nothing, if all is well. */
  async quiet(milliseconds = 300) {
    await sleep(milliseconds);
    this.trace.record(`${this.name} then`, { messages: this.drain(), closed: !!this.end });
  }

  /** Waits for the end, and records how it came. */
  async closed(timeout = 6000) {
    await this.until(() => this.end, timeout);
    this.trace.record(`${this.name} ends`, { messages: this.drain(), how: this.end ?? 'still open' });
  }

  // ---- receiving, without a record

  async take(count = 1, timeout = 4000) {
    await this.until(() => this.#inbox.length >= count || this.end, timeout);
    return this.#inbox.splice(0, count);
  }
  drain() {
    return this.#inbox.splice(0);
  }
  has(wanted) {
    return this.#inbox.some(wanted);
  }

  /** Waits until `condition` holds, but not longer than `timeout` milliseconds. */
  async until(condition, timeout) {
    const deadline = Date.now() + timeout;
    while (!condition() && Date.now() < deadline) {
      let timer;
      await new Promise(resolve => {
        this.#waiting.push(resolve);
        timer = setTimeout(resolve, deadline - Date.now());
      });
      clearTimeout(timer);
    }
  }

  #readHandshake() {
    const end = this.#unread.indexOf(RECORD_SEPARATOR);
    if (end < 0) return false;
    this.#inbox.push({ handshake: JSON.parse(this.#unread.subarray(0, end).toString()) });
    this.#unread = this.#unread.subarray(end + 1);
    this.shaken = true;
    return true;
  }

  #readMessages() {
    const [messages, rest] = this.protocol.split(this.#unread);
    this.#unread = rest;
    for (const record of messages.map(this.protocol.read)) {
      if (record.message === 'Ping') this.pings++;
      else if (record.message !== 'Ack' || this.showAcks) this.#inbox.push(record);
    }
  }

  #sortKey(message) {
    return JSON.stringify(this.trace.masked(message));
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
