// The requests of each transport, right and wrong.
import { setTimeout as sleep } from 'node:timers/promises';
import { RECORD_SEPARATOR } from '../protocols/names.mjs';
import { DETAILED, NO_WEBSOCKETS, PLAIN, PROTOCOLS, Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

const CORS_HEADERS = ['access-control-allow-origin', 'access-control-allow-credentials'];

scenarios.one('transport: WebSocket with an unknown id', async trace => {
  await trace.pipe('ws', PLAIN, { id: 'nobody' }).start({ record: true });
});

scenarios.one('transport: SSE with an unknown id', trace =>
  trace.http('GET', PLAIN, { query: { id: 'nobody' }, headers: { Accept: 'text/event-stream' } }),
);

scenarios.one('transport: SSE without an id', trace =>
  trace.http('GET', PLAIN, { headers: { Accept: 'text/event-stream' } }),
);

scenarios.one('transport: long poll with an unknown id', trace =>
  trace.http('GET', PLAIN, { query: { id: 'nobody' } }),
);

scenarios.one('transport: long poll without an id', trace => trace.http('GET', PLAIN));
scenarios.one('transport: POST with an unknown id', trace =>
  trace.http('POST', PLAIN, { query: { id: 'nobody' }, body: 'x' }),
);

scenarios.one('transport: POST without an id', trace => trace.http('POST', PLAIN, { body: 'x' }));
scenarios.one('transport: DELETE with an unknown id', trace =>
  trace.http('DELETE', PLAIN, { query: { id: 'nobody' } }),
);

scenarios.one('transport: DELETE without an id', trace => trace.http('DELETE', PLAIN));
scenarios.one('transport: PUT is refused', trace => trace.http('PUT', PLAIN, { query: { id: 'nobody' } }));
scenarios.one('transport: WebSocket on a hub without them', async trace => {
  const negotiated = await trace.negotiate(NO_WEBSOCKETS, { quiet: true });
  await trace.pipe('ws', NO_WEBSOCKETS, { id: negotiated.id }).start({ record: true });
});

scenarios.one('transport: a second WebSocket with the same id', async trace => {
  const client = await open(trace, 'json', DETAILED);
  await trace.pipe('ws', DETAILED, { id: client.id }).start({ record: true });
  await client.call('Echo', ['still here']);
});

scenarios.one('transport: a long poll on a WebSocket connection', async trace => {
  const client = await open(trace, 'json');
  await trace.http('GET', PLAIN, { query: { id: client.id } });
});

scenarios.one('transport: a POST on a WebSocket connection', async trace => {
  const client = await open(trace, 'json');
  await trace.http('POST', PLAIN, { query: { id: client.id }, body: `{"type":6}${RECORD_SEPARATOR}` });
});

scenarios.one('transport: DELETE on a WebSocket connection', async trace => {
  const client = await open(trace, 'json');
  await trace.http('DELETE', PLAIN, { query: { id: client.id } });
});

scenarios.one('transport: DELETE on an SSE connection', async trace => {
  const client = await open(trace, { transport: 'sse' });
  await trace.http('DELETE', PLAIN, { query: { id: client.id } });
});

scenarios.one('transport: DELETE ends a long-polling connection', async trace => {
  const client = await open(trace, { transport: 'lp' });
  await trace.http('DELETE', PLAIN, { query: { id: client.id } });
  await client.until(() => client.end, 6000);
  trace.record('ended', { yes: !!client.end });
  await sleep(300);
  await trace.http('GET', PLAIN, { query: { id: client.id } });
});

scenarios.one('transport: the first long poll returns at once', async trace => {
  const negotiated = await trace.negotiate(PLAIN, { quiet: true });
  await trace.pipe('lp', PLAIN, { id: negotiated.id }).start({ record: true });
});

scenarios.one('transport: a newer long poll ends the older', async trace => {
  const negotiated = await trace.negotiate(PLAIN, { quiet: true });
  const client = trace.pipe('lp', PLAIN, { id: negotiated.id });
  await client.poll();
  await client.handshake({ quiet: true }).catch(() => {});
  const shaken = await client.poll();
  trace.record('handshake answer', { body: shaken.text });
  const older = client.poll();
  await sleep(200);
  const newer = client.poll();
  trace.record('older', { status: (await older).status });
  await trace.http('POST', PLAIN, {
    query: { id: negotiated.id },
    body: `{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}${RECORD_SEPARATOR}`,
  });
  const last = await newer;
  trace.record('newer', { status: last.status, body: last.text });
});

scenarios.one('transport: without negotiate a WebSocket opens', async trace => {
  const client = trace.pipe('ws', PLAIN);
  await client.start({ record: true });
  await client.handshake();
  await client.call('Echo', ['hello']);
});

scenarios.one('transport: the name the hub sees', async trace => {
  for (const transport of ['ws', 'sse', 'lp']) {
    const client = await open(trace, { transport });
    await client.call('Transport');
  }
});

scenarios.one('transport: frames are text for JSON and binary for MessagePack', async trace => {
  for (const protocol of PROTOCOLS) {
    const client = await open(trace, protocol);
    await client.call('Echo', ['x']);
    trace.record(protocol, { frames: [...new Set(client.frames)] });
  }
});

scenarios.one('transport: the query reaches the hub', async trace => {
  const client = await open(trace, { query: { colour: 'green' } });
  await client.call('Query', ['colour']);
  await client.call('Query', ['shape']);
});

scenarios.one('transport: CORS for an allowed origin', async trace => {
  const path = `${PLAIN}/negotiate`;
  const headers = { Origin: 'https://app.example' };
  const answer = await trace.http('POST', path, { headers, quiet: true });
  const cors = Object.fromEntries(CORS_HEADERS.map(name => [name, answer.headers[name] ?? null]));
  trace.record(`POST ${path}`, { status: answer.status, type: answer.type, ...cors });
});

scenarios.one('transport: CORS preflight for an allowed origin', trace =>
  trace.http('OPTIONS', `${PLAIN}/negotiate`, {
    headers: {
      Origin: 'https://app.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'x-requested-with,x-signalr-user-agent',
    },
    show: CORS_HEADERS,
  }),
);
