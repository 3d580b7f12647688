// The demo in a real browser, in two windows on two nodes. HUBWARD_DEMO_URLS names the nodes, comma separated;
// CHROMIUM the browser, if it is not /usr/bin/chromium. UPDATE_SCREENSHOT=1 takes docs/images/demo.png again.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { TcpProxy } from '../support/tcp_proxy.mjs';
import { DemoPage, launch } from './demo_page.mjs';

if (!process.env.HUBWARD_DEMO_URLS)
  throw new Error('HUBWARD_DEMO_URLS names no node: set it to the base URLs');

const nodes = process.env.HUBWARD_DEMO_URLS.split(',');
const [firstNode, secondNode = firstNode] = nodes;
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 3, isMobile: true, hasTouch: true };
const SCREENSHOT = new URL('../../../docs/images/demo.png', import.meta.url);

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function open(t, url, options) {
  const page = await DemoPage.open(browser, url, options);
  t.after(() => page.close());
  return page;
}

async function twoWindows(t, [first, second] = ['alice', 'ben']) {
  const nurse = await open(t, firstNode);
  const doctor = await open(t, secondNode);
  await nurse.signIn({ user: first, role: 'nurse' });
  await doctor.signIn({ user: second, role: 'doctor' });
  return { nurse, doctor };
}

async function proxied(t) {
  const proxy = await TcpProxy.start([firstNode]);
  t.after(() => proxy.close());
  return proxy;
}

describe('the demo', { concurrency: 2, timeout: 60_000 }, () => {
  test('two people on two nodes read what the other writes', async t => {
    const { nurse, doctor } = await twoWindows(t);
    if (nodes.length > 1) assert.notEqual(await nurse.nodeName(), await doctor.nodeName());
    const [question, answer] = [`Who is on call? ${crypto.randomUUID()}`, `I am. ${crypto.randomUUID()}`];
    await nurse.say(question);
    assert.match(await (await doctor.chatMessage(question)).textContent(), /alice/);
    await doctor.say(answer);
    assert.match(await (await nurse.chatMessage(answer)).textContent(), /ben/);
    for (const page of [nurse, doctor]) assert.deepEqual(page.errors, []);
    assert.deepEqual([...nurse.origins], [new URL(firstNode).origin]);
  });

  test('a nurse may not order medication, and a doctor may', async t => {
    const { nurse, doctor } = await twoWindows(t);
    await nurse.order('Ada', 'aspirin 100 mg');
    await nurse.wardLogSays("Failed to invoke 'OrderMedication' because user is unauthorized");
    await doctor.order('Ada', 'aspirin 100 mg');
    await doctor.wardLogSays('aspirin 100 mg for Ada');
  });

  test("a ward shows its vitals to its own department, and refuses another's", async t => {
    const { nurse } = await twoWindows(t);
    await nurse.subscribe('neurology');
    await nurse.wardLogSays('Access to this ward requires matching department assignment.');
    await nurse.subscribe('cardiology');
    await nurse.vitalsArrive();
  });

  test('markup that somebody types is text to everybody', async t => {
    const { nurse, doctor } = await twoWindows(t);
    const markup = `<img src=x onerror=alert(1)>${crypto.randomUUID()}`;
    const dialogs = [];
    for (const { page } of [nurse, doctor])
      page.on('dialog', dialog => {
        dialogs.push(dialog.message());
        dialog.dismiss();
      });
    await nurse.say(markup);
    for (const window of [nurse, doctor]) {
      const message = await window.chatMessage(markup);
      assert.equal(await message.locator('img').count(), 0);
    }
    await doctor.order(markup, '<b>bold</b>');
    await doctor.wardLogSays(`<b>bold</b> for ${markup}`);
    assert.equal(await doctor.page.locator('#ward-log :is(img, li .text b)').count(), 0);
    assert.deepEqual(dialogs, []);
  });

  test('the page says that it lost its node, and comes back by itself', async t => {
    const proxy = await proxied(t);
    const window = await open(t, proxy.url);
    await window.signIn({ user: 'alice' });
    proxy.goDown();
    await window.waitForState('Reconnecting');
    proxy.comeBack();
    await window.waitForState('Connected');
    const text = crypto.randomUUID();
    await window.say(text);
    await window.chatMessage(text);
  });

  test('a short interruption shows no change of state', async t => {
    const proxy = await proxied(t);
    const window = await open(t, proxy.url);
    await window.signIn({ user: 'alice' });
    const states = await watchStates(window);
    proxy.cut();
    const text = crypto.randomUUID();
    await window.say(text);
    await window.chatMessage(text);
    assert.deepEqual(await states(), []);
  });

  test('a node that stays away closes the connection, and the person may connect again', async t => {
    const proxy = await proxied(t);
    const window = await open(t, proxy.url);
    await window.page.clock.install();
    await window.signIn({ user: 'alice' });
    proxy.goDown();
    await window.waitForState('Reconnecting');
    const again = window.page.locator('#connect-again');
    while (!(await again.isVisible())) await window.page.clock.runFor(1_000);
    await window.waitForState('Closed');
    proxy.comeBack();
    await again.click();
    await window.waitForState('Connected');
  });

  test('on a phone nothing is wider than the screen', async t => {
    const window = await open(t, firstNode, PHONE);
    assert.equal(await window.overflow(), 0);
    await window.signIn({ user: 'alice' });
    await window.subscribe('cardiology');
    await window.vitalsArrive();
    const long = crypto.randomBytes(200).toString('hex');
    await window.say(long);
    await window.chatMessage(long);
    assert.equal(await window.overflow(), 0);
  });

  test('every control has a name that a screen reader can say', async t => {
    const window = await open(t, firstNode);
    const nameless = async () => (await window.controls()).filter(({ name }) => !name.trim());
    assert.ok((await window.controls()).length >= 4, 'the sign-in form is not in the accessibility tree');
    assert.deepEqual(await nameless(), []);
    await window.signIn({ user: 'alice' });
    await window.subscribe('cardiology');
    await window.vitalsArrive();
    assert.ok((await window.controls()).length >= 10, 'the workspace is not in the accessibility tree');
    assert.deepEqual(await nameless(), []);
  });
});

