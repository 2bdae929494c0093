import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { CompressionShare, type CompressionUser } from '../../../src/edge/compression-share.ts';

const acme = 'acme' as TenantName;
const globex = 'globex' as TenantName;
const initech = 'initech' as TenantName;

/** What runs, in this order. */
function follow(): { ran: string[]; user: (tenant: TenantName, name: string) => CompressionUser } {
  const ran: string[] = [];
  return { ran, user: (tenant, name) => ({ tenant, run: () => void ran.push(name) }) };
}

describe('the room for compression', () => {
  test('ends for one tenant before it ends for all', () => {
    const share = new CompressionShare({ open: 3, openOfTenant: 2, running: 1 });
    const { user } = follow();
    expect([share.enter(acme, false), share.enter(acme, false), share.enter(acme, false)]).toEqual([true, true, false]);
    expect([share.enter(globex, false), share.enter(globex, false)]).toEqual([true, false]);
    share.leave(user(acme, ''));
    expect([share.enter(initech, false), share.enter(initech, false)]).toEqual([true, false]);
  });

  test('is half for what never ends', () => {
    const share = new CompressionShare({ open: 8, openOfTenant: 4, running: 1 });
    expect([share.enter(acme, true), share.enter(acme, true), share.enter(acme, true)]).toEqual([true, true, false]);
    expect([share.enter(acme, false), share.enter(acme, false), share.enter(acme, false)]).toEqual([true, true, false]);
    expect(share.enter(globex, true)).toBe(false);
    expect(share.enter(globex, false)).toBe(true);
  });
});

describe('turns', () => {
  test('are taken by no more than may run, and at once where there is room', () => {
    const share = new CompressionShare({ open: 8, openOfTenant: 8, running: 2 });
    const { ran, user } = follow();
    for (const name of ['a', 'b', 'c', 'd']) share.ask(user(acme, name));
    expect(ran).toEqual(['a', 'b']);
    share.finish();
    expect(ran).toEqual(['a', 'b', 'c']);
    share.finish();
    share.finish();
    share.finish();
    share.ask(user(acme, 'e'));
    expect(ran).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('go round the tenants, however many answers one has', () => {
    const share = new CompressionShare({ open: 16, openOfTenant: 16, running: 1 });
    const { ran, user } = follow();
    for (const name of ['a0', 'a1', 'a2', 'a3']) share.ask(user(acme, name));
    share.ask(user(globex, 'g1'));
    share.ask(user(globex, 'g2'));
    share.ask(user(initech, 'i1'));
    for (let piece = 0; piece < 7; piece++) share.finish();
    expect(ran).toEqual(['a0', 'a1', 'g1', 'i1', 'a2', 'g2', 'a3']);
  });

  test('are not given to those that left', () => {
    const share = new CompressionShare({ open: 4, openOfTenant: 4, running: 1 });
    const { ran, user } = follow();
    const gone = user(acme, 'gone');
    share.ask(user(acme, 'a'));
    share.enter(acme, false);
    share.ask(gone);
    share.leave(gone);
    share.finish();
    share.ask(user(acme, 'b'));
    expect(ran).toEqual(['a', 'b']);
  });
});
