// How connections end, and what keeps them alive.
import { FAST, Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

scenarios.eachProtocol('close: the hub aborts', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('Abort', []);
  await client.closed();
});

scenarios.eachProtocol('close: a close message from the client', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.send(client.protocol.close());
  await client.closed();
});

scenarios.one('close: a WebSocket close is answered', async trace => {
  const client = await open(trace, 'json');
  client.close(1000);
  await client.closed();
});

scenarios.one('keep alive: the server pings', async trace => {
  const client = await open(trace, 'json', FAST);
  const pinging = setInterval(() => client.ping(), 500);
  await client.until(() => client.pings >= 2, 9000);
  clearInterval(pinging);
  trace.record('pings', { atLeastTwo: client.pings >= 2, open: !client.end });
});

scenarios.one('keep alive: a client that falls silent is closed', async trace => {
  const client = await open(trace, 'json', FAST);
  await client.ping();
  await client.closed(9000);
});

scenarios.one('keep alive: a ping is not answered', async trace => {
  const client = await open(trace, 'json');
  await client.ping();
  await client.quiet(500);
  trace.record('pings', { n: client.pings });
});
