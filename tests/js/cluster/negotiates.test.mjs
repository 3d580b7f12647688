// Negotiating stores nothing: a flood of it at three nodes leaves their memory flat, and nothing in Redis.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';
import { Cluster } from './cluster.mjs';
import { NEGOTIATES, NODES } from './numbers.mjs';

const AT_ONCE = 50;
/** First so many, for what a node allocates once. */
const WARM_UP = 0.1;
/** Less than the tokens of 20,000 connections would take. */
const ALLOWED_KIB = 4_096;

const linux = process.platform === 'linux' ? false : 'it reads /proc';

test(`${NEGOTIATES} negotiates at ${NODES} nodes leave memory flat`, { skip: linux }, async t => {
  const cluster = await Cluster.start(t, { size: NODES });
  await flood(cluster.urls, Math.ceil(NEGOTIATES * WARM_UP));
  const before = cluster.nodes.map(residentKib);
  const keysBefore = redisKeys(cluster);
  const began = Date.now();
  await flood(cluster.urls, NEGOTIATES);
  const seconds = (Date.now() - began) / 1_000;
  const grown = cluster.nodes.map((node, index) => residentKib(node) - before[index]);
  t.diagnostic(`${Math.round(NEGOTIATES / seconds)} a second; resident memory of the nodes has grown by ${grown.join(', ')} KiB of ${before.join(', ')}`);
  for (const [index, kib] of grown.entries()) assert.ok(kib < ALLOWED_KIB, `node ${index + 1} has grown by ${kib} KiB`);
  assert.equal(redisKeys(cluster), keysBefore, 'keys in Redis');
});

async function flood(urls, count) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let left = count;
  const worker = async () => {
    while (left-- > 0) await negotiate(agent, urls[left % urls.length]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  agent.destroy();
}

function negotiate(agent, url) {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', agent, headers: { 'Content-Length': 0 } };
    const request = http.request(`${url}/cluster/negotiate?negotiateVersion=1`, options, response => {
      response.resume();
      response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`negotiate: ${response.statusCode}`))));
    });
    request.on('error', reject).end();
  });
}

const residentKib = ({ pid }) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

const redisKeys = ({ redisPort }) => `${execFileSync('redis-cli', ['-p', `${redisPort}`, 'dbsize'])}`.trim();
