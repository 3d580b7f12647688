// The groups that this page has joined, as chips.
import { make } from "./dom.js";
import { PageError } from "./hub_connection.js";

export const CHIP_LIMIT = 40; // people, rooms and wards shown as chips

/** A bounded set of names shown as chips, each with a button that leaves it. */
export class Memberships {
  names = new Set();

  constructor(list, leave, changed = () => {}) {
    Object.assign(this, { list, leave, changed });
  }

  add(name) {
    if (this.names.size >= CHIP_LIMIT) throw new PageError(`At most ${CHIP_LIMIT} at a time. Leave one first.`);
    this.names.add(name);
    this.#show();
  }

  delete(name) {
    this.names.delete(name);
    this.#show();
  }

  clear() {
    this.names.clear();
    this.#show();
  }

  #show() {
    const chip = (name) => {
      const button = make("button", { type: "button", className: "chip-leave" }, "×");
      button.setAttribute("aria-label", `Leave ${name}`);
      button.addEventListener("click", () => this.leave(name));
      return make("li", {}, make("bdi", { textContent: name }), button);
    };
    this.list.replaceChildren(...[...this.names].map(chip));
    this.changed();
  }
}
