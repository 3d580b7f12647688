// Who may connect and call, as the official client reports it.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { describe, test } from 'node:test';
import { within } from '../support/deadline.mjs';
import { signedToken } from '../support/tokens.mjs';
import { build, called, connect, inbox, pipes } from './connections.mjs';

const hub = '/conformance-secure';

for (const pipe of pipes) {
  describe(pipe.name, { concurrency: true }, () => {
    const connectAs = (t, claims) => connect(t, { pipe, hub, token: signedToken(claims) });

    test('no token and wrong tokens are refused with 401', async t => {
      const wrong = [undefined, 'nonsense', signedToken({ sub: 'a' }, { seconds: -30 })];
      for (const token of wrong) {
        const connection = build(t, { pipe, hub, token });
        await assert.rejects(connection.start(), /Status code '401'/);
      }
    });

    test('the hub knows who the token says I am', async t => {
      const connection = await connectAs(t, { sub: 'alice' });
      assert.equal(await connection.invoke('WhoAmI'), 'alice');
    });

    test('a method for doctors is refused to a nurse and open to a doctor', async t => {
      const nurse = await connectAs(t, { sub: 'n', role: 'nurse' });
      await assert.rejects(nurse.invoke('OrderMedication', 'p', 'd'), {
        message: "Failed to invoke 'OrderMedication' because user is unauthorized",
      });
      assert.equal(await nurse.invoke('Echo', 'still here'), 'still here');
      const doctor = await connectAs(t, { sub: 'd', role: ['staff', 'doctor'] });
      assert.equal(await doctor.invoke('OrderMedication', 'p', 'd'), 'd for p');
    });

    test("a ward is open to its own department, and closed to another's", async t => {
      const ward = crypto.randomUUID();
      const own = await connectAs(t, { sub: 'n', role: 'nurse', department: ward });
      const received = inbox(own);
      await own.invoke('SubscribeToWard', ward);
      const other = await connectAs(t, { sub: 'o', role: 'nurse', department: 'other' });
      await assert.rejects(
        other.invoke('SubscribeToWard', ward),
        /Access to this ward requires matching department assignment\.$/,
      );
      await other.invoke('ToWard', ward, 'm');
      assert.equal(await received.next(), 'm');
    });

    test('the connection ends when its token expires', async t => {
      const connection = build(t, { pipe, hub, token: signedToken({ sub: 'n' }, { seconds: 3 }) });
      const closed = called(connection, 'onclose');
      await connection.start();
      assert.equal(await connection.invoke('Echo', 'before'), 'before');
      await within(closed, 'close', 8_000);
    });
  });
}
