// The MessagePack hub protocol as plain data: varint-framed arrays. Headers are always sent, as the clients do.
import { encode, decode, ExtData } from '@msgpack/msgpack';
import { MESSAGE_NAMES } from './names.mjs';

const ERROR = 1;
const VOID = 2;
const RESULT = 3;

export const messagepack = {
  name: 'messagepack',
  binary: true,
  write(message) {
    const payload = Buffer.from(encode(message, { ignoreUndefined: true }));
    return Buffer.concat([varint(payload.length), payload]);
  },

  invocation: (target, args, { id, stream, headers, streamIds } = {}) => [
    stream ? 4 : 1,
    headers ?? {},
    id ?? null,
    target,
    args,
    streamIds ?? [],
  ],
  item: (id, item) => [2, {}, id, item],
  completion(id, outcome) {
    if ('error' in outcome) return [3, {}, id, ERROR, outcome.error];
    return 'result' in outcome ? [3, {}, id, RESULT, outcome.result] : [3, {}, id, VOID];
  },
  cancel: id => [5, {}, id],
  ping: () => [6],
  close: error => [7, error ?? null],
  ack: sequenceId => [8, sequenceId],
  sequence: sequenceId => [9, sequenceId],

  /** The whole messages at the front of `bytes`, and what is left over. */
  split(bytes) {
    const messages = [];
    for (;;) {
      const prefix = readVarint(bytes);
      if (!prefix || bytes.length < prefix.width + prefix.value) return [messages, bytes];
      const end = prefix.width + prefix.value;
      messages.push(decode(bytes.subarray(prefix.width, end)));
      bytes = bytes.subarray(end);
    }
  },

  /** A message in the form in which both protocols are recorded. */
  read(message) {
    const [type, ...rest] = message;
    return { message: MESSAGE_NAMES[type] ?? `type ${type}`, ...readers[type]?.(rest) };
  },
};

const readInvocation = ([, id, target, args, streamIds]) => ({
  ...(id != null ? { invocationId: id } : {}),
  target,
  arguments: plain(args),
  ...(streamIds?.length ? { streamIds } : {}),
});
const readSequenceId = ([sequenceId]) => ({ sequenceId });
const readers = {
  1: readInvocation,
  2: ([, invocationId, item]) => ({ invocationId, item: plain(item) }),
  3: ([, invocationId, kind, value]) => ({
    invocationId,
    ...(kind === ERROR ? { error: value } : kind === RESULT ? { result: plain(value) } : {}),
  }),
  4: readInvocation,
  5: ([, invocationId]) => ({ invocationId }),
  7: ([error, allowReconnect]) => ({
    ...(error != null ? { error } : {}),
    ...(allowReconnect ? { allowReconnect } : {}),
  }),
  8: readSequenceId,
  9: readSequenceId,
};

/** MessagePack values that JSON lacks, written so that they can be compared. */
function plain(value) {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof ExtData) return { $ext: value.type, data: Buffer.from(value.data).toString('base64') };
  if (value instanceof Date) return { $date: value.toISOString() };
  if (typeof value === 'bigint') return { $big: value.toString() };
  if (Array.isArray(value)) return value.map(plain);
  if (!value || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function varint(value) {
  const bytes = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest ? 0x80 : 0));
    value = rest;
  } while (value);
  return Buffer.from(bytes);
}

/** Undefined while the prefix is not whole. */
function readVarint(bytes) {
  let value = 0;
  for (let at = 0, scale = 1; at < bytes.length; at++, scale *= 128) {
    value += (bytes[at] & 0x7f) * scale;
    if (!(bytes[at] & 0x80)) return { value, width: at + 1 };
  }
}
