// Streams to the client, to the server, and both ways.
import { Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

scenarios.eachPipe('stream: to the client', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.stream('Count', [3, 0], { id: 's' });
  await client.next(4);
});

scenarios.eachProtocol('stream: empty', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('Count', [0, 0], { id: 's' });
  await client.next();
});

scenarios.eachProtocol('stream: fails with a hub error', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('CountThenFail', [2], { id: 's' });
  await client.next(3);
});

scenarios.eachProtocol('stream: fails with another error', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('CountThenCrash', [1], { id: 's' });
  await client.next(2);
});

scenarios.eachProtocol('stream: cancelled', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('Count', [1000, 20], { id: 's' });
  await client.take(3);
  await client.cancel('s');
  await client.until(() => client.has(({ message }) => message === 'Completion'), 4000);
  const m = client.drain().filter(({ message }) => message !== 'StreamItem');
  trace.record('at the end', { m });
  await client.quiet();
  await client.call('Echo', ['still here']);
});

scenarios.eachProtocol('stream: cancelling what is not there is ignored', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.cancel('nothing');
  await client.call('Echo', ['still here']);
});

scenarios.eachProtocol('stream: called as a plain method', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.call('Count', [3, 0]);
});

scenarios.eachProtocol('stream: a plain method called as a stream', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('Echo', ['x'], { id: 's' });
  await client.next();
});

scenarios.eachProtocol('stream: two at once keep their ids', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('Count', [3, 0], { id: 'a' });
  await client.stream('Count', [3, 0], { id: 'b' });
  await client.next(8, { unordered: true });
});

scenarios.eachProtocol('stream: unknown method', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('NoSuchStream', [], { id: 's' });
  await client.next();
});

scenarios.eachPipe('upload: to the server', async (trace, pipe) => {
  const client = await open(trace, pipe);
  await client.invoke('Sum', [], { id: '1', streamIds: ['u'] });
  for (const x of [1, 2, 3]) await client.item('u', x);
  await client.complete('u');
  await client.next();
});

scenarios.eachProtocol('upload: with an argument before it', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Concat', ['>'], { id: '1', streamIds: ['u'] });
  await client.item('u', 'a');
  await client.item('u', 'b');
  await client.complete('u');
  await client.next();
});

scenarios.eachProtocol('upload: empty', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Sum', [], { id: '1', streamIds: ['u'] });
  await client.complete('u');
  await client.next();
});

scenarios.eachProtocol('upload: ends with an error', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Sum', [], { id: '1', streamIds: ['u'] });
  await client.item('u', 1);
  await client.complete('u', { error: 'sensor lost' });
  await client.next();
});

scenarios.eachProtocol('upload: both ways at once', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.stream('Double', [], { id: '1', streamIds: ['u'] });
  await client.item('u', 1);
  await client.next();
  await client.item('u', 2);
  await client.next();
  await client.complete('u');
  await client.next();
});

scenarios.eachProtocol('upload: no stream where one is needed', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Sum', [], { id: '1' });
  await client.next();
});

scenarios.eachProtocol('upload: an item for an unknown stream is ignored', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.item('nothing', 1);
  await client.complete('nothing');
  await client.call('Echo', ['still here']);
});
