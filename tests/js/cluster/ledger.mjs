// Who was sent what, and who has received what: which messages were lost, came twice or overtook others. It knows no network.
//
// A stream is what one sender sends to one group; its messages are numbered from 1. A member has to receive each stream
// of its groups whole, once and in order. Messages of different senders may come in any order.

/** Of the findings of one kind, so many are printed. */
const SHOWN = 12;

export class Ledger {
  #began = Date.now();
  #sent = new Map();
  #members = new Map();
  #events = [];
  #findings = [];
  #expected = 0;
  /** How many messages have come, of all members, each counted once. */
  received = 0;

  /** Notes what happens to the cluster, so that findings can say what was going on. */
  note(event) {
    this.#events.push({ at: Date.now(), event });
  }

  /** From now on the client has to receive what is sent to these groups. */
  joined(client, groups) {
    const streams = new Map();
    for (const [stream, { group, times }] of this.#sent)
      if (groups.includes(group)) streams.set(stream, { next: times.length + 1, missing: new Set() });
    this.#members.set(client, { groups, streams });
  }

  /** The text to send: sender, group and the number of the message in their stream. */
  send(sender, group) {
    const stream = `${sender} ${group}`;
    if (!this.#sent.has(stream)) this.#sent.set(stream, { group, times: [] });
    const { times } = this.#sent.get(stream);
    times.push(Date.now());
    for (const { groups } of this.#members.values()) if (groups.includes(group)) this.#expected++;
    return `${stream} ${times.length}`;
  }

  /** How many messages have been sent. */
  get sent() {
    return [...this.#sent.values()].reduce((count, { times }) => count + times.length, 0);
  }

  /** How many of them have not yet come, of all members. */
  get outstanding() {
    return this.#expected - this.received;
  }

  /** Notes what a member has received. */
  receive(client, text) {
    const split = text.lastIndexOf(' ');
    const [stream, number] = [text.slice(0, split), Number(text.slice(split + 1))];
    const member = this.#members.get(client);
    const { group, times } = this.#sent.get(stream) ?? { times: [] };
    if (!member?.groups.includes(group)) return this.#find('stray', client, stream, [number]);
    if (!(number >= 1 && number <= times.length)) return this.#find('invented', client, stream, [number]);
    const read = this.#read(member, stream);
    const isLate = read.missing.delete(number);
    if (number < read.next && !isLate) return this.#find('repeated', client, stream, [number]);
    this.received++;
    if (isLate) return this.#find('late', client, stream, [number]);
    for (let skipped = read.next; skipped < number; skipped++) read.missing.add(skipped);
    read.next = number + 1;
  }

  /** Notes that something else went wrong with a client. */
  failed(client, what) {
    this.#findings.push({ kind: 'failed', text: `client ${client}: ${what}, ${this.#when(Date.now())}` });
  }

  /** All that went wrong, as lines to print, what may be a cause first; none if nothing did. Called when everything should have come. */
  findings() {
    const lost = [];
    for (const [client, member] of this.#members)
      for (const [stream, { group, times }] of this.#sent) {
        if (!member.groups.includes(group)) continue;
        const { next, missing } = this.#read(member, stream);
        const numbers = [...missing];
        for (let number = next; number <= times.length; number++) numbers.push(number);
        const text = this.#describe('lost', client, stream, numbers);
        if (numbers.length) lost.push({ kind: 'lost', count: numbers.length, text });
      }
    return summary([...this.#findings, ...lost]);
  }

  #read({ streams }, stream) {
    if (!streams.has(stream)) streams.set(stream, { next: 1, missing: new Set() });
    return streams.get(stream);
  }

  #find(kind, client, stream, numbers) {
    this.#findings.push({ kind, text: this.#describe(kind, client, stream, numbers) });
  }

  #describe(kind, client, stream, numbers) {
    const [sender, group] = stream.split(' ');
    const first = this.#sent.get(stream)?.times[numbers[0] - 1];
    const sent = first ? `, sent ${this.#when(first)}` : '';
    return `client ${client}: ${kind}: ${ranges(numbers)} of sender ${sender} to group ${group}${sent}`;
  }

  #when(time) {
    const last = this.#events.findLast(({ at }) => at <= time);
    const seconds = since => `${((time - since) / 1000).toFixed(2)} s`;
    return last ? `${seconds(last.at)} after ${last.event}` : `${seconds(this.#began)} after the beginning`;
  }
}

/** `1-3, 7` for 1, 2, 3 and 7. */
export function ranges(numbers) {
  const parts = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
}

/** For each kind its number, and its first findings. */
function summary(findings) {
  const kinds = new Map();
  for (const finding of findings) kinds.set(finding.kind, [...(kinds.get(finding.kind) ?? []), finding]);
  const lines = [];
  for (const [kind, found] of kinds) {
    lines.push(`${found.reduce((sum, { count = 1 }) => sum + count, 0)} ${kind}:`);
    lines.push(...found.slice(0, SHOWN).map(({ text }) => `  ${text}`));
    if (found.length > SHOWN) lines.push(`  … and ${found.length - SHOWN} more such lines`);
  }
  return lines;
}
