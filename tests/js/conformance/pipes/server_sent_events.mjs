// A connection over server-sent events: one long GET down, a POST for each write up.
import http from 'node:http';
import { Pipe } from './pipe.mjs';

const EVENT_END = /\r\n\r\n|\n\n/;

export class ServerSentEventsPipe extends Pipe {
  #request;
  #unread = '';

  /** Resolves when the server has responded to the GET. */
  start({ record } = {}) {
    const url = this.trace.url(this.hub, { id: this.id, access_token: this.token, ...this.query });
    return new Promise(resolve => {
      this.#request = http.get(url, { agent: false, headers: { Accept: 'text/event-stream' } }, response => {
        const type = (response.headers['content-type'] ?? '').split(';')[0];
        if (record) this.trace.record(`${this.name} open`, { status: response.statusCode, type });
        response.setEncoding('utf8');
        response.on('data', text => this.#readEvents(text));
        response.on('end', () => this.ended({ end: true }));
        response.on('error', () => this.ended({ end: true }));
        resolve();
      });
      this.#request.on('error', error => {
        this.ended({ error: error.code });
        resolve();
      });
    });
  }

  async write(bytes) {
    const query = { id: this.id, access_token: this.token };
    const headers = { 'Content-Type': 'text/plain;charset=UTF-8' };
    const request = { query, headers, body: bytes, quiet: true };
    const { status, text } = await this.trace.http('POST', this.hub, request);
    if (status !== 200) this.trace.record(`${this.name} POST`, { status, body: text });
  }

  kill() {
    this.#request?.destroy();
  }

  #readEvents(text) {
    this.#unread += text;
    for (let end = EVENT_END.exec(this.#unread); end; end = EVENT_END.exec(this.#unread)) {
      const lines = this.#unread.slice(0, end.index).split(/\r\n|\n/);
      this.#unread = this.#unread.slice(end.index + end[0].length);
      const data = lines
        .filter(line => line.startsWith('data:'))
        .map(line => line.slice(5).replace(/^ /, ''));
      if (data.length) this.received(Buffer.from(data.join('\n')));
    }
  }
}
