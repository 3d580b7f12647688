// Who receives what a hub sends: groups, users, connections. That others receive nothing is shown by a later
// message to them, which must be the first that they get.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { describe, test } from 'node:test';
import { signedToken } from '../support/tokens.mjs';
import { assertNothingCame, connect, inbox, pipes } from './connections.mjs';

const unique = () => crypto.randomUUID();

async function three(t, pipe) {
  const connections = [await connect(t, { pipe }), await connect(t, { pipe }), await connect(t, { pipe })];
  return { connections, received: connections.map(connection => inbox(connection)), group: unique() };
}

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    test('a group reaches its members and nobody else', async t => {
      const { connections, received, group } = await three(t, pipe);
      const [first, second, third] = connections;
      await first.invoke('Join', group);
      await second.invoke('Join', group);
      await third.invoke('ToGroup', group, 'm');
      assert.equal(await received[0].next(), 'm');
      assert.equal(await received[1].next(), 'm');
      await assertNothingCame(third, third, received[2]);
    });

    test('a connection that has left a group receives nothing more', async t => {
      const { connections, received, group } = await three(t, pipe);
      const [first, second] = connections;
      await first.invoke('Join', group);
      await second.invoke('Join', group);
      await first.invoke('Leave', group);
      await second.invoke('ToGroup', group, 'm');
      assert.equal(await received[1].next(), 'm');
      await assertNothingCame(second, first, received[0]);
    });

    test('others in a group are all but the caller', async t => {
      const { connections, received, group } = await three(t, pipe);
      const [first, second, third] = connections;
      for (const connection of connections) await connection.invoke('Join', group);
      await first.invoke('ToOthersInGroup', group, 'm');
      assert.equal(await received[1].next(), 'm');
      assert.equal(await received[2].next(), 'm');
      await assertNothingCame(first, first, received[0]);
      await first.invoke('ToGroupExcept', group, 'n', [first.connectionId, second.connectionId]);
      assert.equal(await received[2].next(), 'n');
      await assertNothingCame(first, second, received[1]);
      await assertNothingCame(third, first, received[0]);
    });

    test('a member may be added by another connection', async t => {
      const { connections, received, group } = await three(t, pipe);
      const [first, second] = connections;
      await first.invoke('AddOther', second.connectionId, group);
      await first.invoke('ToGroup', group, 'm');
      assert.equal(await received[1].next(), 'm');
    });

    test('connections are reached by id', async t => {
      const { connections, received } = await three(t, pipe);
      const [first, second, third] = connections;
      await first.invoke('ToConnections', [second.connectionId, third.connectionId], 'm');
      assert.equal(await received[1].next(), 'm');
      assert.equal(await received[2].next(), 'm');
      await assertNothingCame(first, first, received[0]);
    });

    test('a user is reached on every connection, and no other user is', async t => {
      const user = unique();
      const connections = [];
      for (const sub of [user, user, `${user}x`])
        connections.push(await connect(t, { pipe, token: signedToken({ sub }) }));
      const received = connections.map(connection => inbox(connection));
      const stranger = connections[2];
      assert.equal(await connections[0].invoke('WhoAmI'), user);
      await stranger.invoke('ToUser', user, 'm');
      assert.equal(await received[0].next(), 'm');
      assert.equal(await received[1].next(), 'm');
      await assertNothingCame(stranger, stranger, received[2]);
    });

    test('what one sender sends to a group keeps its order', async t => {
      const { connections, received, group } = await three(t, pipe);
      const [first, second] = connections;
      await second.invoke('Join', group);
      const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
      for (const text of texts) first.send('ToGroup', group, text);
      assert.deepEqual(await received[1].take(200), texts);
    });

    test('a message without arguments arrives', async t => {
      const connection = await connect(t, { pipe });
      const pokes = inbox(connection, 'Poke');
      await connection.invoke('SendNoArguments');
      assert.deepEqual(await pokes.next(), []);
    });
  });
}

test('fifty clients of every kind in one group each receive every message in order', async t => {
  const group = unique();
  const clients = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const connection = await connect(t, { pipe: pipes[i % pipes.length] });
      const received = inbox(connection);
      await connection.invoke('Join', group);
      return { connection, received };
    }),
  );
  const texts = Array.from({ length: 10 }, (_, i) => `${i}`);
  for (const text of texts) await clients[0].connection.invoke('ToGroup', group, text);
  for (const { received } of clients) assert.deepEqual(await received.take(10), texts);
});
