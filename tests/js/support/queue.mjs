// What has come in and not been taken yet, in order.
import { within } from './deadline.mjs';

export class Queue {
  #items = [];
  #takers = [];
  #what;

  /** `what` names the queue in the error of a wait that took too long. */
  constructor(what) {
    this.#what = what;
  }

  push(item) {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  get length() {
    return this.#items.length;
  }

  async next(milliseconds) {
    if (this.#items.length) return this.#items.shift();
    return within(new Promise(resolve => this.#takers.push(resolve)), this.#what, milliseconds);
  }

  async take(count, milliseconds) {
    const taken = [];
    while (taken.length < count) taken.push(await this.next(milliseconds));
    return taken;
  }
}
