// Bounded waits for what must happen. Nothing here sleeps for a fixed time.
import { setTimeout as sleep } from 'node:timers/promises';

const DEFAULT_MILLISECONDS = 5_000;
/** Between two checks of a condition that cannot notify. */
const POLL_MILLISECONDS = 20;

/** The promise's value, or an error that names `what` did not come in time. */
export async function within(promise, what, milliseconds = DEFAULT_MILLISECONDS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Polls until `condition` holds: only for what a server decides without a notification. */
export async function eventually(condition, what, milliseconds = DEFAULT_MILLISECONDS) {
  const deadline = Date.now() + milliseconds;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not in ${milliseconds} ms`);
    await sleep(POLL_MILLISECONDS);
  }
}
