// Invocations: results, errors and their texts, order.
import { DETAILED, PARALLEL, PLAIN, Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

const READING = {
  ward: '7',
  bed: 3,
  value: 36.6,
  alarm: true,
  tags: ['a', 'b'],
  counts: { x: 1 },
  previous: { ward: '6', bed: 1, value: -1.5, alarm: false, tags: [], counts: {}, previous: null },
};

/** As .NET names the fields of a record over MessagePack; what a map counts keeps its keys. */
function pascalCased(reading) {
  if (!reading) return null;
  const previous = pascalCased(reading.previous);
  const entries = Object.entries({ ...reading, previous });
  return Object.fromEntries(entries.map(([key, value]) => [key[0].toUpperCase() + key.slice(1), value]));
}

scenarios.eachPipe('invoke: values of every kind', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.call('Echo', ['']);
  await client.call('Echo', ['grüße 🚀 \u0000 "quoted" \\ / \u2028']);
  await client.call('Add', [2, -7]);
  await client.call('Half', [3]);
  await client.call('Not', [false]);
  await client.call('Null');
  await client.call('Reverse', [[1, 2, 3]]);
  await client.call('Reverse', [[]]);
});

scenarios.eachPipe('invoke: no result', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.call('Nothing');
});

scenarios.eachPipe('invoke: the connection id', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.call('MyConnectionId');
});

scenarios.eachPipe('invoke: a hub error reaches the caller', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.call('HubError', ['the ward is full']);
  await client.call('Echo', ['still here']);
});

scenarios.eachPipe('invoke: another error does not', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.call('Crash', ['secret']);
  await client.call('Echo', ['still here']);
});

scenarios.eachPipe('invoke: a large result', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.invoke('Large', [200000], { id: '1' });
  const [completion] = await client.take();
  trace.record('length', { n: completion?.result?.length });
});

scenarios.eachPipe('invoke: many at once', async (trace, pipe) => {
  const client = await open(trace, pipe);
  for (let i = 0; i < 20; i++) await client.invoke('Add', [i, i], { id: `${i}` });
  await client.next(20);
});

scenarios.eachProtocol('invoke: bytes', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.call('EchoBytes', [protocol === 'json' ? 'AAEC/w==' : new Uint8Array([0, 1, 2, 255])]);
});

scenarios.eachProtocol('invoke: a record', async (trace, protocol) => {
  const reading = protocol === 'json' ? READING : pascalCased(READING);
  const client = await open(trace, protocol);
  await client.call('EchoReading', [reading]);
  await client.invoke('SendReading', [reading]);
  await client.next();
});

scenarios.eachProtocol('invoke: without an id nothing is answered', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Echo', ['x']);
  await client.invoke('Crash', ['x']);
  await client.invoke('NoSuchMethod', []);
  await client.invoke('Add', ['x']);
  await client.quiet();
  await client.call('Echo', ['still here']);
});

scenarios.eachProtocol('invoke: method names ignore case', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.call('eCHO', ['x']);
});

for (const hub of [PLAIN, DETAILED]) {
  scenarios.eachProtocol(`invoke: unknown method ${hub}`, async (trace, protocol) => {
    const client = await open(trace, protocol, hub);
    await client.call('NoSuchMethod', [1]);
    await client.call('Echo', ['still here']);
  });
  scenarios.eachProtocol(`invoke: too few arguments ${hub}`, async (trace, protocol) => {
    const client = await open(trace, protocol, hub);
    await client.call('Add', [1]);
  });
  scenarios.eachProtocol(`invoke: too many arguments ${hub}`, async (trace, protocol) => {
    const client = await open(trace, protocol, hub);
    await client.call('Add', [1, 2, 3]);
  });
}

scenarios.eachProtocol('invoke: wrong types /conformance', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.call('Add', ['one', 2]);
  await client.call('Echo', ['still here']);
});

scenarios.eachProtocol('invoke: an error with details', async (trace, protocol) => {
  const client = await open(trace, protocol, DETAILED);
  await client.call('HubError', ['shown']);
  await client.call('Crash', ['shown too']);
});

scenarios.eachProtocol('invoke: headers are accepted', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Echo', ['x'], {
    id: '1',
    headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', other: 'y' },
  });
  await client.next();
});

scenarios.eachProtocol('invoke: an id of any text', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.call('Echo', ['x'], 'an id, é');
});

scenarios.eachProtocol('invoke: one after the other', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Slow', [300, 'slow'], { id: '1' });
  await client.invoke('Echo', ['fast'], { id: '2' });
  await client.next(2);
});

scenarios.eachProtocol('invoke: side by side where the hub allows it', async (trace, protocol) => {
  const client = await open(trace, protocol, PARALLEL);
  await client.invoke('Slow', [400, 'slow'], { id: '1' });
  await client.invoke('Echo', ['fast'], { id: '2' });
  await client.next(2);
});
