// The demo page as a person uses it: signs in, writes, reads. It knows the page's ids, and asserts nothing.
import { chromium } from 'playwright-core';

const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: QUIET,
  });

export class DemoPage {
  /** What the page reported: script errors, refused markup, failed requests. */
  errors = [];
  /** Origins that the page sent a request to. */
  origins = new Set();
  #page;

  static async open(browser, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 960, height: 1080 }, ...options });
    return new DemoPage(await context.newPage()).#goto(url);
  }

  constructor(page) {
    this.#page = page;
    page.on('pageerror', error => this.errors.push(error.message));
    page.on('console', line => line.type() === 'error' && this.errors.push(line.text()));
    page.on('request', request => this.origins.add(new URL(request.url()).origin));
  }

  get page() {
    return this.#page;
  }

  async signIn({ user, role = 'nurse', department = 'cardiology' }) {
    await this.#page.fill('#user', user);
    await this.#page.selectOption('#role', role);
    await this.#page.fill('#department', department);
    await this.#page.click('#sign-in [type=submit]');
    await this.waitForState('Connected');
  }

  /** Waits for one of Connecting, Connected, Reconnecting, Closed. */
  waitForState(state, timeout) {
    return this.#page
      .locator('#connection-state')
      .filter({ hasText: new RegExp(`^${state}$`) })
      .waitFor({ timeout });
  }

  async say(text) {
    await this.#page.fill('#chat-text', text);
    await this.#page.click('#chat-form [type=submit]');
  }

  /** The message in the log, once it is there. */
  async chatMessage(text) {
    const item = this.#page.locator('#chat-log li').filter({ hasText: text });
    await item.waitFor();
    return item;
  }

  async subscribe(ward) {
    await this.#page.fill('#ward-name', ward);
    await this.#page.click('#subscribe');
  }

  async order(patient, drug) {
    await this.#page.fill('#patient', patient);
    await this.#page.fill('#drug', drug);
    await this.#page.click('#order-form [type=submit]');
  }

  wardLogSays(text) {
    return this.#page.locator('#ward-log li').filter({ hasText: text }).first().waitFor();
  }

  vitalsArrive() {
    return this.#page.locator('#vitals tbody tr').first().waitFor();
  }

  /** Waits until there are enough readings for the trends to be lines. */
  trendsShow() {
    return this.#page.waitForFunction(() => {
      const points = document.querySelector('#vitals polyline')?.getAttribute('points') ?? '';
      return points.split(' ').length >= 10;
    });
  }

  nodeName() {
    return this.#page.locator('#node-name').filter({ hasNotText: '…' }).textContent();
  }

  /** Pixels by which the page is wider than its window. */
  overflow() {
    return this.#page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return scrollWidth - clientWidth;
    });
  }

  /** The controls that a screen reader meets, with the names that it reads. */
  async controls() {
    const session = await this.#page.context().newCDPSession(this.#page);
    const { nodes } = await session.send('Accessibility.getFullAXTree');
    return nodes
      .filter(({ ignored, role }) => !ignored && CONTROL_ROLES.has(role?.value))
      .map(({ role, name }) => ({ role: role.value, name: name?.value ?? '' }));
  }

  close() {
    return this.#page.context().close();
  }

  async #goto(url) {
    await this.#page.goto(url);
    return this;
  }
}

const CONTROL_ROLES = new Set(['textbox', 'combobox', 'spinbutton', 'button', 'checkbox', 'listbox', 'link']);