// It has users of its own: those of other tests, which a node may not have disconnected yet, would show in it.
test('the picture in the documentation', { skip: process.env.UPDATE_SCREENSHOT !== '1' }, async t => {
  const { nurse, doctor } = await twoWindows(t, ['florence', 'joseph']);
  await nurse.say('Bed 3 is restless. Who is on call?');
  await nurse.chatMessage('Bed 3 is restless');
  await doctor.chatMessage('Bed 3 is restless');
  await doctor.say('I am. On my way.');
  await nurse.chatMessage('On my way');
  for (const window of [nurse, doctor]) {
    await window.subscribe('cardiology');
    await window.trendsShow();
  }
  await nurse.order('Grace Hopper', 'metoprolol 25 mg');
  await nurse.wardLogSays('because user is unauthorized');
  await doctor.order('Grace Hopper', 'metoprolol 25 mg');
  await doctor.wardLogSays('metoprolol 25 mg for Grace Hopper');
  fs.mkdirSync(new URL('.', SCREENSHOT), { recursive: true });
  fs.writeFileSync(SCREENSHOT, await sideBySide([nurse, doctor]));
});

/** From now on records each state that the page shows; returns a function that reads them. */
async function watchStates({ page }) {
  await page.evaluate(() => {
    window.statesSeen = [];
    const state = document.querySelector('#connection-state');
    const note = () => window.statesSeen.push(state.textContent);
    new MutationObserver(note).observe(state, { childList: true, characterData: true, subtree: true });
  });
  return () => page.evaluate(() => window.statesSeen);
}

/** One picture of several windows. */
async function sideBySide(windows) {
  const pictures = await Promise.all(windows.map(({ page }) => page.screenshot({ fullPage: true })));
  const images = pictures.map(png => `<img src="data:image/png;base64,${png.toString('base64')}">`);
  const page = await browser.newPage({ viewport: { width: 960 * windows.length, height: 600 } });
  await page.setContent(`<style>body{margin:0;display:flex;align-items:start}</style>${images.join('')}`);
  const picture = await page.screenshot({ fullPage: true });
  await page.close();
  return picture;
}
