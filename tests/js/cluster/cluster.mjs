// Nodes in processes of their own over one Redis, started for a test. HUBWARD_SERVER names the conformance server's program.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { accepts, freePort, Program } from './program.mjs';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SERVER = process.env.HUBWARD_SERVER ?? `${ROOT}target/release/conformance-server`;

export class Cluster {
  nodes = [];

  /** Starts a Redis and nodes over it, stopped when test `t` ends. `flags(number)` are a node's further arguments. */
  static async start(t, { size = 3, flags = () => [] } = {}) {
    if (!fs.existsSync(SERVER))
      throw new Error(`${SERVER} is missing: cargo build --release --bin conformance-server, or set HUBWARD_SERVER`);
    const cluster = new Cluster();
    t.after(() => cluster.stop());
    await cluster.#startRedis();
    for (let number = 1; number <= size; number++) cluster.nodes.push(await Node.reserve(cluster.redisUrl, number, flags));
    await Promise.all(cluster.nodes.map(node => node.start()));
    return cluster;
  }

  get urls() {
    return this.nodes.map(node => node.url);
  }

  get redisUrl() {
    return `redis://127.0.0.1:${this.redisPort}`;
  }

  async #startRedis() {
    this.redisPort = await freePort();
    const command = ['redis-server', '--bind', '127.0.0.1', '--port', `${this.redisPort}`, '--save', ''];
    this.redis = new Program('Redis', command);
    await this.redis.start(() => accepts(this.redisPort));
  }

  /** Kills all that runs, and fails if a node has logged an error of its own. */
  async stop() {
    await Promise.all([...this.nodes, this.redis].map(program => program?.kill()));
    for (const node of this.nodes)
      if (/ERROR|panicked/.test(node.printed)) throw new Error(`${node.name} has logged:\n${node.printed}`);
  }
}

export class Node extends Program {
  /** A node that is not started yet, with a port of its own, which it has again after a restart. */
  static async reserve(redisUrl, number, flags) {
    const port = await freePort();
    const command = [SERVER, '--listen', `127.0.0.1:${port}`, '--redis', redisUrl, ...flags(number)];
    const env = { ...process.env, HUBWARD_LOG: process.env.HUBWARD_LOG ?? 'warn', NO_COLOR: '1' };
    const node = new Node(`node ${number}`, command, { env });
    node.port = port;
    node.url = `http://127.0.0.1:${port}`;
    return node;
  }

  async start() {
    await super.start(printed => printed.includes('listening'));
  }

  /** SIGTERM; resolves when it has ended. */
  async drain(milliseconds) {
    this.signal('SIGTERM');
    return this.exit(milliseconds);
  }
}
