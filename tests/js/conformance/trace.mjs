// The record of one scenario: what the server answered, step by step, ids masked so that two runs compare equal.
// It opens connections for the scenario and ends them; it does not know what the right answer is.
import http from 'node:http';
import { LongPollingPipe } from './pipes/long_polling.mjs';
import { ServerSentEventsPipe } from './pipes/server_sent_events.mjs';
import { WebSocketPipe } from './pipes/websocket.mjs';

const PIPES = { ws: WebSocketPipe, sse: ServerSentEventsPipe, lp: LongPollingPipe };

export class Trace {
  #nodes;
  #spread;
  #turn = 0;
  #homes = new Map();
  #events = [];
  #masks = [];
  #pipes = [];
  #count = 0;

  /** `spread` is 'connections' (each stays on the node that it negotiated with) or 'requests' (none stays). */
  constructor(nodes, spread) {
    this.#nodes = nodes;
    this.#spread = spread;
  }

  /** Adds an event to the record. */
  record(what, data) {
    this.#events.push({ what, ...data });
  }

  /** From now on `value` is written as `<name>`, in earlier events too. */
  mask(value, name) {
    if (value) this.#masks.push([String(value), `<${name}>`]);
  }

  masked(value) {
    if (typeof value === 'string')
      return this.#masks.reduce((text, [from, to]) => text.replaceAll(from, to), value);
    if (Array.isArray(value)) return value.map(item => this.masked(item));
    if (!value || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.masked(item)]));
  }

  /** Unique in a scenario, not only in a connection: the record shows which result came on which connection. */
  nextInvocationId() {
    return `${++this.#count}i`;
  }

  url(path, query = {}, node = this.#nodeFor(query.id)) {
    const url = new URL(path, node);
    for (const [key, value] of Object.entries(query)) if (value != null) url.searchParams.set(key, value);
    return url;
  }

  /** One HTTP request; unless `quiet`, records status, media type, body and the headers named in `show`. */
  async http(
    method,
    path,
    { query, headers = {}, body, token, show = [], quiet, timeout = 5000, node } = {},
  ) {
    const all = { ...headers };
    if (token) all.Authorization = `Bearer ${token}`;
    if (body != null || method === 'POST') all['Content-Length'] = Buffer.byteLength(body ?? '');
    const response = await request(
      this.url(path, query, node),
      { method, headers: all, agent: false },
      body,
      timeout,
    );
    if (!quiet) this.record(`${method} ${path}`, describe(response, show));
    return response;
  }

  /** POST negotiate; returns its JSON with `status`, `name` and `id`: what later requests carry. */
  async negotiate(
    hub,
    { version = 1, query = {}, token, headers, stateful, name = this.#nextName(), quiet } = {},
  ) {
    const node = this.#nextNode();
    const parameters = {
      negotiateVersion: version,
      ...(stateful ? { useStatefulReconnect: 'true' } : {}),
      ...query,
    };
    const response = await this.http('POST', `${hub}/negotiate`, {
      query: parameters,
      token,
      headers,
      quiet: true,
      node,
    });
    const fields = parsed(response.text);
    const id = fields?.connectionToken ?? fields?.connectionId;
    if (id) this.#homes.set(id, node);
    this.mask(fields?.connectionToken, `${name} token`);
    this.mask(fields?.connectionId, `${name} id`);
    if (!quiet) {
      const shown = fields ? { json: fields } : response.text ? { body: response.text } : {};
      this.record(`POST ${hub}/negotiate`, { status: response.status, type: response.type, ...shown });
    }
    return { ...fields, status: response.status, id, name };
  }

  /** A negotiated connection, hub handshake done. Nothing of its opening is recorded. */
  async connect(hub, { transport = 'ws', protocol, token, name, query, stateful, version } = {}) {
    const negotiated = await this.negotiate(hub, { token, name, stateful, quiet: true });
    if (!negotiated.id) throw new Error(`negotiate ${hub}: ${negotiated.status}`);
    const { id, connectionId } = negotiated;
    const pipe = this.#keep(transport, hub, {
      id,
      name: negotiated.name,
      connectionId,
      protocol,
      token,
      query,
    });
    await pipe.start();
    await pipe.handshake({ quiet: true, version });
    return pipe;
  }

  /** A pipe that is not started; without an `id` it has not negotiated. */
  pipe(transport, hub, options = {}) {
    return this.#keep(transport, hub, { name: this.#nextName(), ...options });
  }

  /** Ends all that the scenario opened, and gives the record. */
  finish() {
    for (const pipe of this.#pipes) pipe.kill();
    return this.masked(JSON.parse(JSON.stringify(this.#events)));
  }

  #keep(transport, hub, options) {
    const pipe = new PIPES[transport](this, hub, options);
    this.#pipes.push(pipe);
    return pipe;
  }

  #nextName() {
    return `c${++this.#count}`;
  }

  #nextNode() {
    return this.#nodes[this.#turn++ % this.#nodes.length];
  }

  #nodeFor(id) {
    return this.#spread === 'requests' ? this.#nextNode() : (this.#homes.get(id) ?? this.#nodes[0]);
  }
}

function request(url, options, body, timeout) {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, options, response => {
      const parts = [];
      response.on('data', part => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const raw = Buffer.concat(parts);
        const type = (response.headers['content-type'] ?? '').split(';')[0];
        resolve({
          status: response.statusCode,
          headers: response.headers,
          type,
          raw,
          text: raw.toString('utf8'),
        });
      });
    });
    sent.on('error', reject);
    sent.setTimeout(timeout, () =>
      sent.destroy(new Error(`${options.method} ${url.pathname}: no response in ${timeout} ms`)),
    );
    sent.end(body);
  });
}

function describe({ status, headers, type, raw, text }, show) {
  const body = type === 'application/json' ? { json: parsed(text) ?? text } : { body: text };
  const shown = Object.fromEntries(show.map(name => [name, headers[name] ?? null]));
  return { status, ...(raw.length ? { type, ...body } : {}), ...shown };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
