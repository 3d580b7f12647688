// Two nodes cannot reach each other, while both reach Redis and their clients reach both: who has to go to the other node's
// connections gets a clean new start or a clear failure, in bounded time; and all is well when the network is back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually, within } from '../support/deadline.mjs';
import { TcpProxy } from '../support/tcp_proxy.mjs';
import { Cluster } from './cluster.mjs';
import { AUTOMATIC, build, STATEFUL } from './load.mjs';
import { freePort } from './program.mjs';

/** A node gives another one up that does not respond for 10 s; then the client starts anew at its first or second try. */
const START_MILLISECONDS = 20_000;
/** While the network is away, a client tries at once, after 2 s and after 10 s; each try is a few requests. */
const CONNECTIONS_OF_A_CLIENT = 15;

const PARTITIONS = {
  'what they send is refused': proxy => proxy.goDown(),
  'nobody answers': proxy => proxy.goSilent(),
};

for (const [how, part] of Object.entries(PARTITIONS)) {
  describe(how, { concurrency: true }, () => {
    for (const [what, configure] of Object.entries({
      'a client': AUTOMATIC,
      'a stateful client': builder => AUTOMATIC(STATEFUL(builder)),
    }))
      test(`${what} that is cut off from its node starts anew at the other`, async t => {
        const { cluster, between, front } = await start(t);
        const connection = await connect(t, front.url, { configure });
        const [id, node] = [connection.connectionId, await connection.invoke('Node')];
        const other = await connect(t, cluster.urls.find(url => url !== urlOf(cluster, node)));
        let starts = 0;
        connection.onreconnected(() => starts++);

        for (const proxy of between) part(proxy);
        const before = front.accepted;
        front.cut();
        await eventually(() => starts === 1, 'a new start', START_MILLISECONDS);
        assert.notEqual(connection.connectionId, id);
        assert.ok(front.accepted - before <= CONNECTIONS_OF_A_CLIENT, `it took ${front.accepted - before} connections`);
        await reachEachOther([connection, other]);

        for (const proxy of between) proxy.comeBack();
        await reachEachOther([connection, other]);
        assert.equal(starts, 1);
      });

    for (const transport of ['ServerSentEvents', 'LongPolling'])
      test(`${transport}: a start fails in time, and succeeds when the network is back`, async t => {
        const { between, front } = await start(t);
        for (const proxy of between) part(proxy);
        const before = front.accepted;
        // Each request goes to the next node, so one of them has to go to the other.
        await assert.rejects(within(build(t, front.url, { transport }).start(), 'start to fail', START_MILLISECONDS), error => {
          assert.doesNotMatch(error.message, /nothing in/);
          return true;
        });
        assert.ok(front.accepted - before <= CONNECTIONS_OF_A_CLIENT, `it took ${front.accepted - before} connections`);
        for (const proxy of between) proxy.comeBack();
        const connection = await connect(t, front.url, { transport });
        await reachEachOther([connection]);
      });
  });
}

/** Two nodes, each with a proxy in front of the address that it announces to the other, and one in front of both for clients. */
async function start(t) {
  const proxy = async targets => {
    const proxy = await TcpProxy.start(targets);
    t.after(() => proxy.close());
    return proxy;
  };
  const addresses = [await freePort(), await freePort()].map(port => `127.0.0.1:${port}`);
  const between = await Promise.all(addresses.map(address => proxy([`http://${address}`])));
  const flags = number => ['--internal-listen', addresses[number - 1], '--address', new URL(between[number - 1].url).host];
  const cluster = await Cluster.start(t, { size: 2, flags });
  const front = await proxy(cluster.urls);
  return { cluster, between, front };
}

async function connect(t, url, options) {
  const connection = build(t, url, options);
  await within(connection.start(), 'the connection', START_MILLISECONDS);
  return connection;
}

const urlOf = ({ nodes }, id) => nodes.find(({ pid }) => id.includes(`-${pid}-`)).url;

/** Each receives what any of them sends to their group, which goes by Redis. */
async function reachEachOther(connections) {
  const group = `group ${Math.random()}`;
  const received = new Map(connections.map(connection => [connection, []]));
  for (const connection of connections) {
    connection.on('Message', text => received.get(connection).push(text));
    await within(connection.invoke('Join', group), 'Join');
  }
  for (const [number, connection] of connections.entries()) await within(connection.invoke('ToGroup', group, `${number}`), 'ToGroup');
  for (const connection of connections) {
    await eventually(() => received.get(connection).length === connections.length, 'a message from each');
    connection.off('Message');
  }
}
