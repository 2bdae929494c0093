import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { createBackupTurns } from '../../../src/daemon/backup-turns.ts';

test('tokens of tenants can not take the turn of the operator', () => {
  const turns = createBackupTurns();
  const first = turns.take('a', 'a backup', true);
  turns.take('b', 'a backup', true);
  expect(() => turns.take('c', 'a backup', true)).toThrow('2 backups or restores are under way, which is the limit');
  turns.take('c', 'a backup', false);
  expect(() => turns.take('d', 'a backup', false)).toThrow('3 backups or restores are under way, which is the limit');
  first.leave();
  turns.take('d', 'a backup', false);
});

test('a tenant is read by one at a time, who is cut off when it is deleted', () => {
  const turns = createBackupTurns();
  const tenant = 'acme' as TenantName;
  const turn = turns.take(tenant, 'a clone', false);
  turn.stream = new PassThrough();
  expect(() => turns.take(tenant, 'a backup', true)).toThrow('a clone of acme is under way');
  turns.cutOff(tenant);
  expect(turn.stream.destroyed).toBe(true);
  expect(turns.isTaken(tenant)).toBe(true);
  turn.leave();
  expect(turns.isTaken(tenant)).toBe(false);
});
