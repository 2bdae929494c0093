import { beforeEach, describe, expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { starterPlan } from '../../../src/config/plans.ts';
import type { FaultNote } from '../../../src/daemon/fault-book.ts';
import { noteFaultsOf } from '../../../src/daemon/fault-notes.ts';
import type { Tenant } from '../../../src/daemon/tenant.ts';

const [acme, globex] = ['acme', 'globex'] as TenantName[];
const site = 'site' as AppName;
const told = { state: 'quarantined', reason: 'exited with code 1', nextTryAtMs: Date.UTC(2026, 10, 21, 12) };

let noted: FaultNote[];
let noting: ReturnType<typeof noteFaultsOf>;

beforeEach(() => {
  noted = [];
  const tenant = { name: acme, picture: { desired: () => ({}), limits: () => starterPlan }, stateOf: () => told } as unknown as Tenant;
  const lastDetail = (): string | undefined => noted.at(-1)?.detail;
  noting = noteFaultsOf({
    book: { note: (fault) => void noted.push(fault), lastDetail },
    tenants: new Map([[acme ?? '', tenant]]) as never,
  });
});

describe('faults that others see', () => {
  test('are those of tenants that there are, whomever an edge names', () => {
    const hit = { app: 'site', limit: 'requestsPerSecond', count: 7, firstAtMs: 1, lastAtMs: 2 } as const;
    noting.limitHits([
      { ...hit, tenant: 'acme' },
      { ...hit, tenant: 'globex' },
      { ...hit, tenant: '__proto__' },
    ]);
    for (const tenant of ['acme', 'globex']) noting.stall({ tenant, heldUpMs: 151.4, asideMs: 1 });
    expect(noted).toEqual([
      {
        ...{ tenant: acme, app: 'site', kind: 'requestsPerSecond', count: 7, firstAtMs: 1, lastAtMs: 2 },
        detail: 'requests got 429: over 50 a second',
      },
      { tenant: acme, kind: 'stall', detail: 'held up an edge for 151 ms, again and again' },
    ]);
  });

  test('are runs of schedules that failed, and no others', () => {
    const ref = { tenant: globex as TenantName, app: site, name: 'digest' };
    const run = { dueAtMs: 0, cause: 'time' } as const;
    noting.scheduleEnd(ref, { ...run, outcome: 'done', status: 200 });
    noting.scheduleEnd(ref, { ...run, outcome: 'skipped' });
    noting.scheduleEnd(ref, { ...run, outcome: 'failed', status: 500 });
    noting.scheduleEnd(ref, { ...run, outcome: 'lost' });
    noting.scheduleEnd(ref, { ...run, outcome: 'timeout', detail: 'took too long' });
    expect(noted.map(({ detail }) => detail)).toEqual(['digest: answered 500', 'digest: lost', 'digest: took too long']);
  });

  test('are quarantines, each once, however often it is told', () => {
    for (const state of ['running', 'quarantined', 'quarantined'] as const) noting.appState(acme as TenantName, site, state);
    expect(noted.map(({ detail }) => detail)).toEqual(['is left alone until 2026-11-21T12:00:00.000Z: it exited with code 1']);
  });

  test('are releases that were taken back', () => {
    noting.takenBack(globex as TenantName, site, 'taken back by tenantd: it is failed');
    expect(noted).toEqual([{ tenant: globex, app: site, kind: 'release', detail: 'taken back by tenantd: it is failed' }]);
  });
});
