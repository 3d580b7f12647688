// No sticky sessions: each TCP connection of a client reaches the next node, and the client does not notice.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { describe, test } from 'node:test';
import { connect, inbox, nodes, pipes, proxied } from './connections.mjs';

const skip = nodes.length < 2 && 'it takes two nodes';

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true, skip }, () => {
    test('negotiation and transport may reach different nodes', async t => {
      for (let shift = 0; shift < nodes.length; shift++) {
        const targets = [...nodes.slice(shift), ...nodes.slice(0, shift)];
        const proxy = await proxied(t, targets);
        const connection = await connect(t, { pipe, node: proxy.url });
        const received = inbox(connection);
        const group = crypto.randomUUID();
        await connection.invoke('Join', group);
        await connection.invoke('ToGroup', group, 'm');
        assert.equal(await received.next(), 'm');
        await connection.stop();
      }
    });
  });
}
