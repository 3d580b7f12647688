// The ledger finds each way in which delivery can go wrong: tests of a cluster that pass are worth no more than this.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger, ranges } from './ledger.mjs';

/** A ledger of a client 0 in group `g`, to which client 5 has sent so many messages. */
function ledger(count) {
  const ledger = new Ledger();
  ledger.joined(0, ['g']);
  const texts = Array.from({ length: count }, () => ledger.send(5, 'g'));
  return { ledger, texts };
}

/** What is found when these of five messages come, in this order. */
function found(...numbers) {
  const { ledger: kept, texts } = ledger(5);
  for (const number of numbers) kept.receive(0, texts[number - 1]);
  return kept.findings().join('\n');
}

test('all in order is all right', () => {
  assert.equal(found(1, 2, 3, 4, 5), '');
});

test('a message that does not come is lost, wherever it was', () => {
  assert.match(found(2, 3, 4, 5), /^1 lost:\n  client 0: lost: 1 of sender 5 to group g, sent 0\.\d\d s after the beginning$/);
  assert.match(found(1, 4, 5), /^2 lost:\n  client 0: lost: 2-3 of/);
  assert.match(found(1, 2, 3), /^2 lost:\n  client 0: lost: 4-5 of/);
  assert.match(found(), /^5 lost:\n  client 0: lost: 1-5 of/);
});

test('a message that comes twice is repeated', () => {
  assert.match(found(1, 2, 2, 3, 4, 5), /^1 repeated:\n  client 0: repeated: 2 of/);
  assert.match(found(1, 2, 3, 4, 5, 1), /^1 repeated:\n  client 0: repeated: 1 of/);
});

test('a message that others overtook is late, not lost; twice late is repeated', () => {
  assert.match(found(1, 3, 2, 4, 5), /^1 late:\n  client 0: late: 2 of/);
  assert.match(found(1, 3, 2, 2, 4, 5), /1 late:[^]*1 repeated:/);
});

test('one loss and one repetition do not cancel out', () => {
  assert.match(found(1, 2, 2, 4, 5), /1 repeated:[^]*2 of[^]*1 lost:[^]*3 of/);
});

test('what nobody sent to the client is found', () => {
  const { ledger: kept } = ledger(1);
  kept.receive(0, '5 g 2');
  kept.receive(0, '6 h 1');
  assert.match(kept.findings().join('\n'), /1 invented:[^]*1 stray:/);
});

test('what was going on is reported', () => {
  const kept = new Ledger();
  kept.joined(3, ['g']);
  kept.note('SIGTERM to node 2');
  kept.send(1, 'g');
  kept.failed(3, 'closed');
  const findings = kept.findings().join('\n');
  assert.match(findings, /client 3: lost: 1 of sender 1 to group g, sent 0\.\d\d s after SIGTERM to node 2/);
  assert.match(findings, /client 3: closed, 0\.\d\d s after SIGTERM to node 2/);
});

test('how many are still to come is counted once for each member', () => {
  const kept = new Ledger();
  for (const client of [0, 1]) kept.joined(client, ['g']);
  const text = kept.send(1, 'g');
  kept.send(1, 'other');
  assert.equal(kept.outstanding, 2);
  for (const client of [0, 0, 1]) kept.receive(client, text);
  assert.equal(kept.outstanding, 0);
});

test('numbers are written as ranges', () => {
  assert.equal(ranges([7, 1, 3, 2]), '1-3, 7');
});
