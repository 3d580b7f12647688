// What both hub protocols share on the wire.

/** By message type. */
export const MESSAGE_NAMES = [
  undefined,
  'Invocation',
  'StreamItem',
  'Completion',
  'StreamInvocation',
  'CancelInvocation',
  'Ping',
  'Close',
  'Ack',
  'Sequence',
];

/** Ends the handshake in either protocol, and every JSON message. */
export const RECORD_SEPARATOR = '\x1e';
