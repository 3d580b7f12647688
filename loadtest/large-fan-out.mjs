// A group of 15,000 connections is sent ten messages a second. Prints the latency of others' echoes, and of joins and leaves of
// that group, while nothing is sent (calm) and while it is (loaded), in turn. Fails unless the 99th percentile of echoes under
// load is within 10 ms or three times the calm one, that of joins and leaves within 10 ms, and all messages have arrived.
//   node large-fan-out.mjs --url http://127.0.0.1:8081 [--hub /conformance] [--members 15000] [--rate 10] [--seconds 10]
//     [--rounds 3]
// The members are sockets of a second process, as a process has one limit of open files for all; raise it (ulimit -n 20000).
import net from 'node:net';
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';

const option = (name, otherwise) => { const i = process.argv.indexOf(`--${name}`); return i < 0 ? otherwise : process.argv[i + 1]; };
const url = new URL(option('hub', '/conformance'), option('url', 'http://127.0.0.1:8081'));
const [memberCount, rate, seconds, rounds] = ['members', 'rate', 'seconds', 'rounds'].map((name, i) => Number(option(name, [15000, 10, 10, 3][i])));
const RS = '\x1e', MARK = '#', HANDSHAKE = JSON.stringify({ protocol: 'json', version: 1 }) + RS, PING = JSON.stringify({ type: 6 }) + RS;
const invocation = (target, args, invocationId) => JSON.stringify({ type: 1, invocationId, target, arguments: args }) + RS;
const after = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

// The members: bare sockets that share one buffer. They are read in turn, some of them every 20 ms, so that reading costs the
// machine little; the node does not notice, since what it writes waits in the sockets.

function masked(text) {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from(payload.length < 126 ? [0x81, 0x80 | payload.length] : [0x81, 0xfe, payload.length >> 8, payload.length & 255]), Buffer.alloc(4), payload]);
}

async function members(group) {
  const sockets = [], buffer = Buffer.alloc(256 * 1024), ping = masked(PING);
  let received = 0, closed = 0;
  const open = () => new Promise((resolve, reject) => {
    let opened = false, head = '';
    const read = bytes => {
      if (opened) for (let i = buffer.indexOf(MARK); i >= 0 && i < bytes; i = buffer.indexOf(MARK, i + 1)) received++;
      else if ((head += buffer.latin1Slice(0, bytes)).includes('"type":3')) { opened = true; socket.pause(); sockets.push(socket); resolve(); }
      return true;
    };
    const socket = net.connect({ host: url.hostname, port: url.port, onread: { buffer, callback: read } });
    socket.on('error', reject).on('close', () => closed++);
    socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
    socket.write(Buffer.concat([masked(HANDSHAKE), masked(invocation('Join', [group], '1'))]));
  });
  let next = 0, pinged = 0, waiting = memberCount, all = false;
  setInterval(() => {
    for (let left = all ? sockets.length : Math.ceil(sockets.length / 50); left > 0; left--) {
      const socket = sockets[next++ % sockets.length];
      socket.resume();
      setTimeout(() => { if (!all) socket.pause(); }, 15);
    }
  }, 20);
  setInterval(() => { for (let left = Math.ceil(sockets.length / 500); left > 0; left--) sockets[pinged++ % sockets.length].write(ping); }, 20);
  await Promise.all(Array.from({ length: 100 }, async () => {
    while (waiting-- > 0) { await open(); if (sockets.length % 1000 === 0) process.send({ opening: sockets.length }); }
  }));
  process.on('message', async ({ expected }) => {
    all = true;
    for (let left = 100; left > 0 && received < expected; left--) await after(100);
    process.send({ received, closed });
  });
  process.send({ opened: sockets.length });
}

// The others.

function client(WebSocket) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(String(url).replace(/^http/, 'ws'), { perMessageDeflate: false }), calls = new Map();
    let calling = 0;
    const call = (target, ...args) => new Promise(done => { calls.set(String(++calling), done); socket.send(invocation(target, args, String(calling))); });
    const send = (target, ...args) => socket.send(invocation(target, args));
    socket.on('error', reject).on('open', () => { socket.send(HANDSHAKE); resolve({ call, send, close: () => socket.terminate() }); });
    socket.on('message', data => {
      for (const [, id] of data.toString().matchAll(/"type":3,"invocationId":"(\d+)"/g)) { calls.get(id)?.(); calls.delete(id); }
    });
    setInterval(() => socket.readyState === 1 && socket.send(PING), 10_000).unref();
  });
}

