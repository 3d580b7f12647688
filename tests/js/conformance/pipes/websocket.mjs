// A connection over one WebSocket.
import WebSocket from 'ws';
import { Pipe } from './pipe.mjs';

export class WebSocketPipe extends Pipe {
  /** 'text' or 'binary', by frame received. */
  frames = [];
  #socket;

  /** Resolves when the server has accepted or refused the upgrade. */
  start({ record } = {}) {
    const url = this.trace.url(this.hub, { id: this.id, access_token: this.token, ...this.query });
    url.protocol = 'ws:';
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    return new Promise(resolve => {
      const opened = response => {
        if (record) this.trace.record(`${this.name} open`, response);
        resolve();
      };
      this.#socket.on('open', () => opened({ status: 101 }));
      this.#socket.on('unexpected-response', (_, response) => this.#refused(response).then(opened));
      this.#socket.on('message', (data, binary) => {
        this.frames.push(binary ? 'binary' : 'text');
        this.received(Buffer.from(data));
      });
      this.#socket.on('close', code => this.ended({ code }));
      this.#socket.on('error', error => {
        if (this.#socket.readyState !== WebSocket.CLOSED) this.ended({ error: error.code ?? error.message });
        resolve();
      });
    });
  }

  async write(bytes) {
    this.#socket.send(this.protocol.binary ? bytes : bytes.toString('utf8'));
  }

  kill() {
    this.#socket?.terminate();
  }

  close(code = 1000) {
    this.#socket.close(code);
  }

  /** The TCP connection goes, without a WebSocket close. */
  cut() {
    this.#socket._socket.destroy();
  }

  /** The TCP connection stays open, and nothing is read from it: half open. */
  stopReading() {
    this.#socket._socket.pause();
  }

  async #refused(response) {
    let body = '';
    for await (const part of response) body += part;
    this.ended({ status: response.statusCode });
    return { status: response.statusCode, ...(body ? { body } : {}) };
  }
}
