// Automatic reconnect, and how a client notices that the server is silent.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HubConnectionState } from '@microsoft/signalr';
import { signedToken } from '../support/tokens.mjs';
import { within } from '../support/deadline.mjs';
import { called, connect, pipes, proxied } from './connections.mjs';

const reconnecting = builder => builder.withAutomaticReconnect([0, 50, 100, 200, 500]);

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    test('a client that is cut off comes back as a new connection', async t => {
      const proxy = await proxied(t);
      const connection = await connect(t, { pipe, node: proxy.url, configure: reconnecting });
      const { connectionId } = connection;
      const lost = called(connection, 'onreconnecting');
      const back = called(connection, 'onreconnected');
      proxy.cut();
      await within(lost, 'onreconnecting');
      assert.equal(connection.state, HubConnectionState.Reconnecting);
      const newId = await within(back, 'onreconnected');
      assert.notEqual(newId, connectionId);
      assert.equal(await connection.invoke('MyConnectionId'), newId);
    });

    test('a client keeps trying while the node is down', async t => {
      const proxy = await proxied(t);
      const connection = await connect(t, { pipe, node: proxy.url, configure: reconnecting });
      const lost = called(connection, 'onreconnecting');
      const back = called(connection, 'onreconnected');
      proxy.goDown();
      await within(lost, 'onreconnecting');
      assert.equal(connection.state, HubConnectionState.Reconnecting);
      proxy.comeBack();
      await within(back, 'onreconnected');
      assert.equal(await connection.invoke('Echo', 'back'), 'back');
    });

    test('each connection uses a new token, and its claims count', async t => {
      const proxy = await proxied(t);
      let role = 'nurse';
      const token = () => signedToken({ sub: 'alice', role });
      const connection = await connect(t, {
        pipe,
        hub: '/conformance-secure',
        node: proxy.url,
        token,
        configure: reconnecting,
      });
      await assert.rejects(connection.invoke('OrderMedication', 'p', 'd'), /user is unauthorized/);
      const back = called(connection, 'onreconnected');
      role = 'doctor';
      proxy.cut();
      await within(back, 'onreconnected');
      assert.equal(await connection.invoke('OrderMedication', 'p', 'd'), 'd for p');
    });
  });
}

// Long polling has no keep-alive: its client relies on polls that end.
for (const pipe of pipes.filter(({ transport }) => transport !== 'LongPolling')) {
  test(`${pipe.name}: the server's pings keep a quiet connection open, and silence ends it`, async t => {
    const proxy = await proxied(t);
    const connection = await connect(t, {
      pipe,
      hub: '/conformance-fast',
      node: proxy.url,
      configure: builder => builder.withKeepAliveInterval(500).withServerTimeout(2_500),
    });
    const closed = called(connection, 'onclose');
    await within(proxy.chunksFromServer(4), 'four pings of the server', 12_000);
    assert.equal(connection.state, HubConnectionState.Connected);
    proxy.freeze();
    const error = await within(closed, 'close');
    assert.equal(error.message, 'Server timeout elapsed without receiving a message from the server.');
  });
}
