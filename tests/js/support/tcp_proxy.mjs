// A TCP proxy that fails on demand: cuts, half-open connections, silence. It forwards bytes and knows no protocol.
import net from 'node:net';
import { once } from 'node:events';

export class TcpProxy {
  #server = net.createServer({ pauseOnConnect: true }, client => this.#accept(client));
  #targets;
  #turn = 0;
  #links = new Set();
  #down = false;
  #silent = false;
  #accepted = 0;
  #chunksFromServer = 0;
  #waiting = [];

  /** Listens on a free port of this machine; each connection goes to the next of `targets`, which are URLs. */
  static async start(targets) {
    const proxy = new TcpProxy(targets);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  constructor(targets) {
    this.#targets = targets.map(target => new URL(target));
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Both ends of every connection are closed; new ones pass. */
  cut() {
    for (const link of this.#links) {
      this.#links.delete(link);
      link.client.destroy();
      link.upstream.destroy();
    }
  }

  /** The clients' ends are closed and the servers are not notified: what a phone that changes networks leaves behind. */
  cutHalfOpen() {
    for (const link of this.#links) {
      if (link.abandoned) continue;
      link.abandoned = true;
      link.client.unpipe(link.upstream);
      link.upstream.unpipe(link.client);
      link.upstream.pause();
      link.client.destroy();
    }
  }

  /** Connections stay open, and nothing passes either way. */
  freeze() {
    for (const { client, upstream } of this.#links) {
      client.unpipe(upstream);
      upstream.unpipe(client);
      client.pause();
      upstream.pause();
    }
  }

  /** As if the node were gone: all connections are closed and new ones too, until `comeBack`. */
  goDown() {
    this.#down = true;
    this.cut();
  }

  /** As if a cable were pulled: what is open stays open, new connections are accepted, and nothing passes, until `comeBack`. */
  goSilent() {
    this.#silent = true;
    this.freeze();
  }

  /** All connections from before are closed. */
  comeBack() {
    this.#down = false;
    this.#silent = false;
    this.cut();
  }

  /** How many connections have come so far. */
  get accepted() {
    return this.#accepted;
  }

  /** Resolves when the servers have sent `count` more chunks through to clients. */
  chunksFromServer(count) {
    const wanted = this.#chunksFromServer + count;
    return this.#until(() => this.#chunksFromServer >= wanted);
  }

  /** Resolves when the newest connection carries messages: its client has sent more than one request. */
  inUse() {
    return this.#until(() => {
      const newest = [...this.#links].filter(link => !link.abandoned).at(-1);
      return newest?.chunksFromClient > 1;
    });
  }

  close() {
    this.#server.close();
    this.cut();
  }

  #accept(client) {
    client.on('error', () => {});
    this.#accepted++;
    if (this.#down) return client.destroy();
    if (this.#silent) {
      // It has no other end.
      const link = { client, upstream: client, chunksFromClient: 0, abandoned: true };
      this.#links.add(link);
      client.on('close', () => this.#links.delete(link));
      return;
    }
    const target = this.#targets[this.#turn++ % this.#targets.length];
    const upstream = net.connect(Number(target.port || 80), target.hostname);
    const link = { client, upstream, chunksFromClient: 0, abandoned: false };
    this.#links.add(link);
    upstream.on('error', () => client.destroy());
    upstream.on('data', () => {
      this.#chunksFromServer++;
      this.#wake();
    });
    client.on('data', () => {
      link.chunksFromClient++;
      this.#wake();
    });
    upstream.on('close', () => {
      this.#links.delete(link);
      client.destroy();
    });
    client.on('close', () => {
      if (!link.abandoned) upstream.destroy();
    });
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    upstream.pipe(client);
    client.pipe(upstream);
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #until(condition) {
    while (!condition()) await new Promise(resolve => this.#waiting.push(resolve));
  }
}
