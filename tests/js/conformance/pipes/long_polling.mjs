// A connection over long polling: GETs that wait, a POST for each write up, a DELETE at the end.
import http from 'node:http';
import { Pipe } from './pipe.mjs';

export class LongPollingPipe extends Pipe {
  #killed = false;

  /** Resolves when the first poll returns, which is at once. */
  async start({ record } = {}) {
    const { status, raw } = await this.poll();
    if (record) this.trace.record(`${this.name} open`, { status, length: raw.length });
    if (status === 200) this.#pollOn();
    else this.ended({ status });
  }

  /** One poll; what it brings is not fed to the connection. */
  poll() {
    const query = { id: this.id, access_token: this.token, ...this.query };
    return this.trace.http('GET', this.hub, { query, quiet: true, timeout: 100_000 });
  }

  async write(bytes) {
    const query = { id: this.id, access_token: this.token };
    const { status, text } = await this.trace.http('POST', this.hub, { query, body: bytes, quiet: true });
    if (status !== 200) this.trace.record(`${this.name} POST`, { status, body: text });
  }

  kill() {
    this.#killed = true;
    const url = this.trace.url(this.hub, { id: this.id, access_token: this.token });
    http
      .request(url, { method: 'DELETE', agent: false })
      .on('error', () => {})
      .end();
  }

  async #pollOn() {
    while (!this.end) {
      const { status, raw } = await this.poll().catch(error => ({ status: error.code ?? 'failed' }));
      if (this.#killed) return;
      if (status !== 200) this.ended({ status });
      else if (raw.length) this.received(raw);
    }
  }
}
