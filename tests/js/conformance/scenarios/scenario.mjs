// How scenarios are declared. A scenario has a name, which finds its recorded answer, and its steps.
// Each opens its own connections and names its own groups, so that many run side by side against one server.
import crypto from 'node:crypto';

export const PLAIN = '/conformance';
export const DETAILED = '/conformance-detailed';
export const SECURE = '/conformance-secure';
export const FAST = '/conformance-fast';
export const PARALLEL = '/conformance-parallel';
export const NO_WEBSOCKETS = '/conformance-nowebsockets';

export const PROTOCOLS = ['json', 'messagepack'];

/** Every transport with every protocol that it carries. */
export const PIPES = [
  { transport: 'ws', protocol: 'json' },
  { transport: 'ws', protocol: 'messagepack' },
  { transport: 'sse', protocol: 'json' },
  { transport: 'lp', protocol: 'json' },
  { transport: 'lp', protocol: 'messagepack' },
];

/** A string that no other scenario uses. */
export const unique = () => crypto.randomBytes(6).toString('hex');

/** A list to fill with scenarios. */
export class Scenarios {
  list = [];

  one(name, run) {
    this.list.push({ name, run });
  }

  /** `run(trace, protocol)`, once for each hub protocol. */
  eachProtocol(name, run) {
    for (const protocol of PROTOCOLS) this.one(`${name} [${protocol}]`, trace => run(trace, protocol));
  }

  /** `run(trace, pipe)`, once for each transport and protocol. */
  eachPipe(name, run) {
    for (const pipe of PIPES)
      this.one(`${name} [${pipe.transport} ${pipe.protocol}]`, trace => run(trace, pipe));
  }

  /** As eachProtocol, for broadcasts to every connection of a hub: such scenarios run one at a time. */
  alone(name, run) {
    for (const protocol of PROTOCOLS)
      this.list.push({ name: `${name} [${protocol}]`, run: trace => run(trace, protocol), alone: true });
  }
}

/** A connection, hub handshake done; `how` is a protocol or the options of `Trace.connect`. */
export const open = (trace, how, hub = PLAIN) =>
  trace.connect(hub, typeof how === 'string' ? { protocol: how } : how);
