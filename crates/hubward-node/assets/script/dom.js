// Elements: found, made and filled. What people and servers wrote is put in as text, never parsed as markup.

const LIST_LIMIT = 200; // items in a log: enough to scroll back to, little enough for a phone
const TEXT_LIMIT = 2000; // characters shown of one text; the page itself sends no longer ones

export const byId = (id) => document.getElementById(id);
export const shown = (value) => String(value ?? "").slice(0, TEXT_LIMIT);
export const message = (error) => shown(error?.message ?? error);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

/** Makes an element. `properties` are set as DOM properties, so a text can never become markup. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Makes an SVG element from attributes, since the page's policy refuses inline styles. */
export function makeSvg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const icon = (name) =>
  makeSvg("svg", { class: `icon ${name}`, "aria-hidden": "true" }, makeSvg("use", { href: `#icon-${name}` }));

export function timeOf(at) {
  const date = new Date(Number.isFinite(at) ? at : Date.now());
  return Number.isNaN(date.getTime()) ? "" : clock.format(date);
}

/** Appends to a log, drops its oldest items, and follows the end unless the reader has scrolled away from it. */
export function appendToLog(list, item) {
  const log = list.closest(".log");
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  list.append(item);
  while (list.childElementCount > LIST_LIMIT) list.firstElementChild.remove();
  if (follows) log.scrollTop = log.scrollHeight;
}

/** Shows a sentence, or hides the element when it is empty. Screen readers announce changes only, so none is made twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

/** Runs `call` when the form is submitted, one call at a time; `fail` gets its error. */
export function onSubmit(form, call, fail) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    try {
      await call(form);
    } catch (error) {
      fail(error);
    } finally {
      form.ariaBusy = "false";
    }
  });
}
