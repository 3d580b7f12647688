// How a test opens connections with the official client: which node, which transport, and that it is stopped after.
// HUBWARD_URLS names the nodes; HUBWARD_PROTOCOLS=json leaves MessagePack out, for a server that does not speak it.
import assert from 'node:assert/strict';
import { HttpTransportType, HubConnectionBuilder, JsonHubProtocol, LogLevel } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { Queue } from '../support/queue.mjs';
import { TcpProxy } from '../support/tcp_proxy.mjs';

if (!process.env.HUBWARD_URLS)
  throw new Error('HUBWARD_URLS names no node: set it to the base URLs, comma separated');

export const nodes = process.env.HUBWARD_URLS.split(',');

const spoken = (process.env.HUBWARD_PROTOCOLS ?? 'json,messagepack').split(',');
const PROTOCOLS = { json: JsonHubProtocol, messagepack: MessagePackHubProtocol };
const ALL_PIPES = [
  { transport: 'WebSockets', protocol: 'json' },
  { transport: 'WebSockets', protocol: 'messagepack' },
  { transport: 'ServerSentEvents', protocol: 'json' },
  { transport: 'LongPolling', protocol: 'json' },
  { transport: 'LongPolling', protocol: 'messagepack' },
];

/** Every transport with every protocol that it carries. */
export const pipes = ALL_PIPES.filter(({ protocol }) => spoken.includes(protocol)).map(pipe => ({
  ...pipe,
  name: `${pipe.transport} ${pipe.protocol}`,
}));
export const webSocketPipes = pipes.filter(({ transport }) => transport === 'WebSockets');

let turn = 0;
/** Connections are spread over the nodes: the next one goes to the next. */
export const nextNode = () => nodes[turn++ % nodes.length];

/** A connection that is not started, stopped when test `t` ends. `configure` gets the builder. */
export function build(
  t,
  { pipe = pipes[0], node = nextNode(), hub = '/conformance', query = '', ...rest } = {},
) {
  const { token, options = {}, configure = () => {} } = rest;
  const builder = new HubConnectionBuilder()
    .withUrl(`${node}${hub}${query}`, {
      transport: HttpTransportType[pipe.transport],
      ...(token ? { accessTokenFactory: typeof token === 'function' ? token : () => token } : {}),
      ...options,
    })
    .withHubProtocol(new PROTOCOLS[pipe.protocol]())
    .configureLogging(LogLevel.None);
  configure(builder);
  const connection = builder.build();
  t.after(() => connection.stop());
  return connection;
}

/** A started connection. */
export async function connect(t, options) {
  const connection = build(t, options);
  await connection.start();
  return connection;
}

/** A proxy in front of `targets`, closed when test `t` ends. */
export async function proxied(t, targets = [nextNode()]) {
  const proxy = await TcpProxy.start(targets);
  t.after(() => proxy.close());
  return proxy;
}

/** What the server calls `method` with on this connection from now on: the argument, or the list of several. */
export function inbox(connection, method = 'Message') {
  const queue = new Queue(method);
  connection.on(method, (...args) => queue.push(args.length === 1 ? args[0] : args));
  return queue;
}

/** Resolves with what `onclose`, `onreconnecting` or `onreconnected` is called with next. */
export const called = (connection, event) => new Promise(resolve => connection[event](resolve));

/** Fails if the inbox holds anything that `sender` sent to the connection before now. */
export async function assertNothingCame(sender, connection, received) {
  const marker = `marker ${Math.random()}`;
  await sender.invoke('ToConnection', connection.connectionId, marker);
  assert.equal(await received.next(), marker);
}
