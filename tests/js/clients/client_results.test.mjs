// Client results: the server invokes a method of one client and awaits the result, over every transport and protocol.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, pipes } from './connections.mjs';

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    const two = async t => [await connect(t, { pipe }), await connect(t, { pipe })];

    test("another client's result comes back", async t => {
      const [caller, invoked] = await two(t);
      invoked.on('Question', question => `${question} because`);
      assert.equal(await caller.invoke('Ask', invoked.connectionId, 'why?'), 'answer: why? because');
    });

    test('a result may come later', async t => {
      const [caller, invoked] = await two(t);
      invoked.on('Question', async question => {
        await invoked.invoke('Slow', 50, '');
        return question;
      });
      assert.equal(await caller.invoke('Ask', invoked.connectionId, 'later'), 'answer: later');
    });

    test('a client may be invoked while its own invocation waits for the result', async t => {
      const connection = await connect(t, { pipe });
      connection.on('Question', () => 'me');
      assert.equal(await connection.invoke('Ask', connection.connectionId, 'who?'), 'answer: me');
    });

    test('an error in the handler reaches the hub as an error', async t => {
      const [caller, invoked] = await two(t);
      invoked.on('Question', () => {
        throw new Error('no idea');
      });
      assert.equal(await caller.invoke('Ask', invoked.connectionId, 'why?'), 'failed: Error: no idea');
    });

    test('invoking a client without a handler fails', async t => {
      const [caller, invoked] = await two(t);
      assert.equal(
        await caller.invoke('Ask', invoked.connectionId, 'why?'),
        "failed: Client didn't provide a result.",
      );
    });

    test('invoking a connection that does not exist fails', async t => {
      const caller = await connect(t, { pipe });
      assert.equal(await caller.invoke('Ask', 'nobody', 'why?'), 'gone: does not exist');
    });
  });
}
