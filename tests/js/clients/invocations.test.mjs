// Invocations and their results, over every transport and protocol.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, inbox, pipes } from './connections.mjs';

const READING = {
  ward: '7',
  bed: 3,
  value: 36.6,
  alarm: true,
  tags: ['a', 'b'],
  counts: { x: 1 },
  previous: { ward: '6', bed: 1, value: -1.5, alarm: false, tags: [], counts: {}, previous: null },
};

/** .NET names fields for MessagePack as they are declared; what a map counts keeps its keys. */
function pascalCased(reading) {
  if (!reading) return null;
  const entries = Object.entries({ ...reading, previous: pascalCased(reading.previous) });
  return Object.fromEntries(entries.map(([key, value]) => [key[0].toUpperCase() + key.slice(1), value]));
}

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    test('values of every kind come back as they went', async t => {
      const connection = await connect(t, { pipe });
      for (const text of ['', 'grüße 🚀 \u0000 "quoted" \\ / \u2028', null])
        assert.equal(await connection.invoke('Echo', text), text);
      assert.equal(await connection.invoke('Add', 2, -7), -5);
      assert.equal(await connection.invoke('Half', 3), 1.5);
      assert.equal(await connection.invoke('Not', false), true);
      assert.deepEqual(await connection.invoke('Reverse', [1, 2, 3]), [3, 2, 1]);
      assert.deepEqual(await connection.invoke('Reverse', []), []);
    });

    test('a record comes back with the names of its protocol', async t => {
      const connection = await connect(t, { pipe });
      const readings = inbox(connection, 'Reading');
      const reading = pipe.protocol === 'json' ? READING : pascalCased(READING);
      assert.deepEqual(await connection.invoke('EchoReading', reading), reading);
      await connection.invoke('SendReading', reading);
      assert.deepEqual(await readings.next(), [reading, 7, true]);
    });

    test('bytes come back as bytes', async t => {
      const connection = await connect(t, { pipe });
      const bytes = pipe.protocol === 'json' ? 'AAEC/w==' : new Uint8Array([0, 1, 2, 255]);
      assert.deepEqual(await connection.invoke('EchoBytes', bytes), bytes);
    });

    test('no result and an empty result are both null', async t => {
      const connection = await connect(t, { pipe });
      assert.equal(await connection.invoke('Nothing'), null);
      assert.equal(await connection.invoke('Null'), null);
    });

    test('a hub error reaches the caller with its text', async t => {
      const connection = await connect(t, { pipe });
      await assert.rejects(connection.invoke('HubError', 'the ward is full'), {
        message:
          "An unexpected error occurred invoking 'HubError' on the server. HubException: the ward is full",
      });
      assert.equal(await connection.invoke('Echo', 'still here'), 'still here');
    });

    test('any other error hides what went wrong', async t => {
      const connection = await connect(t, { pipe });
      await assert.rejects(connection.invoke('Crash', 'secret'), {
        message: "An unexpected error occurred invoking 'Crash' on the server.",
      });
      assert.equal(await connection.invoke('Echo', 'still here'), 'still here');
    });

    test('a hub with detailed errors shows what went wrong', async t => {
      const connection = await connect(t, { pipe, hub: '/conformance-detailed' });
      await assert.rejects(connection.invoke('Crash', 'a detail'), /InvalidOperationException: a detail$/);
    });

    test('an unknown method and wrong arguments fail that invocation only', async t => {
      const connection = await connect(t, { pipe });
      await assert.rejects(connection.invoke('NoSuchMethod'), /HubException: Method does not exist\.$/);
      await assert.rejects(
        connection.invoke('Add', 1),
        /^Error: Failed to invoke 'Add' due to an error on the server\.$/,
      );
      await assert.rejects(connection.invoke('Add', 'one', 2), /^Error: Failed to invoke 'Add'/);
      assert.equal(await connection.invoke('Echo', 'still here'), 'still here');
    });

    test('of many at once each gets its result', async t => {
      const connection = await connect(t, { pipe });
      const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => connection.invoke('Add', i, i)));
      assert.deepEqual(
        sums,
        Array.from({ length: 100 }, (_, i) => 2 * i),
      );
    });

    test('a send runs without a completion', async t => {
      const connection = await connect(t, { pipe });
      const received = inbox(connection);
      await connection.send('Crash', 'nobody waits for this');
      await connection.send('ToCaller', 'sent');
      assert.equal(await received.next(), 'sent');
    });

    test('the hub knows the transport, the connection id and the query', async t => {
      const connection = await connect(t, { pipe, query: '?colour=green' });
      assert.equal(await connection.invoke('Transport'), pipe.transport);
      assert.equal(await connection.invoke('MyConnectionId'), connection.connectionId);
      assert.equal(await connection.invoke('Query', 'colour'), 'green');
    });
  });
}
