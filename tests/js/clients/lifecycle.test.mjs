// The lifecycle of a connection when nothing fails, and what a client may not do before and after it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HttpTransportType, HubConnectionBuilder, HubConnectionState, LogLevel } from '@microsoft/signalr';
import { eventually, within } from '../support/deadline.mjs';
import { build, called, connect, inbox, nextNode, pipes, webSocketPipes } from './connections.mjs';

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    test('stop ends without an error, and the server knows at once', async t => {
      const connection = await connect(t, { pipe });
      const other = await connect(t, { pipe });
      const { connectionId } = connection;
      const closed = called(connection, 'onclose');
      await connection.stop();
      assert.equal(await within(closed, 'close'), undefined);
      assert.equal(connection.state, HubConnectionState.Disconnected);
      const gone = async () => (await other.invoke('Ask', connectionId, 'there?')) === 'gone: does not exist';
      await eventually(gone, 'the server removes the connection');
    });

    test('a stopped connection may start again, as a new one', async t => {
      const connection = await connect(t, { pipe });
      const { connectionId } = connection;
      await connection.stop();
      await connection.start();
      assert.notEqual(connection.connectionId, connectionId);
      assert.equal(await connection.invoke('Echo', 'back'), 'back');
    });

    test('nothing can be sent before start, nor after stop', async t => {
      const connection = build(t, { pipe });
      const notConnected = /not in the 'Connected' State/;
      await assert.rejects(connection.send('Echo', 'x'), notConnected);
      await assert.rejects(connection.invoke('Echo', 'x'), notConnected);
      await connection.start();
      await connection.stop();
      await assert.rejects(connection.send('Echo', 'x'), notConnected);
    });

    test('what the hub sends on connecting arrives', async t => {
      const connection = build(t, { pipe, query: '?greet=1' });
      const greetings = inbox(connection, 'Greeting');
      await connection.start();
      assert.equal(await greetings.next(), 'welcome');
    });

    test('a client that the hub aborts does not reconnect', async t => {
      const connection = await connect(t, {
        pipe,
        configure: builder => builder.withAutomaticReconnect([0]),
      });
      const closed = called(connection, 'onclose');
      connection.onreconnecting(() => assert.fail('it reconnects'));
      await connection.send('Abort');
      await within(closed, 'close');
      assert.equal(connection.state, HubConnectionState.Disconnected);
    });
  });
}

for (const pipe of webSocketPipes) {
  test(`${pipe.name}: a WebSocket opens without a negotiation`, async t => {
    const connection = await connect(t, { pipe, options: { skipNegotiation: true } });
    assert.equal(connection.connectionId, null);
    assert.match(await connection.invoke('MyConnectionId'), /./);
    assert.equal(await connection.invoke('Echo', 'hello'), 'hello');
  });
}

test('left to choose, the client takes WebSockets', async t => {
  const connection = await connect(t, { options: { transport: undefined } });
  assert.equal(await connection.invoke('Transport'), 'WebSockets');
});

test('where a hub has no WebSockets, the client falls back', async t => {
  const connection = await connect(t, {
    hub: '/conformance-nowebsockets',
    options: { transport: undefined },
  });
  assert.equal(await connection.invoke('Transport'), 'ServerSentEvents');
});

test('a client that allows no transport of the hub gets an error', async t => {
  const connection = new HubConnectionBuilder()
    .withUrl(`${nextNode()}/conformance-nowebsockets`, { transport: HttpTransportType.WebSockets })
    .configureLogging(LogLevel.None)
    .build();
  t.after(() => connection.stop());
  await assert.rejects(
    connection.start(),
    /Unable to connect to the server with any of the available transports/,
  );
});
