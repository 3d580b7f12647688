// Negotiate: versions, what is offered, and the shape of ids.
import { DETAILED, NO_WEBSOCKETS, PLAIN, Scenarios } from './scenario.mjs';

export const scenarios = new Scenarios();

scenarios.one('negotiate: version 1', trace => trace.negotiate(PLAIN));
scenarios.one('negotiate: version 0', trace => trace.negotiate(PLAIN, { version: 0 }));
scenarios.one('negotiate: no version', trace => trace.negotiate(PLAIN, { version: null }));
scenarios.one('negotiate: version 99 is answered with the highest known', trace =>
  trace.negotiate(PLAIN, { version: 99 }),
);

scenarios.one('negotiate: version is no number', trace => trace.negotiate(PLAIN, { version: 'one' }));
scenarios.one('negotiate: version below zero', trace => trace.negotiate(PLAIN, { version: -1 }));
scenarios.one('negotiate: GET is refused', trace => trace.http('GET', `${PLAIN}/negotiate`));
scenarios.one('negotiate: stateful reconnect allowed', trace => trace.negotiate(PLAIN, { stateful: true }));
scenarios.one('negotiate: stateful reconnect not allowed on this hub', trace =>
  trace.negotiate(DETAILED, { stateful: true }),
);

scenarios.one('negotiate: a hub without WebSockets', trace => trace.negotiate(NO_WEBSOCKETS));
scenarios.one('negotiate: the shape of ids', async trace => {
  const negotiated = await trace.negotiate(PLAIN, { quiet: true });
  trace.record('ids', {
    id22: /^[\w-]{22}$/.test(negotiated.connectionId),
    differ: negotiated.connectionId !== negotiated.connectionToken,
    urlSafe: /^[\w.~-]+$/.test(negotiated.connectionToken),
  });
});

scenarios.one('negotiate: no such hub', trace => trace.http('POST', '/no-such-hub/negotiate'));
