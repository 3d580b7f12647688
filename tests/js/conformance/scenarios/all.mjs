// Every scenario, in the order in which they run.
import { scenarios as negotiate } from './negotiate.mjs';
import { scenarios as transport } from './transport.mjs';
import { scenarios as handshake } from './handshake.mjs';
import { scenarios as invoke } from './invoke.mjs';
import { scenarios as jsonMessages } from './json_messages.mjs';
import { scenarios as messagepackMessages } from './messagepack_messages.mjs';
import { scenarios as streams } from './streams.mjs';
import { scenarios as send } from './send.mjs';
import { scenarios as clientResults } from './client_results.mjs';
import { scenarios as end } from './end.mjs';
import { scenarios as authorization } from './authorization.mjs';
import { scenarios as statefulReconnect } from './stateful_reconnect.mjs';

export const scenarios = [
  negotiate,
  transport,
  handshake,
  invoke,
  jsonMessages,
  messagepackMessages,
  streams,
  send,
  clientResults,
  end,
  authorization,
  statefulReconnect,
].flatMap(({ list }) => list);
