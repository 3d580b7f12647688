// Who receives what a hub sends.
import { signedToken } from '../../support/tokens.mjs';
import { PIPES, Scenarios, open, unique } from './scenario.mjs';

export const scenarios = new Scenarios();

/** Three connections, and the name of a group that nobody else uses. */
async function three(trace, protocol) {
  const [first, second, third] = [
    await open(trace, { protocol, name: 'a' }),
    await open(trace, { protocol, name: 'b' }),
    await open(trace, { protocol, name: 'c' }),
  ];
  return { first, second, third, group: unique() };
}

scenarios.eachProtocol('send: to the caller', async (trace, protocol) => {
  const { first, second } = await three(trace, protocol);
  await first.invoke('ToCaller', ['m'], { id: '1' });
  await first.next(2, { unordered: true });
  await second.quiet();
});

scenarios.eachProtocol('send: no arguments', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.invoke('SendNoArguments', []);
  await client.next();
});

scenarios.eachProtocol('send: to one connection', async (trace, protocol) => {
  const { first, second, third } = await three(trace, protocol);
  await first.invoke('ToConnection', [second.connectionId, 'm']);
  await second.next();
  await first.quiet();
  await third.quiet(0);
});

scenarios.eachProtocol('send: to several connections', async (trace, protocol) => {
  const { first, second, third } = await three(trace, protocol);
  await first.invoke('ToConnections', [[second.connectionId, third.connectionId], 'm']);
  await second.next();
  await third.next();
  await first.quiet();
});

scenarios.eachProtocol('send: to a connection that is not there', async (trace, protocol) => {
  const first = await open(trace, protocol);
  await first.call('ToConnection', ['nobody', 'm']);
});

scenarios.eachProtocol('send: to a group', async (trace, protocol) => {
  const { first, second, third, group } = await three(trace, protocol);
  await first.call('Join', [group]);
  await second.call('Join', [group]);
  await third.invoke('ToGroup', [group, 'm']);
  await first.next();
  await second.next();
  await third.quiet();
});

scenarios.eachProtocol('send: to a group after leaving it', async (trace, protocol) => {
  const { first, second, group } = await three(trace, protocol);
  await first.call('Join', [group]);
  await second.call('Join', [group]);
  await first.call('Leave', [group]);
  await second.invoke('ToGroup', [group, 'm']);
  await second.next();
  await first.quiet();
});

scenarios.eachProtocol('send: joining twice receives once', async (trace, protocol) => {
  const { first, second, group } = await three(trace, protocol);
  await first.call('Join', [group]);
  await first.call('Join', [group]);
  await second.invoke('ToGroup', [group, 'm']);
  await first.next();
  await first.quiet();
});

scenarios.eachProtocol('send: to a group except some', async (trace, protocol) => {
  const { first, second, third, group } = await three(trace, protocol);
  for (const client of [first, second, third]) await client.call('Join', [group]);
  await first.invoke('ToGroupExcept', [group, 'm', [first.connectionId, second.connectionId]]);
  await third.next();
  await first.quiet();
  await second.quiet(0);
});

scenarios.eachProtocol('send: to others in a group', async (trace, protocol) => {
  const { first, second, third, group } = await three(trace, protocol);
  for (const client of [first, second]) await client.call('Join', [group]);
  await first.invoke('ToOthersInGroup', [group, 'm']);
  await second.next();
  await first.quiet();
  await third.quiet(0);
});

scenarios.eachProtocol('send: to several groups', async (trace, protocol) => {
  const { first, second, third, group } = await three(trace, protocol);
  await first.call('Join', [`${group}1`]);
  await second.call('Join', [`${group}2`]);
  await third.invoke('ToGroups', [[`${group}1`, `${group}2`], 'm']);
  await first.next();
  await second.next();
  await third.quiet();
});

scenarios.eachProtocol('send: to an empty group', async (trace, protocol) => {
  const first = await open(trace, protocol);
  await first.call('ToGroup', [unique(), 'm']);
});

scenarios.eachProtocol('send: another connection is added to a group', async (trace, protocol) => {
  const { first, second, group } = await three(trace, protocol);
  await first.call('AddOther', [second.connectionId, group]);
  await first.invoke('ToGroup', [group, 'm']);
  await second.next();
  await first.quiet();
});

scenarios.one('send: group names heed case', async trace => {
  const { first, second, group } = await three(trace, 'json');
  await first.call('Join', [`${group}x`]);
  await second.invoke('ToGroup', [`${group}X`, 'm']);
  await first.quiet();
});

scenarios.one('send: a group of two protocols', async trace => {
  const group = unique();
  const first = await open(trace, 'json');
  const second = await open(trace, 'messagepack');
  await first.call('Join', [group]);
  await second.call('Join', [group]);
  await first.invoke('ToGroup', [group, 'grüße']);
  await first.next();
  await second.next();
});

scenarios.one('send: a group over all transports', async trace => {
  const group = unique();
  const clients = [];
  for (const pipe of PIPES) {
    const client = await open(trace, pipe);
    await client.call('Join', [group]);
    clients.push(client);
  }
  await clients[0].invoke('ToGroup', [group, 'm']);
  for (const client of clients) await client.next();
});

scenarios.eachProtocol('send: to a user, on all of its connections', async (trace, protocol) => {
  const user = unique();
  trace.mask(user, 'user');
  const token = signedToken({ sub: user });
  const first = await open(trace, { protocol, token });
  const second = await open(trace, { protocol, token });
  const third = await open(trace, { protocol, token: signedToken({ sub: `${user}x` }) });
  await third.invoke('ToUser', [user, 'm']);
  await first.next();
  await second.next();
  await third.quiet();
});

scenarios.eachProtocol('send: to several users', async (trace, protocol) => {
  const user = unique();
  trace.mask(user, 'user');
  const first = await open(trace, { protocol, token: signedToken({ sub: `${user}1` }) });
  const second = await open(trace, { protocol, token: signedToken({ sub: `${user}2` }) });
  await first.invoke('ToUsers', [[`${user}1`, `${user}2`], 'm']);
  await first.next();
  await second.next();
});

scenarios.eachProtocol('send: many, in order', async (trace, protocol) => {
  const { first, second, group } = await three(trace, protocol);
  await second.call('Join', [group]);
  for (let i = 0; i < 50; i++) first.invoke('ToGroup', [group, `${i}`]);
  await second.next(50);
});

// Broadcasts to all connections: these run one at a time.
scenarios.alone('send: to all', async (trace, protocol) => {
  const { first, second, third } = await three(trace, protocol);
  await first.invoke('ToAll', ['m']);
  for (const client of [first, second, third]) await client.next();
});

scenarios.alone('send: to others', async (trace, protocol) => {
  const { first, second, third } = await three(trace, protocol);
  await first.invoke('ToOthers', ['m']);
  for (const client of [second, third]) await client.next();
  await first.quiet();
});

scenarios.alone('send: to all except some', async (trace, protocol) => {
  const { first, second, third } = await three(trace, protocol);
  await first.invoke('ToAllExcept', ['m', [first.connectionId, third.connectionId]]);
  await second.next();
  await first.quiet();
  await third.quiet(0);
});
