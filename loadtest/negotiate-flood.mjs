// Negotiates that are never followed by a connection. Prints the node's resident memory before and after, and the CPU that one cost.
//   node negotiate-flood.mjs --url http://127.0.0.1:8081 --pid PID [--hub /conformance] [--count 200000]
import http from 'node:http';
import fs from 'node:fs';

const option = (name, otherwise) => { const i = process.argv.indexOf(`--${name}`); return i < 0 ? otherwise : process.argv[i + 1]; };
const url = new URL(option('hub', '/conformance') + '/negotiate?negotiateVersion=1', option('url', 'http://127.0.0.1:8081'));
const pid = option('pid'), count = Number(option('count', 200000));
const agent = new http.Agent({ keepAlive: true, maxSockets: 50 });

const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const ticks = () => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((a, b) => a + Number(b), 0);
const negotiate = () => new Promise((resolve, reject) => {
  http.request(url, { method: 'POST', agent, headers: { 'Content-Length': 0 } }, response => { response.resume(); response.on('end', resolve); }).on('error', reject).end();
});
async function flood(n) {
  let left = n;
  await Promise.all(Array.from({ length: 50 }, async () => { while (left-- > 0) await negotiate(); }));
}

await flood(5000);
const before = resident(), cpu = ticks();
await flood(count);
const after = resident();
console.log(`${count} negotiates: resident ${before} KiB before, ${after} KiB after (${after - before >= 0 ? '+' : ''}${after - before} KiB); ${(((ticks() - cpu) * 10000) / count).toFixed(1)} µs of CPU each`);
process.exit(0);
