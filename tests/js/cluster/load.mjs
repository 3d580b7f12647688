// Official clients in groups, which send each other numbered messages while something happens to their nodes.
import assert from 'node:assert/strict';
import EventSource from 'eventsource';
import { HttpTransportType, HubConnectionBuilder, HubConnectionState, JsonHubProtocol, LogLevel } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { eventually, within } from '../support/deadline.mjs';
import { Ledger } from './ledger.mjs';

/** Each client is in one group of each set, so that groups overlap. */
const GROUP_SETS = { a: 10, b: 7 };
const GROUPS = Object.entries(GROUP_SETS).flatMap(([set, size]) => Array.from({ length: size }, (_, i) => `${set}${i}`));
/** So many of the clients send, each to a group of its own choice, so that order can be seen: between messages that are sent right
 * after each other, and between those of a second. */
const SENDERS = 2 * GROUPS.length;
const BURST = 5;
/** So many connect at once. */
const CONNECTING = 25;
const TICK_MILLISECONDS = 20;
/** What is on its way when the sending ends has to come within this. */
const LAST_MILLISECONDS = 20_000;

/** A connection to the hub of tests of several nodes, stopped when test `t` ends. */
export function build(t, url, { protocol = 'json', transport = 'WebSockets', configure = () => {} } = {}) {
  const builder = new HubConnectionBuilder()
    .withUrl(`${url}/cluster`, { transport: HttpTransportType[transport], EventSource: closedAfter(t) })
    .withHubProtocol(protocol === 'json' ? new JsonHubProtocol() : new MessagePackHubProtocol())
    .configureLogging(LogLevel.None);
  configure(builder);
  const connection = builder.build();
  // One that waits for a node that has gone may take longer.
  t.after(() => within(connection.stop(), 'stop', 2_000).catch(() => {}));
  return connection;
}

/** The client does not close an event stream that could not be opened: without this it would try again for ever, after the test too. */
const closedAfter = t =>
  class extends EventSource {
    constructor(...args) {
      super(...args);
      t.after(() => this.close());
    }
  };

/** What the client does when its connection is cut. */
export const STATEFUL = builder => builder.withStatefulReconnect();
export const AUTOMATIC = builder => builder.withAutomaticReconnect();

export class Load {
  ledger = new Ledger();
  clients = [];
  #turn = 0;
  #timer;
  #calls = new Set();

  /** Starts clients and joins their groups. `url(number)` is where a client connects. */
  static async start(t, { count, url, configure }) {
    const load = new Load();
    load.clients = Array.from({ length: count }, (_, number) => {
      const connection = build(t, url(number), { protocol: number % 2 ? 'messagepack' : 'json', configure });
      const groups = Object.entries(GROUP_SETS).map(([set, size]) => `${set}${number % size}`);
      return { number, connection, groups };
    });
    t.after(() => clearInterval(load.#timer));
    for (let first = 0; first < count; first += CONNECTING)
      await Promise.all(load.clients.slice(first, first + CONNECTING).map(client => load.#connect(client)));
    return load;
  }

  async #connect(client) {
    const { number, connection } = client;
    connection.on('Message', text => this.ledger.receive(number, text));
    await within(connection.start(), `client ${number} to connect`, 20_000);
    client.id = connection.connectionId;
    await this.join(client);
    await connection.invoke('Keep', 'mine', `of client ${number}`);
    client.node = await connection.invoke('Node');
  }

  async join({ connection, groups }) {
    for (const group of groups) await connection.invoke('Join', group);
  }

  /** Expects every message from now on at each member, and sends so many a second, several at once. */
  send(rate) {
    for (const { number, groups } of this.clients) this.ledger.joined(number, groups);
    const began = Date.now();
    let sent = 0;
    this.#timer = setInterval(() => {
      for (const due = ((Date.now() - began) / 1_000) * rate; sent + BURST <= due; sent += BURST) this.#sendBurst();
    }, TICK_MILLISECONDS);
  }

  #sendBurst() {
    const sender = this.#turn++ % Math.min(SENDERS, this.clients.length);
    for (let each = 0; each < BURST; each++) this.#send(this.clients[sender], GROUPS[sender % GROUPS.length]);
  }

  #send({ number, connection }, group) {
    const call = connection
      .invoke('ToGroup', group, this.ledger.send(number, group))
      .catch(error => this.ledger.failed(number, `a send to group ${group} was rejected (${error.message})`))
      .finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  /** Ends the sending; what is on its way comes, or is found to be lost. */
  async finish() {
    clearInterval(this.#timer);
    const isOver = () => this.ledger.outstanding === 0 && this.#calls.size === 0;
    await eventually(isOver, 'the last messages', LAST_MILLISECONDS).catch(() => {
      if (this.#calls.size) this.ledger.failed('?', `${this.#calls.size} sends have no result`);
    });
  }

  /** Notes every client that closes: from now on none may. */
  mayNotClose() {
    for (const { number, connection } of this.clients)
      connection.onclose(error => this.ledger.failed(number, `closed (${error?.message})`));
  }

  /** Notes every client that is not what it was: its connection id, its groups, what the hub keeps of it. */
  async compareWithBefore() {
    await Promise.all(
      this.clients
        .filter(({ connection }) => connection.state === HubConnectionState.Connected)
        .map(client => this.#compare(client).catch(error => this.ledger.failed(client.number, error.message))),
    );
  }

  async #compare({ number, connection, id, groups }) {
    const ask = (...call) => within(connection.invoke(...call), `client ${number}: ${call[0]}`, 10_000);
    const { connection: nowId } = await ask('Me');
    const expected = { id, groups, kept: `of client ${number}` };
    const member = { connection: nowId };
    assert.deepEqual({ id: nowId, groups: (await ask('GroupsOf', member)).sort(), kept: await ask('Kept', 'mine') }, expected);
  }

  /** Fails with all findings, if there are any. */
  verify() {
    const findings = this.ledger.findings();
    const { sent, received } = this.ledger;
    assert.equal(findings.length, 0, `${sent} messages sent, ${received} received, but:\n${findings.join('\n')}`);
    return `${sent} messages sent, ${received} received by ${this.clients.length} clients`;
  }
}
