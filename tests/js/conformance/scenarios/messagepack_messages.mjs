// What only the MessagePack protocol can get right or wrong.
import { Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

scenarios.one('messagepack: a message over the limit ends the connection', async trace => {
  const client = await open(trace, 'messagepack');
  await client.invoke('Echo', ['x'.repeat(40000)], { id: '1' });
  await client.closed();
});

scenarios.one('messagepack: an invocation without stream ids', async trace => {
  const client = await open(trace, 'messagepack');
  await client.send([1, {}, '1', 'Echo', ['five items']]);
  await client.next();
});

scenarios.one('messagepack: an item too many is ignored', async trace => {
  const client = await open(trace, 'messagepack');
  await client.send([1, {}, '1', 'Echo', ['x'], [], 'more']);
  await client.next();
});

scenarios.one('messagepack: no array ends the connection', async trace => {
  const client = await open(trace, 'messagepack');
  await client.send(42);
  await client.closed();
});

scenarios.one('messagepack: an empty array ends the connection', async trace => {
  const client = await open(trace, 'messagepack');
  await client.send([]);
  await client.closed();
});

scenarios.one('messagepack: frames cut anywhere', async trace => {
  const client = await open(trace, 'messagepack');
  const bytes = Buffer.concat(
    [1, 2, 3].map(i => client.protocol.write([1, {}, `${i}`, 'Echo', [`${i}`], []])),
  );
  for (let i = 0; i < bytes.length; i += 7) await client.write(bytes.subarray(i, i + 7));
  await client.next(3);
});
