// The JSON hub protocol as plain data. It never repairs: what the server sent is what is recorded.
import { MESSAGE_NAMES, RECORD_SEPARATOR } from './names.mjs';

const RECORDED = ['invocationId', 'target', 'item', 'result', 'error', 'allowReconnect', 'sequenceId'];

export const json = {
  name: 'json',
  binary: false,
  write: message => Buffer.from(JSON.stringify(message) + RECORD_SEPARATOR),

  invocation: (target, args, { id, stream, headers, streamIds } = {}) => ({
    type: stream ? 4 : 1,
    ...(headers ? { headers } : {}),
    ...(id != null ? { invocationId: id } : {}),
    target,
    arguments: args,
    ...(streamIds ? { streamIds } : {}),
  }),
  item: (id, item) => ({ type: 2, invocationId: id, item }),
  completion: (id, outcome) => ({ type: 3, invocationId: id, ...outcome }),
  cancel: id => ({ type: 5, invocationId: id }),
  ping: () => ({ type: 6 }),
  close: error => ({ type: 7, ...(error ? { error } : {}) }),
  ack: sequenceId => ({ type: 8, sequenceId }),
  sequence: sequenceId => ({ type: 9, sequenceId }),

  /** The whole messages at the front of `bytes`, and what is left over. */
  split(bytes) {
    const messages = [];
    for (let end = bytes.indexOf(0x1e); end >= 0; end = bytes.indexOf(0x1e)) {
      messages.push(JSON.parse(bytes.subarray(0, end).toString('utf8')));
      bytes = bytes.subarray(end + 1);
    }
    return [messages, bytes];
  },

  /** A message in the form in which both protocols are recorded. */
  read(message) {
    const record = { message: MESSAGE_NAMES[message.type] ?? `type ${message.type}` };
    for (const key of RECORDED) if (key in message) record[key] = message[key];
    if ('arguments' in message) record.arguments = message.arguments;
    if (message.streamIds?.length) record.streamIds = message.streamIds;
    return record;
  },
};
