// Stateful reconnect: through cuts of the TCP connection, nothing is lost, nothing comes twice, and order is kept.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { describe, test } from 'node:test';
import { Subject } from '@microsoft/signalr';
import { within } from '../support/deadline.mjs';
import { Queue } from '../support/queue.mjs';
import { called, connect, inbox, nodes, proxied, webSocketPipes } from './connections.mjs';

const MESSAGES = 400;
const numbers = Array.from({ length: MESSAGES }, (_, i) => i);

/** Far below the 5 s that a server would lose by waiting for a dead socket to close. */
const RESUME_MILLISECONDS = 3_000;
const resumed = proxy => within(proxy.inUse(), 'resume', RESUME_MILLISECONDS);

/** Each waits until the connection is in use: the client tries once to resume it, and must not be cut then. */
const WAYS_TO_CUT = {
  'both ends know': proxy => resumed(proxy).then(() => proxy.cut()),
  'the server does not know': proxy => resumed(proxy).then(() => proxy.cutHalfOpen()),
};

/** A connection that must never come back as a new one, nor close before the test is over. */
async function stateful(t, { pipe, targets }) {
  const proxy = await proxied(t, targets);
  const connection = await connect(t, {
    pipe,
    node: proxy.url,
    configure: builder => builder.withStatefulReconnect(),
  });
  const { connectionId } = connection;
  const assertSame = async () => {
    assert.equal(connection.connectionId, connectionId);
    assert.equal(await within(connection.invoke('MyConnectionId'), 'a result'), connectionId);
  };
  return { proxy, connection, assertSame };
}

for (const pipe of webSocketPipes) {
  for (const [who, cut] of Object.entries(WAYS_TO_CUT)) {
    describe(`${pipe.name}, ${who}`, { concurrency: true }, () => {
      test('a stream to the client survives several cuts', async t => {
        const { proxy, connection, assertSame } = await stateful(t, { pipe });
        const items = new Queue('stream item');
        const done = new Promise((complete, error) =>
          connection
            .stream('Count', MESSAGES, 2)
            .subscribe({ next: item => items.push(item), complete, error }),
        );
        done.catch(() => {});
        const got = [];
        for (const cutAt of [20, 100, 101, 250, 390]) {
          got.push(...(await items.take(cutAt - got.length)));
          await cut(proxy);
        }
        got.push(...(await items.take(MESSAGES - got.length)));
        await within(done, 'end of the stream');
        assert.deepEqual(got, numbers);
        assert.equal(items.length, 0);
        await assertSame();
      });

      test('messages of a group survive, also those sent while the client is away', async t => {
        const group = crypto.randomUUID();
        const { proxy, connection, assertSame } = await stateful(t, { pipe });
        const received = inbox(connection);
        await connection.invoke('Join', group);
        const sender = await connect(t, { pipe });
        for (const number of numbers) {
          if (number % 100 === 50) await cut(proxy);
          await sender.invoke('ToGroup', group, `${number}`);
        }
        assert.deepEqual(await received.take(MESSAGES), numbers.map(String));
        await assertSame();
        assert.equal(received.length, 0);
      });

      test('what the client sends is done once and in order', async t => {
        const { proxy, connection, assertSame } = await stateful(t, { pipe });
        const received = inbox(connection);
        const uploaded = new Subject();
        const all = connection.invoke('Concat', '', uploaded);
        for (const number of numbers) {
          if (number % 100 === 50) await cut(proxy);
          uploaded.next(`${number},`);
          connection.send('ToCaller', `${number}`);
          if (number % 10 === 9) await within(connection.invoke('Echo', 'x'), 'a result');
        }
        uploaded.complete();
        assert.equal(await within(all, 'the upload'), numbers.map(number => `${number},`).join(''));
        assert.deepEqual(await received.take(MESSAGES), numbers.map(String));
        await assertSame();
        assert.equal(received.length, 0);
      });
    });
  }

  test(`${pipe.name}: a client that stops is gone for good`, async t => {
    const { connection } = await stateful(t, { pipe });
    const closed = called(connection, 'onclose');
    await connection.stop();
    assert.equal(await within(closed, 'close'), undefined);
  });

  test(`${pipe.name}: the new socket may reach another node`, { skip: nodes.length < 2 && 'it takes two nodes' }, async t => {
    const { proxy, connection, assertSame } = await stateful(t, { pipe, targets: nodes });
    const received = inbox(connection);
    for (let round = 0; round < 2 * nodes.length; round++) {
      await connection.invoke('ToCaller', `${round}`);
      assert.equal(await received.next(), `${round}`);
      proxy.cut();
      await assertSame();
    }
  });
}

test('a hub that does not allow it works without it', async t => {
  const connection = await connect(t, {
    hub: '/conformance-detailed',
    configure: builder => builder.withStatefulReconnect(),
  });
  assert.equal(await connection.invoke('Echo', 'hello'), 'hello');
});
