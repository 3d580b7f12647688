// How much the tests of a cluster do. Without any of these variables they take about a minute; tests/long.sh sets all of them.

const number = (name, otherwise) => Number(process.env[`HUBWARD_${name}`] ?? otherwise);

/** Nodes, for tests without a load balancer; one shows whether a failure is one of several nodes. */
export const NODES = number('NODES', 3);
/** Official clients, each with a WebSocket. */
export const CLIENTS = number('CLIENTS', 60);
/** Messages a second, each to one of the groups. */
export const RATE = number('RATE', 50);
/** For how long the connections are cut. */
export const CUT_SECONDS = number('CUT_SECONDS', 12);
/** How often each connection is cut: every so many seconds, more or less. */
export const CUT_EVERY_SECONDS = number('CUT_EVERY_SECONDS', 3);
/** How often two sockets try to take one connection at once. */
export const ROUNDS = number('ROUNDS', 50);
/** Negotiate requests without a connection. */
export const NEGOTIATES = number('NEGOTIATES', 60_000);
/** Whether tests run that take minutes each. */
export const IS_LONG = process.env.HUBWARD_LONG === '1';
/** What random choices begin with, so that a run can be had again. */
export const SEED = number('SEED', Date.now() % 1_000_000);
/** Which load balancers are in front of the nodes. */
export const BALANCERS = (process.env.HUBWARD_BALANCERS ?? 'haproxy').split(',');

/** Numbers from 0 to 1 that depend on the seed only (mulberry32). */
export function randomNumbers(seed = SEED) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
