import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OrderBudgets, type OrderKey } from '../../../src/certs/order-budgets.ts';
import { ledgerFolder, OrderLedger } from '../../../src/certs/order-ledger.ts';
import { OrderPermit } from '../../../src/certs/order-permit.ts';
import { StateFiles } from '../../../src/certs/state-files.ts';
import type { CertificateBudgets } from '../../../src/protocol/certs.ts';

const hourMs = 3_600_000;
const limits: CertificateBudgets = {
  perTenant: { orders: 3, windowMs: hourMs },
  perRegistrableDomain: { orders: 2, windowMs: 24 * hourMs },
  total: { orders: 5, windowMs: hourMs },
  concurrentNames: 4,
};
const key = (tenant: string, domain: string, isRenewal = false): OrderKey => ({ tenant, domain, isRenewal });

describe('OrderBudgets', () => {
  test('there is room until a budget is used up, and again when its oldest order leaves the window', () => {
    const budgets = new OrderBudgets(limits);
    for (const [index, domain] of ['a.example', 'b.example', 'c.example'].entries()) budgets.add(key('acme', domain), 1_000 + index);
    expect(budgets.roomFor(key('acme', 'd.example'), 2_000)).toEqual({ atMs: 1_000 + hourMs, scope: 'tenant' });
    expect(budgets.roomFor(key('acme', 'd.example'), 1_000 + hourMs)).toEqual({ atMs: 1_000 + hourMs, scope: undefined });
    expect(budgets.roomFor(key('globex', 'd.example'), 2_000)).toEqual({ atMs: 2_000, scope: undefined });
  });

  test('a registrable domain has a budget over all tenants, which renewals do not need', () => {
    const budgets = new OrderBudgets(limits);
    budgets.add(key('acme', 'shared.example'), 0);
    budgets.add(key('globex', 'shared.example'), 1);
    expect(budgets.roomFor(key('initech', 'shared.example'), 2)).toEqual({ atMs: 24 * hourMs, scope: 'domain' });
    expect(budgets.roomFor(key('initech', 'shared.example', true), 2).scope).toBeUndefined();
  });

  test('all tenants together have a budget', () => {
    const budgets = new OrderBudgets(limits);
    for (let index = 0; index < 5; index += 1) budgets.add(key(`tenant-${index}`, `${index}.example`), index);
    expect(budgets.roomFor(key('other', 'other.example'), 10)).toEqual({ atMs: hourMs, scope: 'total' });
  });

  test('what is reserved is not free, until it is given back', () => {
    const budgets = new OrderBudgets(limits);
    for (let index = 0; index < 3; index += 1) budgets.reserve(key('acme', `${index}.example`));
    expect(budgets.roomFor(key('acme', 'd.example'), 0)).toEqual({ atMs: 1_000, scope: 'tenant' });
    budgets.giveBack(key('acme', '0.example'));
    expect(budgets.roomFor(key('acme', 'd.example'), 0).scope).toBeUndefined();
  });

  test('a budget of nothing never has room', () => {
    const budgets = new OrderBudgets({ ...limits, total: { orders: 0, windowMs: hourMs } });
    expect(budgets.roomFor(key('acme', 'a.example'), 5)).toEqual({ atMs: 5 + hourMs, scope: 'total' });
  });
});

describe('OrderLedger', () => {
  let directory: string;
  let files: StateFiles;
  let file: string;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'ledger-'));
    files = await StateFiles.open(directory, [ledgerFolder]);
    file = join(directory, ledgerFolder, 'orders.jsonl');
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const open = (nowMs: number): Promise<OrderLedger> => OrderLedger.open(files, limits, nowMs);

  test('a restart gives no order more, whatever the windows are set to later', async () => {
    const ledger = await open(0);
    await Promise.all([1, 2].map((index) => ledger.place(key('acme', 'a.example'), index)));
    const again = await open(12 * hourMs);
    expect(again.budgets.roomFor(key('globex', 'a.example'), 12 * hourMs)).toEqual({ atMs: 1 + 24 * hourMs, scope: 'domain' });
    again.budgets.setLimits({ ...limits, total: { orders: 2, windowMs: 20 * hourMs } });
    expect(again.budgets.roomFor(key('globex', 'b.example'), 12 * hourMs)).toEqual({ atMs: 1 + 20 * hourMs, scope: 'total' });
  });

  test('a line that was torn by a crash costs that line alone, and not the next one', async () => {
    const ledger = await open(0);
    await ledger.place(key('acme', 'a.example'), 1);
    appendFileSync(file, '{"atMs":2,"tenant":"ac');
    const again = await open(3);
    await again.place(key('acme', 'a.example'), 4);
    const last = await open(5);
    expect(last.budgets.roomFor(key('acme', 'a.example'), 5).scope).toBe('domain');
    expect(readFileSync(file, 'utf8').split('\n').length).toBe(3);
  });

  test('an empty file, and one with garbage, begin anew', async () => {
    for (const text of ['', '\0\0\0\0', '[]\n{}\n']) {
      writeFileSync(file, text);
      expect((await open(5)).budgets.roomFor(key('acme', 'a.example'), 5).scope).toBeUndefined();
    }
  });

  test('orders from the future, written by a wrong clock, do not stop everything', async () => {
    const ledger = await open(0);
    for (let index = 0; index < 5; index += 1) await ledger.place(key('acme', 'a.example'), 1_000 * 24 * hourMs);
    expect((await open(5)).budgets.roomFor(key('acme', 'a.example'), 5).scope).toBeUndefined();
  });

  test('a permit gives back what it did not use, and asks again for a second order', async () => {
    const ledger = await open(0);
    const permit = new OrderPermit(ledger, key('acme', 'a.example'), () => 10);
    await permit.use();
    await permit.use();
    await expect(permit.use()).rejects.toMatchObject({ blame: 'outside', retryAfterMs: 24 * hourMs });
    permit.release();
    const unused = new OrderPermit(ledger, key('acme', 'b.example'), () => 10);
    expect(ledger.budgets.roomFor(key('acme', 'b.example'), 10).scope).toBe('tenant');
    unused.release();
    expect(ledger.budgets.roomFor(key('acme', 'b.example'), 10).scope).toBeUndefined();
  });
});
