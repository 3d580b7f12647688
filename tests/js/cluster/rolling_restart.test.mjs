// Three nodes are restarted one after the other behind a load balancer, while their clients send each other messages.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../support/deadline.mjs';
import { balance } from './balancer.mjs';
import { Cluster } from './cluster.mjs';
import { AUTOMATIC, Load, STATEFUL } from './load.mjs';
import { BALANCERS, CLIENTS, RATE } from './numbers.mjs';

/** Longer than a load balancer needs to notice that a node is not ready: two checks, a second apart. */
const DRAIN_DELAY_MILLISECONDS = 2_500;
const GRACE_MILLISECONDS = 20_000;
const FLAGS = ['--drain-delay', `${DRAIN_DELAY_MILLISECONDS}`, '--grace', `${GRACE_MILLISECONDS}`];
/** How long a client may be away that connects anew. */
const AWAY_MILLISECONDS = 10_000;
/** How many of all clients may come back in one second. */
const SHARE_OF_A_SECOND = 1 / 4;

for (const kind of BALANCERS) {
  describe(`behind ${kind}`, () => {
    test(`${CLIENTS} stateful clients lose nothing, and stay who they are`, async t => {
      const { load, restartAll } = await start(t, kind, STATEFUL);
      load.mayNotClose();
      load.send(RATE);
      await restartAll();
      await load.finish();
      await load.compareWithBefore();
      t.diagnostic(load.verify());
      const nodes = await Promise.all(load.clients.map(({ connection }) => connection.invoke('Node')));
      nodes.forEach((node, number) => assert.notEqual(node, load.clients[number].node, `client ${number} has moved`));
    });

    test(`${CLIENTS} clients that connect anew are back in time, and not all at once`, async t => {
      const { load, restartAll } = await start(t, kind, AUTOMATIC);
      const returns = new Returns(load);
      await restartAll();
      await returns.complete();
      t.diagnostic(returns.verify());
      // They are whole again: each is reached as a member of its groups.
      load.send(RATE);
      await eventually(() => load.ledger.sent >= RATE, 'messages', 5_000);
      await load.finish();
      t.diagnostic(load.verify());
    });
  });
}

async function start(t, kind, configure) {
  const cluster = await Cluster.start(t, { flags: () => FLAGS });
  const balancer = await balance(t, kind, cluster.nodes.map(node => node.port));
  const load = await Load.start(t, { count: CLIENTS, url: () => balancer.url, configure });
  const restartAll = async () => {
    for (const [index, node] of cluster.nodes.entries()) {
      load.ledger.note(`SIGTERM to ${node.name}`);
      const code = await node.drain(DRAIN_DELAY_MILLISECONDS + GRACE_MILLISECONDS + 5_000);
      assert.equal(code, 0, `${node.name} has ended well; it has printed:\n${node.printed}`);
      load.ledger.note(`the end of ${node.name}`);
      await node.start();
      await balancer.uses(index);
      load.ledger.note(`the return of ${node.name}`);
    }
  };
  return { load, restartAll };
}

/** When clients that reconnect automatically were away. */
class Returns {
  #load;
  #away = new Map();
  /** For each return: which client, when, and how long it was away. */
  #returns = [];

  constructor(load) {
    this.#load = load;
    for (const client of load.clients) {
      const { number, connection } = client;
      connection.onreconnecting(() => this.#away.set(number, Date.now()));
      connection.onreconnected(async () => {
        this.#returns.push({ number, at: Date.now(), milliseconds: Date.now() - this.#away.get(number) });
        await load.join(client).catch(error => load.ledger.failed(number, `cannot join its groups again (${error.message})`));
        this.#away.delete(number);
      });
      connection.onclose(error => load.ledger.failed(number, `closed for good (${error?.message})`));
    }
  }

  /** Waits for those that are still away; a client that stays away is found by `verify`. */
  async complete() {
    await eventually(() => this.#away.size === 0, 'all clients to be back', 30_000).catch(() => {});
  }

  verify() {
    const { clients, ledger } = this.#load;
    for (const number of this.#away.keys()) ledger.failed(number, 'did not come back');
    const late = this.#returns.filter(({ milliseconds }) => milliseconds > AWAY_MILLISECONDS);
    for (const { number, milliseconds } of late) ledger.failed(number, `was away for ${milliseconds} ms`);
    this.#load.verify();
    const busiest = this.#busiestSecond();
    const allowed = Math.ceil(clients.length * SHARE_OF_A_SECOND);
    assert.ok(busiest <= allowed, `in one second ${busiest} clients came back, more than ${allowed} of ${clients.length}`);
    assert.ok(this.#returns.length >= clients.length, `${this.#returns.length} returns: every client's node was restarted`);
    const longest = Math.max(...this.#returns.map(({ milliseconds }) => milliseconds));
    return `${this.#returns.length} returns, at most ${busiest} in a second, each within ${longest} ms`;
  }

  /** The largest number of returns within any 1,000 ms. */
  #busiestSecond() {
    const times = this.#returns.map(({ at }) => at).sort((a, b) => a - b);
    let first = 0;
    return Math.max(0, ...times.map((time, last) => {
      while (times[first] <= time - 1_000) first++;
      return last - first + 1;
    }));
  }
}
