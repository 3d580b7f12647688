// What a browser learns about cross-origin requests, header by header.
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { nextNode } from './connections.mjs';

const ALLOWED = 'https://app.example';
const STRANGERS = ['https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null'];

/** Node's fetch would not send an Origin of our choosing. */
async function negotiate(method, headers) {
  const url = new URL('/conformance/negotiate?negotiateVersion=1', nextNode());
  const request = http
    .request(url, { method, headers: { 'Content-Length': 0, ...headers }, agent: false })
    .end();
  const [response] = await once(request, 'response');
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, ...response.headers };
}

const preflight = origin =>
  negotiate('OPTIONS', {
    Origin: origin,
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'x-requested-with,x-signalr-user-agent,authorization',
  });

describe('CORS', { concurrency: true }, () => {
  test('a preflight of an allowed origin allows what the client sends', async () => {
    const response = await preflight(ALLOWED);
    assert.equal(response.status, 204);
    assert.equal(response['access-control-allow-origin'], ALLOWED);
    assert.equal(response['access-control-allow-credentials'], 'true');
    assert.match(response['access-control-allow-methods'], /\bPOST\b/);
    for (const header of ['x-requested-with', 'x-signalr-user-agent', 'authorization'])
      assert.ok(response['access-control-allow-headers'].toLowerCase().includes(header), header);
  });

  test('an allowed origin may read the response', async () => {
    const response = await negotiate('POST', { Origin: ALLOWED });
    assert.equal(response.status, 200);
    assert.equal(response['access-control-allow-origin'], ALLOWED);
    assert.equal(response['access-control-allow-credentials'], 'true');
  });

  for (const origin of STRANGERS) {
    test(`${origin} is allowed nothing`, async () => {
      for (const response of [await preflight(origin), await negotiate('POST', { Origin: origin })])
        assert.equal(response['access-control-allow-origin'], undefined);
    });
  }

  test('a request without an origin gets no such header', async () => {
    const response = await negotiate('POST', {});
    assert.equal(response.status, 200);
    assert.equal(response['access-control-allow-origin'], undefined);
  });
});
