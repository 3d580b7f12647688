// Which requests the load balancers let another node have again. The nodes are stand-ins that refuse, break off or answer 503.
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { BALANCERS, balance } from './balancer.mjs';
import { freePort } from './program.mjs';

const EVENT_STREAM = { Accept: 'text/event-stream' };
const WEB_SOCKET = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
const REQUESTS = {
  negotiate: { method: 'POST', path: '/hub/negotiate?negotiateVersion=1', headers: { 'Content-Length': 0 } },
  'a WebSocket': { method: 'GET', path: '/hub?id=x', headers: WEB_SOCKET },
  'an event stream': { method: 'GET', path: '/hub?id=x', headers: EVENT_STREAM },
  'a long poll': { method: 'GET', path: '/hub?id=x', headers: {} },
  'messages': { method: 'POST', path: '/hub?id=x', headers: { 'Content-Type': 'text/plain' }, body: 'messages' },
};

/** How often the nodes see a request, whose first node breaks it off after it came. */
const BROKEN_OFF = {
  nginx: { negotiate: 2, 'a WebSocket': 2, 'an event stream': 2, 'a long poll': 2, messages: 1 },
  haproxy: { negotiate: 2, 'a WebSocket': 2, 'an event stream': 2, 'a long poll': 1, messages: 1 },
};
/** The same where the first node answers 503. */
const REFUSED = { ...BROKEN_OFF };

for (const kind of Object.keys(BALANCERS)) {
  describe(kind, { concurrency: true }, () => {
    for (const [what, request] of Object.entries(REQUESTS)) {
      test(`${what}: another node has it where one is not there`, async t => {
        const nodes = await StandIns.start(t, 'gone');
        const { url } = await balance(t, kind, nodes.ports);
        // Round-robin: three requests come by each node.
        for (let each = 0; each < 3; each++) assert.equal(await status(url, request), 200);
        assert.equal(nodes.seen, 3);
      });

      test(`${what}: how often it is sent where a node breaks off`, async t => {
        const nodes = await StandIns.start(t, 'breaks off');
        const { url } = await balance(t, kind, nodes.ports);
        const expected = BROKEN_OFF[kind][what];
        assert.equal(await status(url, request), expected === 2 ? 200 : 502);
        assert.equal(nodes.seen, expected);
      });

      test(`${what}: how often it is sent where a node answers 503`, async t => {
        const nodes = await StandIns.start(t, 503);
        const { url } = await balance(t, kind, nodes.ports);
        const expected = REFUSED[kind][what];
        assert.equal(await status(url, request), expected === 2 ? 200 : 503);
        assert.equal(nodes.seen, expected);
      });
    }
  });
}

/** Three nodes. `fault`: 'gone' is one that does not listen; else the first request that any of them has fares so. */
class StandIns {
  seen = 0;

  static async start(t, fault) {
    const nodes = new StandIns();
    const servers = Array.from({ length: fault === 'gone' ? 2 : 3 }, () => http.createServer());
    for (const server of servers) {
      const answer = (request, response) => nodes.#answer(fault, request, response);
      server.on('request', answer);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.closeAllConnections());
      t.after(() => server.close());
    }
    nodes.ports = servers.map(server => server.address().port);
    if (fault === 'gone') nodes.ports.unshift(await freePort());
    return nodes;
  }

  #answer(fault, request, response) {
    if (request.url.startsWith('/health/')) return response.end();
    this.seen++;
    const fails = this.seen === 1 && fault !== 'gone';
    if (fails && fault === 'breaks off') return request.socket.destroy();
    response.statusCode = fails ? fault : 200;
    response.end('x');
  }
}

async function status(url, { method, path, headers, body }) {
  const request = http.request(new URL(path, url), { method, headers, agent: false });
  request.end(body);
  const [response] = await once(request, 'response');
  response.resume();
  return response.statusCode;
}
