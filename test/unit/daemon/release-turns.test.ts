import { expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { createReleaseTurns, deployTurn } from '../../../src/daemon/release-turns.ts';

const place = (app: string, tenant = 'acme') => ({ tenant: tenant as TenantName, app: app as AppName });
const busy = (pattern: RegExp) =>
  expect.objectContaining({ code: 'TENANTD_E_BUSY', message: expect.stringMatching(pattern) as unknown }) as unknown;

test('of one app one thing is done at a time, and the second is told who and since when', () => {
  const turns = createReleaseTurns();
  const leave = turns.take(place('site'), deployTurn, 'alice');
  expect(() => turns.take(place('site'), 'a rollback', 'bob')).toThrow(
    busy(/^a deploy of acme\/site is under way, begun by alice at \d{4}-.*Z$/),
  );
  expect(turns.isTaken(place('site'))).toBe(true);
  leave();
  turns.take(place('site'), 'a rollback', 'bob');
});

test('so many deploys are under way at most, and a rollback never waits for one', () => {
  const turns = createReleaseTurns();
  for (let count = 0; count < 8; count += 1) turns.take(place('site', `tenant${count}`), deployTurn, 'alice');
  expect(() => turns.take(place('one-more'), deployTurn, 'alice')).toThrow(busy(/8 deploys/));
  turns.take(place('one-more'), 'a rollback', 'tenantd');
});

test('a tenant has two deploys under way at most, and others have theirs', () => {
  const turns = createReleaseTurns();
  const leave = turns.take(place('one'), deployTurn, 'alice');
  turns.take(place('two'), deployTurn, 'alice');
  expect(() => turns.take(place('three'), deployTurn, 'alice')).toThrow(busy(/^2 deploys of acme are/));
  turns.take(place('three', 'acme-2'), deployTurn, 'bob');
  leave();
  turns.take(place('three'), deployTurn, 'alice');
});

test('none is given once the daemon stops', () => {
  const turns = createReleaseTurns();
  turns.end();
  expect(() => turns.take(place('site'), deployTurn, 'alice')).toThrow('the daemon stops');
  expect(turns.ending.aborted).toBe(true);
});
