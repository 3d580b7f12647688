// Bearer tokens that the conformance server accepts, and ways to make ones that it must not.
// Nothing here is secret: the key is the conformance server's own and signs nothing else.
import crypto from 'node:crypto';

const SIGNING_KEY = 'conformance-signing-key-of-32-bytes-or-more';

const base64url = text => Buffer.from(text).toString('base64url');

/** Signs `claims` over the usual ones; a claim set to undefined is left out. `seconds` is the lifetime from now. */
export function signedToken(claims = {}, { key = SIGNING_KEY, algorithm = 'HS256', seconds = 600 } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: 'https://issuer.example', aud: 'hubs', iat: now, nbf: now - 5, exp: now + seconds };
  const header = base64url(JSON.stringify({ alg: algorithm, typ: 'JWT' }));
  const unsigned = `${header}.${base64url(JSON.stringify({ ...usual, ...claims }))}`;
  if (algorithm === 'none') return `${unsigned}.`;
  return `${unsigned}.${crypto.createHmac('sha256', key).update(unsigned).digest('base64url')}`;
}
