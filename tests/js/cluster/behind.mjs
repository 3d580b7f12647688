#!/usr/bin/env node
// Runs a command while three nodes over Redis are up behind a real load balancer, whose URL it has as HUBWARD_URLS.
//   node cluster/behind.mjs nginx|haproxy COMMAND…
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BALANCERS, balance } from './balancer.mjs';
import { Cluster } from './cluster.mjs';

const [kind, command, ...args] = process.argv.slice(2);
if (!BALANCERS[kind] || !command) {
  console.error(`usage: behind.mjs ${Object.keys(BALANCERS).join('|')} COMMAND…`);
  process.exit(2);
}
// As a test that ends with the command.
const ends = [];
const t = { after: end => ends.unshift(end) };
let code = 1;
try {
  const cluster = await Cluster.start(t);
  const { url } = await balance(t, kind, cluster.nodes.map(node => node.port));
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, HUBWARD_URLS: url } });
  [code] = await once(child, 'exit');
} finally {
  for (const end of ends) await end();
}
process.exit(code ?? 1);
