// Stateful reconnect: nothing lost, nothing twice, and when it is refused.
import { setTimeout as sleep } from 'node:timers/promises';
import { PLAIN, Scenarios, open, unique } from './scenario.mjs';

export const scenarios = new Scenarios();

const stateful = (trace, protocol) => trace.connect(PLAIN, { protocol, stateful: true, version: 2 });

/** A new WebSocket for an old connection: no negotiate, no handshake. */
async function resume(trace, old) {
  const protocol = old.protocol.name;
  const again = trace.pipe('ws', PLAIN, { id: old.id, protocol, name: `${old.name} again`, shaken: true });
  await again.start({ record: true });
  return again;
}

scenarios.eachProtocol('stateful: what is received is acknowledged', async (trace, protocol) => {
  const client = await stateful(trace, protocol);
  client.showAcks = true;
  await client.invoke('Echo', ['x'], { id: '1' });
  await client.next();
  await client.next(1, { timeout: 3000 });
});

scenarios.eachProtocol('stateful: a cut connection is taken up again', async (trace, protocol) => {
  const client = await stateful(trace, protocol);
  await client.call('Echo', ['before']);
  await client.send(client.protocol.ack(1));
  client.cut();
  await sleep(300);
  const again = await resume(trace, client);
  await again.send(again.protocol.sequence(2));
  await again.next();
  await again.call('Echo', ['after']);
  await again.call('MyConnectionId');
});

scenarios.eachProtocol('stateful: what was not acknowledged comes again', async (trace, protocol) => {
  const client = await stateful(trace, protocol);
  await client.call('Echo', ['one']);
  await client.call('Echo', ['two']);
  await client.send(client.protocol.ack(1));
  await sleep(100);
  client.cut();
  await sleep(300);
  const again = await resume(trace, client);
  await again.send(again.protocol.sequence(3));
  await again.next(2);
  await again.call('Echo', ['three']);
});

scenarios.eachProtocol(
  'stateful: what is sent while the client is away comes later',
  async (trace, protocol) => {
    const group = unique();
    const client = await stateful(trace, protocol);
    const other = await open(trace, protocol);
    await client.call('Join', [group]);
    await client.send(client.protocol.ack(1));
    await sleep(100);
    client.cut();
    await sleep(300);
    await other.call('ToGroup', [group, 'missed']);
    const again = await resume(trace, client);
    await again.send(again.protocol.sequence(2));
    await again.next(2);
  },
);

scenarios.eachProtocol('stateful: what the server has had is not done twice', async (trace, protocol) => {
  const client = await stateful(trace, protocol);
  await client.call('Echo', ['one'], '1');
  await client.send(client.protocol.ack(1));
  await sleep(100);
  client.cut();
  await sleep(300);
  const again = await resume(trace, client);
  await again.send(again.protocol.sequence(1));
  await again.invoke('Echo', ['one'], { id: '1' });
  await again.invoke('Echo', ['two'], { id: '2' });
  await again.next(2);
  await again.quiet();
});

scenarios.one('stateful: not after a WebSocket close', async trace => {
  const client = await stateful(trace, 'json');
  client.close(1000);
  await client.closed();
  await sleep(300);
  await resume(trace, client);
});

scenarios.one('stateful: not after the hub aborts', async trace => {
  const client = await stateful(trace, 'json');
  await client.invoke('Abort', []);
  await client.closed();
  await sleep(300);
  await resume(trace, client);
});

scenarios.one('stateful: not where it was not asked for', async trace => {
  const client = await open(trace, 'json');
  client.cut();
  await sleep(500);
  await resume(trace, client);
});

// ASP.NET Core waits 5 s for the dead connection, then closes both; the recorded answer is what a client needs.
scenarios.one('stateful: a newer connection takes over from one that has gone dumb', async trace => {
  const client = await stateful(trace, 'json');
  await client.invoke('Echo', ['x'], { id: '1' });
  await client.take();
  client.stopReading();
  const began = Date.now();
  const again = await resume(trace, client);
  trace.record('opened', { withinASecond: Date.now() - began < 1000 });
  await again.send(again.protocol.sequence(2));
  await again.next(2);
  await again.call('Echo', ['y'], '2');
});
