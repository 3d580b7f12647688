// Waiting for what must happen, with an end. Nothing here sleeps for a fixed time.
import { setTimeout as sleep } from 'node:timers/promises';

const DEFAULT_MILLISECONDS = 5_000;
/** Between two looks at a condition that reports nothing itself. */
const LOOK_EVERY_MILLISECONDS = 20;

/** The promise's value, or an error that names `what` did not come in time. */
export async function within(promise, what, milliseconds = DEFAULT_MILLISECONDS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Looks until `condition` holds: only for conditions that a server decides and tells nobody. */
export async function eventually(condition, what, milliseconds = DEFAULT_MILLISECONDS) {
  const deadline = Date.now() + milliseconds;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not in ${milliseconds} ms`);
    await sleep(LOOK_EVERY_MILLISECONDS);
  }
}
