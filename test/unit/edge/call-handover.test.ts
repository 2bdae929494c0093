import { once } from 'node:events';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { CallHandover, type CallTaker } from '../../../src/edge/call-handover.ts';
import type { Caller } from '../../../src/edge/gateways.ts';

const callerOf = (tenant: string): Caller => ({ tenant: tenant as TenantName, app: 'web' as AppName });
const [globex, hooli] = ['globex', 'hooli'].map(callerOf) as [Caller, Caller];

/** An edge that takes what it is given when it is told to. */
function createTaker(): CallTaker & { given: Socket[]; finish: (error?: Error) => void } {
  const open: ((error: Error | null) => void)[] = [];
  const given: Socket[] = [];
  return {
    given,
    hand(_, socket, onHanded) {
      given.push(socket);
      open.push(onHanded);
    },
    finish: (error) => open.splice(0).forEach((onHanded) => onHanded(error ?? null)),
  };
}

test('a tenant that has as many calls on their way as one may loses the next; another does not', () => {
  const handover = new CallHandover({ callsPerTenant: 2 });
  const sockets = Array.from({ length: 4 }, () => new Socket());
  for (const socket of sockets.slice(0, 3)) handover.add(globex, socket);
  handover.add(hooli, sockets[3] as Socket);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false, true, false]);
});

test('all tenants together have no more than there is room for', () => {
  const handover = new CallHandover({ calls: 1 });
  const sockets = [new Socket(), new Socket()] as const;
  handover.add(globex, sockets[0]);
  handover.add(hooli, sockets[1]);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, true]);
});

test('what was taken makes room', () => {
  const handover = new CallHandover({ callsPerTenant: 1 });
  const taker = createTaker();
  handover.setTakers([taker]);
  const sockets = Array.from({ length: 3 }, () => new Socket());
  for (const socket of sockets) {
    handover.add(globex, socket);
    taker.finish();
  }
  expect(taker.given).toEqual(sockets);
});

test('an edge that takes nothing gets no more while another one does', () => {
  const handover = new CallHandover();
  const [hung, well] = [createTaker(), createTaker()];
  handover.setTakers([hung, well]);
  for (let call = 0; call < 10; call++) {
    handover.add(globex, new Socket());
    well.finish();
  }
  expect([hung.given.length, well.given.length]).toEqual([1, 9]);
});

test('edges that are alike take turns', () => {
  const handover = new CallHandover();
  const takers = [createTaker(), createTaker()];
  handover.setTakers(takers);
  for (let call = 0; call < 10; call++) {
    handover.add(globex, new Socket());
    for (const taker of takers) taker.finish();
  }
  expect(takers.map(({ given }) => given.length)).toEqual([5, 5]);
});

test('what an edge did not take when it ended goes to the next one, once', () => {
  const handover = new CallHandover();
  const [first, second] = [createTaker(), createTaker()];
  handover.setTakers([first]);
  const [taken, refused, left] = [new Socket(), new Socket(), new Socket()];
  handover.add(globex, taken);
  first.finish();
  handover.add(globex, refused);
  first.finish(new Error('its channel is closed'));
  handover.add(globex, left);
  handover.setTakers([]);
  handover.setTakers([second]);
  second.finish();
  handover.setTakers([createTaker()]);
  expect(second.given).toEqual([refused, left]);
});

test('one that nobody takes is closed when its time is up, and makes room', async () => {
  const handover = new CallHandover({ waitMs: 1, callsPerTenant: 1 });
  const late = new Socket();
  handover.add(globex, late);
  await once(late, 'close');
  const next = new Socket();
  handover.add(globex, next);
  expect(next.destroyed).toBe(false);
});
