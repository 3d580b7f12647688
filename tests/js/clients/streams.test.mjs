// Streams to the client, to the server, and both ways, over every transport and protocol.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Subject } from '@microsoft/signalr';
import { within } from '../support/deadline.mjs';
import { Queue } from '../support/queue.mjs';
import { connect, pipes } from './connections.mjs';

/** Subscribes: `items` as they come; `end()` resolves on completion and rejects on error. */
function subscribe(stream) {
  const items = new Queue('stream item');
  let subscription;
  const ended = new Promise((resolve, reject) => {
    subscription = stream.subscribe({ next: item => items.push(item), complete: resolve, error: reject });
  });
  ended.catch(() => {});
  return { items, end: () => within(ended, 'end of the stream'), dispose: () => subscription.dispose() };
}

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    test('items come in order, then the end', async t => {
      const connection = await connect(t, { pipe });
      const { items, end } = subscribe(connection.stream('Count', 100, 0));
      await end();
      assert.deepEqual(
        await items.take(100),
        Array.from({ length: 100 }, (_, i) => i),
      );
      assert.equal(items.length, 0);
    });

    test('two streams at once do not mix', async t => {
      const connection = await connect(t, { pipe });
      const streams = [
        subscribe(connection.stream('Count', 20, 1)),
        subscribe(connection.stream('Count', 20, 1)),
      ];
      for (const { items, end } of streams) {
        await end();
        assert.deepEqual(
          await items.take(20),
          Array.from({ length: 20 }, (_, i) => i),
        );
      }
    });

    test('a hub error ends the stream with its text, after the items', async t => {
      const connection = await connect(t, { pipe });
      const { items, end } = subscribe(connection.stream('CountThenFail', 2));
      await assert.rejects(end(), {
        message: 'An error occurred on the server while streaming results. HubException: stream failed',
      });
      assert.deepEqual(await items.take(2), [0, 1]);
    });

    test('any other error hides what went wrong', async t => {
      const connection = await connect(t, { pipe });
      const { end } = subscribe(connection.stream('CountThenCrash', 1));
      await assert.rejects(end(), { message: 'An error occurred on the server while streaming results.' });
    });

    test('a stream that the client disposes of stops, and the connection stays open', async t => {
      const connection = await connect(t, { pipe });
      const { items, dispose } = subscribe(connection.stream('Count', 1_000_000, 5));
      await items.take(3);
      dispose();
      items.take(items.length);
      assert.equal(await connection.invoke('Echo', 'still here'), 'still here');
      assert.equal(items.length, 0);
    });

    test('a method that streams cannot be invoked, nor the other way round', async t => {
      const connection = await connect(t, { pipe });
      await assert.rejects(
        connection.invoke('Count', 1, 0),
        /streaming 'Count' method with a non-streaming invocation\.$/,
      );
      const { end } = subscribe(connection.stream('Echo', 'x'));
      await assert.rejects(end(), /non-streaming 'Echo' method with a streaming invocation\.$/);
    });

    test('an upload is read to its end', async t => {
      const connection = await connect(t, { pipe });
      const numbers = new Subject();
      const sum = connection.invoke('Sum', numbers);
      for (let i = 1; i <= 100; i++) numbers.next(i);
      numbers.complete();
      assert.equal(await sum, 5050);
    });

    test('an upload may follow other arguments', async t => {
      const connection = await connect(t, { pipe });
      const texts = new Subject();
      const all = connection.invoke('Concat', '>', texts);
      for (const text of ['a', 'b', 'c']) texts.next(text);
      texts.complete();
      assert.equal(await all, '>abc');
    });

    test('an upload that fails on the client fails the method', async t => {
      const connection = await connect(t, { pipe });
      const numbers = new Subject();
      const sum = connection.invoke('Sum', numbers);
      numbers.next(1);
      numbers.error(new Error('sensor lost'));
      await assert.rejects(sum, /on the server\. HubException: sensor lost$/);
    });

    test('both ways at once: each result comes before the next item is sent', async t => {
      const connection = await connect(t, { pipe });
      const numbers = new Subject();
      const { items, end } = subscribe(connection.stream('Double', numbers));
      for (const number of [1, 2, 3]) {
        numbers.next(number);
        assert.equal(await items.next(), 2 * number);
      }
      numbers.complete();
      await end();
    });
  });
}
