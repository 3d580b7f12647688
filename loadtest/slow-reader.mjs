// One client of a group stops reading, while 4 KB messages go to the group at a steady rate. Prints the others'
// latency second by second, and when the node closed the slow consumer.
//   node slow-reader.mjs --url http://127.0.0.1:8081 [--hub /conformance] [--clients 100] [--rate 200] [--bytes 4096]
//     [--seconds 30] [--stop 5]      the one stops reading after --stop seconds
import fs from 'node:fs';
import { createRequire } from 'node:module';
const WebSocket = createRequire(new URL('../tests/js/package.json', import.meta.url))('ws');

const option = (name, otherwise) => { const i = process.argv.indexOf(`--${name}`); return i < 0 ? otherwise : process.argv[i + 1]; };
const url = option('url', 'http://127.0.0.1:8081').replace(/^http/, 'ws') + option('hub', '/conformance');
const [clients, rate, bytes, seconds, stop] = ['clients', 'rate', 'bytes', 'seconds', 'stop'].map((name, i) => Number(option(name, [100, 200, 4096, 30, 5][i])));
const RS = '\x1e', group = `slow-reader-${process.pid}`;
const padding = 'x'.repeat(bytes);

function open(onMessage) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    socket.call = (target, ...args) => socket.send(JSON.stringify({ type: 1, invocationId: '1', target, arguments: args }) + RS);
    socket.on('error', reject);
    socket.on('open', () => { socket.send(JSON.stringify({ protocol: 'json', version: 1 }) + RS); socket.call('Join', group); });
    socket.on('message', data => {
      for (const record of data.toString().split(RS)) {
        if (record.startsWith('{"type":3')) resolve(socket);
        else if (record.startsWith('{"type":1')) onMessage(record);
      }
    });
  });
}

/** Whether the connection that comes from this port of the client is established at the node's end. */
function nodeKeepsOpen(clientPort) {
  const end = `:${clientPort.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = ['tcp', 'tcp6'].flatMap(table => fs.readFileSync(`/proc/net/${table}`, 'utf8').split('\n').slice(1));
  return rows.map(row => row.trim().split(/\s+/)).some(([, , remote, state]) => remote?.endsWith(end) && state === '01');
}

const perSecond = Array.from({ length: seconds + 2 }, () => []);
const began = performance.now();
const measure = record => {
  const sent = Number(/"(\d+\.\d+)\|/.exec(record)?.[1]);
  const now = performance.now();
  perSecond[Math.floor((now - began) / 1000)]?.push(now - sent);
};
const readers = await Promise.all(Array.from({ length: clients - 1 }, () => open(measure)));
const slow = await open(() => {});
const sender = await open(() => {});
const from = performance.now();
let closed;
setTimeout(() => slow._socket.pause(), stop * 1000);
// A socket that is not read does not see its end: the node's end of it, in the kernel's table, does.
const watching = setInterval(() => {
  if (closed || nodeKeepsOpen(slow._socket.localPort)) return;
  closed = `closed ${((performance.now() - from) / 1000 - stop).toFixed(1)} s after it stopped reading`;
}, 100);
let sent = 0;
const ticking = setInterval(() => {
  while (sent < ((performance.now() - from) / 1000) * rate) { sender.send(JSON.stringify({ type: 1, target: 'ToGroup', arguments: [group, `${performance.now().toFixed(3)}|${padding}`] }) + RS); sent++; }
}, 2);
await new Promise(resolve => setTimeout(resolve, seconds * 1000));
clearInterval(ticking);
clearInterval(watching);
const offset = Math.floor((from - began) / 1000);
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]?.toFixed(1) ?? '-';
console.log('second  messages  p50 ms  p99 ms  max ms');
for (const [second, latencies] of perSecond.slice(offset, offset + seconds).entries()) {
  const sorted = latencies.sort((a, b) => a - b);
  console.log(`${String(second).padStart(6)}  ${String(sorted.length).padStart(8)}  ${quantile(sorted, 0.5).padStart(6)}  ${quantile(sorted, 0.99).padStart(6)}  ${quantile(sorted, 1).padStart(6)}${second === stop ? '   ← one stops reading' : ''}`);
}
console.log(`the one that stopped reading: ${closed ?? 'still open'}`);
for (const socket of [...readers, slow, sender]) socket.terminate();
process.exit(0);
