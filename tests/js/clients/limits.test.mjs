// Large messages: down without a limit, up to SignalR's 32 KiB.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { within } from '../support/deadline.mjs';
import { called, connect, pipes } from './connections.mjs';

/** The limit is on the whole hub message; a hundred bytes hold all but the text. */
const LIMIT_BYTES = 32 * 1024;
const FRAMING_BYTES = 100;

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    test('a megabyte comes down whole', async t => {
      const connection = await connect(t, { pipe });
      const text = await connection.invoke('Large', 1_000_000);
      assert.equal(text.length, 1_000_000);
      assert.match(text, /^x+$/);
    });

    test('a message just under the limit goes up', async t => {
      const connection = await connect(t, { pipe });
      const text = 'x'.repeat(LIMIT_BYTES - FRAMING_BYTES);
      assert.equal(await connection.invoke('Echo', text), text);
    });

    test('a message over the limit ends the connection', async t => {
      const connection = await connect(t, { pipe });
      const closed = called(connection, 'onclose');
      await assert.rejects(connection.invoke('Echo', 'x'.repeat(LIMIT_BYTES)));
      const error = await within(closed, 'close');
      assert.match(error.message, /Connection closed with an error\./);
    });
  });
}
