// A node dies, hangs, or cannot be reached by the other: its clients get a clean new start, and nothing hangs or goes round.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, within } from '../support/deadline.mjs';
import { balance } from './balancer.mjs';
import { Cluster } from './cluster.mjs';
import { AUTOMATIC, build, STATEFUL } from './load.mjs';
import { BALANCERS, IS_LONG } from './numbers.mjs';

/** 15 s by default. As there, the load balancer notices a node that hangs before the other nodes do: it checks each second. */
const LEASE_MILLISECONDS = 6_000;
const FLAGS = ['--lease', `${LEASE_MILLISECONDS}`];
/** How soon the client takes a silent server for gone, 30 s by default. */
const SILENCE_MILLISECONDS = 8_000;
/** A client tries at once, after 2 s, after 10 s and after 30 s. It must need no more than the second try. */
const START_MILLISECONDS = 8_000;
/** With long polling there is no such silence: the client gives up a poll after this. */
const POLL_MILLISECONDS = 100_000;
/** Enough that every node has some. */
const CLIENTS = 18;
/** How often each client calls its hub, so that no server that lives is silent. */
const CALL_EVERY_MILLISECONDS = 1_000;

/** What a client is: how it connects, and what it does when that ends. */
const KINDS = {
  WebSockets: { transport: 'WebSockets', configure: AUTOMATIC },
  'stateful WebSockets': { transport: 'WebSockets', configure: builder => AUTOMATIC(STATEFUL(builder)) },
  'event streams': { transport: 'ServerSentEvents', configure: AUTOMATIC, passesByOthers: true },
  'long polling': { transport: 'LongPolling', configure: AUTOMATIC, passesByOthers: true, noticesAfter: { hangs: POLL_MILLISECONDS } },
};

/** What happens to a node, and how it comes back. */
const FATES = {
  'is killed': { strike: node => node.kill(), recover: node => node.start() },
  // Without health checks, as in nginx, a client may wait for a node that hangs as long as the load balancer does.
  hangs: { strike: node => node.signal('SIGSTOP'), recover: node => node.signal('SIGCONT'), isSeenBy: ['haproxy'] },
};

for (const kind of BALANCERS) {
  for (const [fate, { strike, recover, isSeenBy = BALANCERS }] of Object.entries(FATES)) {
    if (!isSeenBy.includes(kind)) continue;
    for (const [what, options] of Object.entries(KINDS)) {
      const noticesAfter = options.noticesAfter?.[fate] ?? SILENCE_MILLISECONDS;
      const skip = noticesAfter > SILENCE_MILLISECONDS && !IS_LONG && 'HUBWARD_LONG=1 runs it';
      test(`${what} behind ${kind}: a node ${fate}, and its clients start anew`, { skip }, async t => {
        const cluster = await Cluster.start(t, { flags: () => FLAGS });
        const balancer = await balance(t, kind, cluster.nodes.map(node => node.port));
        const clients = await Promise.all(Array.from({ length: CLIENTS }, () => Client.start(t, balancer.url, options)));
        const [victim] = cluster.nodes;
        const its = clients.filter(client => client.node.includes(`-${victim.pid}-`));
        const others = clients.filter(client => !its.includes(client));
        assert.ok(its.length && others.length, `clients of ${victim.pid} and of others: ${clients.map(client => client.node)}`);

        await strike(victim);
        const allowed = noticesAfter + START_MILLISECONDS;
        await Promise.all(its.map(client => client.startsAnew(allowed)));
        await Promise.all(clients.map(client => client.works(allowed)));
        await recover(victim);
        await balancer.uses(0);
        // One that hung answers old requests now. Nothing of that reaches a client.
        await Promise.all(clients.map(client => client.works(START_MILLISECONDS)));
        for (const client of its) assert.equal(client.starts, 1, `client ${client.id} has started anew once`);
        // What passes by the node on its way to another is cut as well.
        const starts = options.passesByOthers ? 1 : 0;
        for (const client of others) assert.ok(client.starts <= starts, `client ${client.id} of another node has started anew`);
      });
    }
  }
}

/** A client that counts how often it has to start anew. */
class Client {
  starts = 0;

  static async start(t, url, { transport, configure }) {
    const client = new Client();
    const quick = builder => configure(builder).withServerTimeout(SILENCE_MILLISECONDS).withKeepAliveInterval(1_000);
    client.connection = build(t, url, { transport, configure: quick });
    client.connection.onreconnected(() => client.starts++);
    client.connection.onclose(error => (client.closed = `it has closed (${error?.message})`));
    await within(client.connection.start(), 'the connection', START_MILLISECONDS);
    client.id = client.connection.connectionId;
    client.node = await client.ask('Node');
    const calls = setInterval(() => client.connection.invoke('Node').catch(() => {}), CALL_EVERY_MILLISECONDS);
    t.after(() => clearInterval(calls));
    return client;
  }

  async startsAnew(milliseconds) {
    await eventually(() => {
      if (this.closed) throw new Error(`client ${this.id}: ${this.closed}`);
      return this.starts > 0;
    }, `a new start of client ${this.id}`, milliseconds);
    assert.notEqual(this.connection.connectionId, this.id);
  }

  /** It does, maybe after it has noticed that its way led by the node. */
  async works(milliseconds) {
    const isAnswered = async () => {
      const caller = await this.ask('Me').catch(() => null);
      return caller?.connection === this.connection.connectionId;
    };
    await eventually(isAnswered, `an answer to client ${this.id}`, milliseconds);
  }

  ask(...call) {
    return within(this.connection.invoke(...call), `${call[0]} of client ${this.id}`, START_MILLISECONDS);
  }
}
