// What only the JSON protocol can get right or wrong.
import { setTimeout as sleep } from 'node:timers/promises';
import { RECORD_SEPARATOR } from '../protocols/names.mjs';
import { DETAILED, Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

scenarios.one('json: several messages in a frame, one over several', async trace => {
  const client = await open(trace, 'json');
  const echo = i =>
    `{"type":1,"invocationId":"${i}","target":"Echo","arguments":["${i}"]}${RECORD_SEPARATOR}`;
  await client.write(Buffer.from(echo(1) + echo(2) + echo(3).slice(0, 20)));
  await sleep(100);
  await client.write(Buffer.from(echo(3).slice(20)));
  await client.next(3);
});

scenarios.one('json: properties in any order, unknown ones skipped', async trace => {
  const client = await open(trace, 'json');
  await client.write(
    Buffer.from(
      `{"arguments":["x"],"more":{"a":[1,2]},"target":"Echo","invocationId":"9","type":1}${RECORD_SEPARATOR}`,
    ),
  );
  await client.next();
});

// ASP.NET Core gets stuck here and reads nothing more; the recorded answer is what the protocol asks for.
scenarios.one('json: an unknown type is skipped', async trace => {
  const client = await open(trace, 'json');
  await client.writeRecord('{"type":42,"x":1}');
  await sleep(100);
  await client.call('Echo', ['still here'], '1');
});

const FATAL = {
  'no JSON': 'nonsense',
  'an array': '[1]',
  'no type': '{"target":"Echo","arguments":[]}',
  'no arguments': '{"type":1,"invocationId":"1","target":"Echo"}',
  'no target': '{"type":1,"invocationId":"1","arguments":[]}',
  'a number for an id': '{"type":1,"invocationId":1,"target":"Echo","arguments":["x"]}',
  'result and error at once': '{"type":3,"invocationId":"1","result":1,"error":"x"}',
  'no id for a stream invocation': '{"type":4,"target":"Count","arguments":[1,0]}',
};

for (const [what, record] of Object.entries(FATAL))
  scenarios.one(`json: ${what} ends the connection`, async trace => {
    const client = await open(trace, 'json');
    await client.writeRecord(record);
    await client.closed();
  });
scenarios.one('json: what was wrong is told in detail where the hub allows it', async trace => {
  const client = await open(trace, 'json', DETAILED);
  await client.writeRecord(`{"type":1,"invocationId":"1","target":"Echo"}`);
  await client.closed();
});

scenarios.one('json: a message over the limit ends the connection', async trace => {
  const client = await open(trace, 'json');
  await client.invoke('Echo', ['x'.repeat(40000)], { id: '1' });
  await client.closed();
});
