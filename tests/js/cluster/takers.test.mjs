// Several sockets want the same connection at the same time, each at another node: exactly one gets it, and nothing comes twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { eventually, within } from '../support/deadline.mjs';
import { Cluster } from './cluster.mjs';
import { build } from './load.mjs';
import { NODES, ROUNDS } from './numbers.mjs';

const SEPARATOR = '\x1e';
const PING = 6;
const CLOSE = 7;
const ACKNOWLEDGEMENT = 8;
const SEQUENCE = 9;
const UNNUMBERED = [PING, CLOSE, ACKNOWLEDGEMENT, SEQUENCE, undefined];
const SETTLE_MILLISECONDS = 15_000;
const TAKERS = 3;

test(`a fresh token is used at all nodes at once, ${ROUNDS} times`, async t => {
  const cluster = await Cluster.start(t, { size: NODES });
  for (let round = 0; round < ROUNDS; round++) {
    const { connectionToken } = await negotiate(cluster.urls[round % NODES]);
    const sockets = await takeAll(t, cluster, connectionToken);
    for (const socket of sockets) socket.send({ protocol: 'json', version: 1 });
    await eventually(() => sockets.every(({ closed, received }) => closed || received.length), `round ${round}`, SETTLE_MILLISECONDS);
    const winners = sockets.filter(({ received }) => received.length);
    assert.equal(winners.length, 1, `round ${round}: ${sockets.map(({ closed }) => closed ?? 'open')}`);
    const refused = sockets.filter(socket => socket !== winners[0]).map(({ closed }) => closed);
    for (const how of refused) assert.match(how, /^(404|409)$/, `round ${round}`);
    for (const socket of sockets) socket.cut();
  }
});

test(`a lost connection is resumed at all nodes at once, ${ROUNDS} times`, async t => {
  const cluster = await Cluster.start(t, { size: NODES });
  const sender = build(t, cluster.urls[0]);
  await sender.start();
  for (let round = 0; round < ROUNDS; round++) {
    const group = `round ${round}`;
    const say = text => sender.invoke('ToGroup', group, text);
    const { connectionToken } = await negotiate(cluster.urls[round % NODES], '&useStatefulReconnect=true');
    const first = await Socket.open(t, cluster.urls[round % NODES], connectionToken);
    first.send({ protocol: 'json', version: 2 });
    first.send({ type: 1, invocationId: '1', target: 'Join', arguments: [group] });
    await eventually(() => first.numbered.size === 1, `round ${round}: the join`);
    await say('a');
    first.cut();
    await say('b');
    const takers = await takeAll(t, cluster, connectionToken);
    // What the client has of its own, the join, is not sent again.
    for (const taker of takers) taker.send({ type: SEQUENCE, sequenceId: 2 });
    await say('c');
    const sockets = [first, ...takers];
    const open = () => takers.filter(({ closed }) => !closed);
    const isSettled = () => open().length <= 1 && open().every(({ numbered }) => [...numbered.values()].includes('c'));
    await eventually(isSettled, `round ${round}: one of ${takers.map(({ closed }) => closed ?? 'open')}`, SETTLE_MILLISECONDS);
    assert.equal(open().length, 1, `round ${round}: ${takers.map(({ closed }) => closed ?? 'open')}`);
    assert.deepEqual(textsByNumber(sockets), [[2, ['a']], [3, ['b']], [4, ['c']]], `round ${round}`);
    for (const socket of sockets) socket.cut();
  }
});

/** Sockets that want the connection, each at another node, as far as there are nodes. */
const takeAll = (t, { urls }, token) =>
  Promise.all(Array.from({ length: TAKERS }, (_, taker) => Socket.open(t, urls[taker % urls.length], token)));

async function negotiate(url, query = '') {
  const response = fetch(`${url}/cluster/negotiate?negotiateVersion=1${query}`, { method: 'POST' });
  return (await within(response, 'negotiate')).json();
}

/** What the sockets have received under each number, without repetitions; a number with two texts is a fault. */
function textsByNumber(sockets) {
  const all = new Map();
  for (const { numbered } of sockets)
    for (const [number, text] of numbered)
      if (text !== undefined) all.set(number, new Set([...(all.get(number) ?? []), text]));
  return [...all].map(([number, texts]) => [number, [...texts]]).sort(([a], [b]) => a - b);
}

/** A bare WebSocket of a connection, JSON. */
class Socket {
  received = [];
  /** The text of each message that has a number in the session, or undefined where it has none. */
  numbered = new Map();
  closed;
  #next = 1;

  /** Resolves when the node has accepted or refused it. */
  static open(t, url, token) {
    const socket = new Socket();
    const query = new URLSearchParams({ id: token });
    socket.ws = new WebSocket(`${url.replace('http', 'ws')}/cluster?${query}`, { perMessageDeflate: false });
    t.after(() => socket.cut());
    const opened = new Promise(resolve => {
      const end = how => {
        socket.closed ??= `${how}`;
        resolve(socket);
      };
      socket.ws.on('open', () => resolve(socket));
      socket.ws.on('message', data => socket.#receive(`${data}`));
      socket.ws.on('unexpected-response', (_, { statusCode }) => end(statusCode));
      socket.ws.on('close', end);
      socket.ws.on('error', ({ message }) => end(message));
    });
    return within(opened, 'an answer to the upgrade', SETTLE_MILLISECONDS);
  }

  send(message) {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify(message) + SEPARATOR);
  }

  cut() {
    this.ws.terminate();
  }

  #receive(data) {
    for (const message of data.split(SEPARATOR).filter(Boolean).map(text => JSON.parse(text))) {
      this.received.push(message);
      if (message.type === SEQUENCE) this.#next = message.sequenceId;
      if (!UNNUMBERED.includes(message.type)) this.numbered.set(this.#next++, message.arguments?.[0]);
    }
  }
}
