// The hub protocols by the names that the handshake gives them.
import { json } from './json.mjs';
import { messagepack } from './messagepack.mjs';

export const protocols = { json, messagepack };
