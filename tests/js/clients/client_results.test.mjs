// What the server asks of one client and awaits, over every transport and protocol.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, pipes } from './connections.mjs';

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    const two = async t => [await connect(t, { pipe }), await connect(t, { pipe })];

    test("another client's answer comes back", async t => {
      const [asker, asked] = await two(t);
      asked.on('Question', question => `${question} because`);
      assert.equal(await asker.invoke('Ask', asked.connectionId, 'why?'), 'answer: why? because');
    });

    test('an answer may take its time', async t => {
      const [asker, asked] = await two(t);
      asked.on('Question', async question => {
        await asked.invoke('Slow', 50, '');
        return question;
      });
      assert.equal(await asker.invoke('Ask', asked.connectionId, 'later'), 'answer: later');
    });

    test('a client may be asked while its own invocation waits for the answer', async t => {
      const connection = await connect(t, { pipe });
      connection.on('Question', () => 'me');
      assert.equal(await connection.invoke('Ask', connection.connectionId, 'who?'), 'answer: me');
    });

    test('an error in the handler reaches the hub as an error', async t => {
      const [asker, asked] = await two(t);
      asked.on('Question', () => {
        throw new Error('no idea');
      });
      assert.equal(await asker.invoke('Ask', asked.connectionId, 'why?'), 'failed: Error: no idea');
    });

    test('a client without a handler fails the question', async t => {
      const [asker, asked] = await two(t);
      assert.equal(
        await asker.invoke('Ask', asked.connectionId, 'why?'),
        "failed: Client didn't provide a result.",
      );
    });

    test('nobody there fails the question', async t => {
      const asker = await connect(t, { pipe });
      assert.equal(await asker.invoke('Ask', 'nobody', 'why?'), 'gone: does not exist');
    });
  });
}
