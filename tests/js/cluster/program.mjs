// A program that a test starts, stops, kills and pauses; what it prints is kept for the failure's report.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { eventually, within } from '../support/deadline.mjs';

/** Below the ports that the system gives to outgoing connections, so that none of them takes a node's while it restarts. */
const PORTS = { first: 12_000, count: 18_000 };

const running = new Set();
// A test that is interrupted must not leave servers behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

export class Program {
  #child;
  #exited;
  #printed = '';

  constructor(name, command, options = {}) {
    this.name = name;
    this.command = command;
    this.options = options;
  }

  /** Starts it and waits until `isReady(what it has printed)`. */
  async start(isReady, milliseconds = 10_000) {
    const [file, ...args] = this.command;
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...this.options });
    this.#child = child;
    running.add(child);
    this.#exited = new Promise(resolve => {
      child.once('exit', (code, signal) => resolve(code ?? signal));
      child.once('error', error => resolve(error.message));
    }).finally(() => running.delete(child));
    // What an earlier run has printed stays for the report.
    const from = this.#printed.length;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', text => (this.#printed += text));
    }
    let hasEnded;
    this.#exited.then(how => (hasEnded = how));
    await eventually(() => {
      if (hasEnded !== undefined) throw new Error(`${this.name} has ended (${hasEnded})`);
      return isReady(this.#printed.slice(from));
    }, `${this.name} to be ready`, milliseconds).catch(error => {
      throw new Error(`${error.message}; ${this.command.join(' ')} has printed:\n${this.#printed}`);
    });
  }

  get printed() {
    return this.#printed;
  }

  get pid() {
    return this.#child.pid;
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Resolves with the exit code, or the name of the signal. */
  async exit(milliseconds) {
    return within(this.#exited, `${this.name} to end`, milliseconds);
  }

  async kill() {
    if (!this.#child) return;
    this.signal('SIGKILL');
    await this.exit();
  }
}

let nextPort = PORTS.first + Math.floor(Math.random() * PORTS.count);

/** A port of this machine that nothing listens on, and that no outgoing connection gets. */
export async function freePort() {
  for (;;) {
    const port = PORTS.first + (nextPort++ % PORTS.count);
    const server = net.createServer();
    server.listen(port, '127.0.0.1');
    const listens = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!listens) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Whether something accepts connections there. */
export function accepts(port) {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
