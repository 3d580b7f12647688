// Every connection is cut again and again and comes back to any node: nothing is lost, nothing comes twice, order is kept.
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../support/deadline.mjs';
import { TcpProxy } from '../support/tcp_proxy.mjs';
import { Cluster } from './cluster.mjs';
import { Load, STATEFUL } from './load.mjs';
import { CLIENTS, CUT_EVERY_SECONDS, CUT_SECONDS, NODES, RATE, randomNumbers, SEED } from './numbers.mjs';

/** More nodes than a client reaches: each of its TCP connections goes to the next of them. */
const VISITS = 1_000;

test(`stateful clients are cut every ${CUT_EVERY_SECONDS} s for ${CUT_SECONDS} s`, async t => {
  const random = randomNumbers();
  t.diagnostic(`HUBWARD_SEED=${SEED}`);
  const cluster = await Cluster.start(t, { size: NODES });
  const proxies = [];
  for (let number = 0; number < CLIENTS; number++) {
    const targets = Array.from({ length: VISITS }, () => cluster.urls[Math.floor(random() * cluster.urls.length)]);
    proxies.push(await TcpProxy.start(targets));
    t.after(() => proxies[number].close());
  }
  const load = await Load.start(t, { count: CLIENTS, url: number => proxies[number].url, configure: STATEFUL });
  load.mayNotClose();
  load.send(RATE);

  const until = Date.now() + CUT_SECONDS * 1_000;
  let cuts = 0;
  const cutAgainAndAgain = async proxy => {
    for (;;) {
      const wait = CUT_EVERY_SECONDS * 1_000 * (0.5 + random());
      if (Date.now() + wait > until) return;
      await sleep(wait);
      // The client tries once to resume; a cut before that is done ends its connection, with any server.
      await within(proxy.inUse(), 'resume', 10_000);
      if (random() < 0.5) proxy.cut();
      else proxy.cutHalfOpen();
      cuts++;
    }
  };
  const cut = await Promise.allSettled(proxies.map(cutAgainAndAgain));
  cut.forEach(({ reason }, number) => reason && load.ledger.failed(number, reason.message));

  await load.finish();
  await load.compareWithBefore();
  t.diagnostic(`${cuts} cuts; ${load.verify()}`);
});