async function timed(into, call) {
  const from = performance.now();
  await call();
  into.push(performance.now() - from);
}

/** Echoes on all of the others, a join or leave every 50 ms, and `rate` messages a second to the group, for so many seconds. */
async function phase({ others, joiner, sender, group }, rate) {
  const echoes = [], changes = [], running = [], from = performance.now();
  let echoed = 0, sent = 0, changed = 0;
  while (performance.now() - from < seconds * 1000) {
    const due = (performance.now() - from) / 1000;
    for (; echoed < due * 500; echoed++) running.push(timed(echoes, () => others[echoed % others.length].call('Echo', 'x')));
    for (; sent < due * rate; sent++) sender.send('ToGroup', group, MARK.padEnd(64, 'x'));
    for (; changed < due * 20; changed++) running.push(timed(changes, () => joiner.call(changed % 2 ? 'Leave' : 'Join', group)));
    await after(1);
  }
  await Promise.all(running);
  // What was sent last is on its way.
  await after(500);
  return { echoes, changes, sent };
}

const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? NaN;
const shown = value => value.toFixed(1).padStart(7);
const row = (name, { echoes, changes, sent }) => console.log(`${name.padEnd(9)}${String(sent).padStart(5)}${String(echoes.length).padStart(8)}${[0.5, 0.99, 1].map(q => shown(quantile(echoes, q))).join('')}  ${String(changes.length).padStart(6)}${[0.5, 0.99, 1].map(q => shown(quantile(changes, q))).join('')}`);

async function main() {
  const WebSocket = createRequire(new URL('../tests/js/package.json', import.meta.url))('ws');
  const group = `large-fan-out-${process.pid}`;
  const child = fork(new URL(import.meta.url), [...process.argv.slice(2), '--group', group]);
  const heard = key => new Promise((resolve, reject) => {
    child.on('message', message => key in message && resolve(message)).on('exit', code => reject(new Error(`the members' process ended: ${code}`)));
  });
  child.on('message', ({ opening }) => opening && process.stderr.write(`\r${opening} of ${memberCount} members`));
  await heard('opened');
  process.stderr.write(`\r${memberCount} members are in the group\n`);
  const others = await Promise.all(Array.from({ length: 50 }, () => client(WebSocket)));
  const [joiner, sender] = [await client(WebSocket), await client(WebSocket)];
  const clients = { others, joiner, sender, group };
  await phase(clients, 0);
  console.log('          sent  echoes p50 ms p99 ms max ms   joins p50 ms p99 ms max ms');
  const total = { calm: { echoes: [], changes: [], sent: 0 }, loaded: { echoes: [], changes: [], sent: 0 } };
  for (let round = 1; round <= rounds; round++) {
    for (const name of ['calm', 'loaded']) {
      const measured = await phase(clients, name === 'calm' ? 0 : rate);
      row(`${name} ${round}`, measured);
      total[name].echoes.push(...measured.echoes);
      total[name].changes.push(...measured.changes);
      total[name].sent += measured.sent;
    }
  }
  if (rounds > 1) for (const name of ['calm', 'loaded']) row(name, total[name]);
  const expected = total.loaded.sent * memberCount, counted = heard('received');
  child.send({ expected });
  const { received, closed } = await counted;
  const bound = Math.max(10, 3 * quantile(total.calm.echoes, 0.99)), echoes = quantile(total.loaded.echoes, 0.99), changes = quantile(total.loaded.changes, 0.99);
  const checks = [
    [`p99 of echoes under load: ${echoes.toFixed(1)} ms, at most ${bound.toFixed(1)} ms`, echoes <= bound],
    [`p99 of joins and leaves under load: ${changes.toFixed(1)} ms, at most 10 ms`, changes <= 10],
    [`${received} of ${expected} messages arrived; ${closed} members were closed`, received === expected && closed === 0],
  ];
  for (const [text, holds] of checks) console.log(`${holds ? 'held  ' : 'FAILED'}  ${text}`);
  child.removeAllListeners('exit').kill();
  process.exit(checks.every(([, holds]) => holds) ? 0 : 1);
}

await (process.send ? members(option('group')) : main());
