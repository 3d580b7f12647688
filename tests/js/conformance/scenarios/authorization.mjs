// Who may connect, and who may call what.
import { signedToken } from '../../support/tokens.mjs';
import { SECURE, Scenarios, open, unique } from './scenario.mjs';

export const scenarios = new Scenarios();

const negotiateWith = (trace, token) => trace.http('POST', `${SECURE}/negotiate`, { token });
const connectAs = (trace, protocol, claims, options) =>
  trace.connect(SECURE, { protocol, token: signedToken(claims, options) });

scenarios.one('auth: no token', trace => trace.http('POST', `${SECURE}/negotiate`));
scenarios.one('auth: no token, long poll', trace => trace.http('GET', SECURE, { query: { id: 'nobody' } }));
scenarios.one('auth: a token that is none', trace => negotiateWith(trace, 'nonsense'));
scenarios.one('auth: another key', trace =>
  negotiateWith(trace, signedToken({ sub: 'a' }, { key: 'another-key-another-key-another-key-00' })),
);

scenarios.one('auth: lapsed', trace => negotiateWith(trace, signedToken({ sub: 'a' }, { seconds: -30 })));
scenarios.one('auth: another issuer', trace =>
  negotiateWith(trace, signedToken({ sub: 'a', iss: 'https://evil.example' })),
);

scenarios.one('auth: another audience', trace =>
  negotiateWith(trace, signedToken({ sub: 'a', aud: 'shop' })),
);

scenarios.one('auth: no algorithm', trace =>
  negotiateWith(trace, signedToken({ sub: 'a' }, { algorithm: 'none' })),
);

scenarios.one('auth: no expiry', trace => negotiateWith(trace, signedToken({ sub: 'a', exp: undefined })));
scenarios.one('auth: a token in the query', async trace => {
  await trace.negotiate(SECURE, { query: { access_token: signedToken({ sub: 'a' }) } });
});

scenarios.one('auth: a token in the header', async trace => {
  await trace.negotiate(SECURE, { token: signedToken({ sub: 'a' }) });
});

scenarios.one('auth: a WebSocket needs a token of its own', async trace => {
  const negotiated = await trace.negotiate(SECURE, { token: signedToken({ sub: 'a' }), quiet: true });
  await trace.pipe('ws', SECURE, { id: negotiated.id }).start({ record: true });
});

scenarios.eachPipe('auth: who the hub says I am', async (trace, pipe) => {
  const client = await trace.connect(SECURE, { ...pipe, token: signedToken({ sub: 'alice' }) });
  await client.call('WhoAmI');
});

scenarios.eachProtocol('auth: nobody on an open hub', async (trace, protocol) => {
  const client = await open(trace, protocol);
  await client.call('WhoAmI');
});

scenarios.eachProtocol('auth: a method for doctors, called by a nurse', async (trace, protocol) => {
  const client = await connectAs(trace, protocol, { sub: 'n', role: 'nurse' });
  await client.call('OrderMedication', ['p', 'd']);
  await client.call('Echo', ['still here']);
});

scenarios.eachProtocol('auth: a method for doctors, called by one', async (trace, protocol) => {
  const client = await connectAs(trace, protocol, { sub: 'd', role: 'doctor' });
  await client.call('OrderMedication', ['p', 'd']);
});

scenarios.eachProtocol('auth: several roles', async (trace, protocol) => {
  const client = await connectAs(trace, protocol, { sub: 'd', role: ['nurse', 'doctor'] });
  await client.call('OrderMedication', ['p', 'd']);
});

scenarios.eachProtocol('auth: a stream for doctors, called by a nurse', async (trace, protocol) => {
  const client = await connectAs(trace, protocol, { sub: 'n', role: 'nurse' });
  await client.stream('WatchDoctors', [2], { id: 's' });
  await client.next();
});

scenarios.eachProtocol('auth: refused without an id, nothing is answered', async (trace, protocol) => {
  const client = await connectAs(trace, protocol, { sub: 'n', role: 'nurse' });
  await client.invoke('OrderMedication', ['p', 'd']);
  await client.quiet();
});

scenarios.eachProtocol("auth: a ward of one's own", async (trace, protocol) => {
  const ward = unique();
  trace.mask(ward, 'ward');
  const client = await connectAs(trace, protocol, { sub: 'n', role: 'nurse', department: ward });
  await client.call('SubscribeToWard', [ward]);
  await client.invoke('ToWard', [ward, 'm']);
  await client.next();
});

scenarios.eachProtocol('auth: a ward of another', async (trace, protocol) => {
  const ward = unique();
  trace.mask(ward, 'ward');
  const client = await connectAs(trace, protocol, { sub: 'n', role: 'nurse', department: 'other' });
  await client.call('SubscribeToWard', [ward]);
  await client.invoke('ToWard', [ward, 'm']);
  await client.quiet();
});

scenarios.eachProtocol('auth: groups in the token give nothing', async (trace, protocol) => {
  const ward = unique();
  const client = await connectAs(trace, protocol, {
    sub: 'n',
    role: 'nurse',
    groups: [`ward:${ward}`],
    group: `ward:${ward}`,
  });
  await client.invoke('ToWard', [ward, 'm']);
  await client.quiet();
});

scenarios.eachProtocol('auth: the token lapses while connected', async (trace, protocol) => {
  const client = await connectAs(trace, protocol, { sub: 'n' }, { seconds: 2 });
  await client.call('Echo', ['before']);
  await client.closed(8000);
});

scenarios.one('auth: the token lapses while polling', async trace => {
  const client = await trace.connect(SECURE, {
    transport: 'lp',
    token: signedToken({ sub: 'n' }, { seconds: 2 }),
  });
  await client.until(() => client.end, 9000);
  trace.record('ended', { yes: !!client.end });
});
