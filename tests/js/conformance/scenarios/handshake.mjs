// The hub handshake, and what happens on connecting.
import { setTimeout as sleep } from 'node:timers/promises';
import { RECORD_SEPARATOR } from '../protocols/names.mjs';
import { FAST, PLAIN, Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

const shake = async (trace, text) => {
  const negotiated = await trace.negotiate(PLAIN, { quiet: true });
  const client = trace.pipe('ws', PLAIN, { id: negotiated.id });
  await client.start();
  await client.handshake({ raw: Buffer.from(text + RECORD_SEPARATOR) });
  return client;
};

scenarios.one('handshake: JSON', trace => shake(trace, '{"protocol":"json","version":1}'));
scenarios.one('handshake: properties in any order, unknown ones skipped', trace =>
  shake(trace, '{"extra":[1,{"a":2}],"version":1,"protocol":"json"}'),
);

scenarios.one('handshake: the name in capitals', trace => shake(trace, '{"protocol":"JSON","version":1}'));
scenarios.one('handshake: unknown protocol', async trace =>
  (await shake(trace, '{"protocol":"smoke","version":1}')).closed(),
);

scenarios.one('handshake: version too high', async trace =>
  (await shake(trace, '{"protocol":"json","version":42}')).closed(),
);

scenarios.one('handshake: no JSON', async trace => (await shake(trace, 'hello')).closed());
scenarios.one('handshake: no protocol', async trace => (await shake(trace, '{"version":1}')).closed());
scenarios.one('handshake: no version', async trace => (await shake(trace, '{"protocol":"json"}')).closed());
scenarios.one('handshake: MessagePack over SSE', async trace => {
  const negotiated = await trace.negotiate(PLAIN, { quiet: true });
  const client = trace.pipe('sse', PLAIN, { id: negotiated.id });
  await client.start({ record: true });
  await client.handshake({ protocol: 'messagepack' });
  await client.closed();
});

scenarios.one('handshake: nothing is said in time', async trace => {
  const negotiated = await trace.negotiate(FAST, { quiet: true });
  const client = trace.pipe('ws', FAST, { id: negotiated.id });
  await client.start();
  trace.record('answer', { messages: await client.take(1, 5000) });
  await client.closed();
});

scenarios.one('handshake: messages may follow in the same frame', async trace => {
  const early = '{"type":1,"invocationId":"1","target":"Echo","arguments":["early"]}';
  const client = await shake(trace, `{"protocol":"json","version":1}${RECORD_SEPARATOR}${early}`);
  await client.next();
});

scenarios.one('handshake: in two pieces', async trace => {
  const negotiated = await trace.negotiate(PLAIN, { quiet: true });
  const client = trace.pipe('ws', PLAIN, { id: negotiated.id });
  await client.start();
  await client.write(Buffer.from('{"protocol":"js'));
  await sleep(100);
  await client.handshake({ raw: Buffer.from(`on","version":1}${RECORD_SEPARATOR}`) });
});

scenarios.one('connected: a message sent on connecting comes after the handshake', async trace => {
  const client = await open(trace, { query: { greet: '1' } });
  await client.next();
});

scenarios.one('connected: the hub refuses', async trace => {
  const client = await open(trace, { query: { refuse: '1' } });
  await client.closed();
});
