import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { type CallName, policy } from '../../../src/daemon/policy.ts';
import { createPreviews, type PreviewParts } from '../../../src/daemon/proposal-preview.ts';
import { createProposals, type Proposals } from '../../../src/daemon/proposals.ts';
import { openStore, type Store } from '../../../src/daemon/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const dayMs = 86_400_000;

let file: string;
let store: Store;
let clockMs: number;
let proposals: Proposals;

const open = (): Store => openStore(file, { first: 200_000, count: 5, isTaken: () => false });
const add = (params: object = {}, call = 'app-scale') =>
  proposals.add({ tenant: acme, call, params, proposedBy: 'token abcdef (agent of acme)' });
const codeOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

beforeEach(() => {
  file = join(temporaryFolder({ inMemory: true }), 'state.db');
  store = open();
  onTestFinished(() => store.close());
  clockMs = Date.UTC(2026, 0, 1);
  proposals = createProposals({ rows: store.proposals, nowMs: () => clockMs });
});

describe('a proposal', () => {
  test('is decided once, by whoever comes first', () => {
    const row = add({ workers: 2 });
    expect(proposals.move(row, 'open', 'approving', { actor: 'operator' })).toMatchObject({ state: 'approving', decidedBy: 'operator' });
    expect(codeOf(() => proposals.move(row, 'open', 'approving', { actor: 'another' }))).toBe('TENANTD_E_NO_SUCH_PROPOSAL');
    expect(codeOf(() => proposals.move(row, 'open', 'denied', { actor: 'another' }))).toBe('TENANTD_E_NO_SUCH_PROPOSAL');
    proposals.move(row, 'approving', 'done', { actor: 'operator' });
    expect(codeOf(() => proposals.move(row, 'open', 'approving', { actor: 'operator' }))).toBe('TENANTD_E_NO_SUCH_PROPOSAL');
    expect(proposals.list('acme')).toMatchObject([{ state: 'done', params: { workers: 2 }, decidedBy: 'operator' }]);
  });

  test('that was being carried out when the daemon ended is not carried out again', () => {
    const row = add();
    proposals.move(row, 'open', 'approving', { actor: 'operator' });
    store.close();
    store = open();
    const later = createProposals({ rows: store.proposals, nowMs: () => clockMs });
    later.takeUp();
    expect(later.list('acme')).toMatchObject([{ state: 'interrupted', decidedBy: 'operator' }]);
    expect(codeOf(() => later.move(row, 'open', 'approving', { actor: 'operator' }))).toBe('TENANTD_E_NO_SUCH_PROPOSAL');
  });

  test('waits for a week', () => {
    const row = add();
    clockMs += 7 * dayMs - 1;
    expect(proposals.expire()).toEqual([]);
    clockMs += 1;
    expect(proposals.expire().map(({ id }) => id)).toEqual([row.id]);
    expect(proposals.list('acme')).toMatchObject([{ state: 'expired', decidedBy: 'tenantd' }]);
    expect(proposals.expire()).toEqual([]);
  });

  test('of another tenant is as one that is not there', () => {
    const { id } = add();
    expect(codeOf(() => proposals.find('globex', id))).toBe('TENANTD_E_NO_SUCH_PROPOSAL');
    expect(codeOf(() => proposals.find('acme', 'aaaaaa'))).toBe('TENANTD_E_NO_SUCH_PROPOSAL');
    expect(proposals.find('acme', id).id).toBe(id);
    expect(proposals.find(undefined, id).id).toBe(id);
  });

  test('to deploy takes the place of the one before, of that app', () => {
    const [site, shop] = ['site', 'shop'].map((app) => add({ app, release: 'r' }, 'app-deploy'));
    const restart = add({ app: 'site' }, 'app-restart');
    proposals.replaceDeploys(acme, 'site' as AppName, 'an agent');
    const states = new Map(proposals.list('acme').map(({ id, state }) => [id, state]));
    expect([site, shop, restart].map((row) => states.get(row?.id ?? ''))).toEqual(['replaced', 'open', 'open']);
  });
});

describe('a tenant', () => {
  test('has at most 100 proposals that wait, and 100 that were decided', () => {
    for (let count = 0; count < 100; count += 1) {
      proposals.assertRoom(acme, {});
      add();
    }
    expect(codeOf(() => proposals.assertRoom(acme, {}))).toBe('TENANTD_E_TOO_MANY');
    expect(codeOf(() => proposals.assertRoom('globex' as TenantName, {}))).toBeUndefined();
    for (let round = 0; round < 3; round += 1) {
      for (const { id } of proposals.list('acme').filter(({ state }) => state === 'open'))
        proposals.move(proposals.find('acme', id), 'open', 'denied', { actor: 'operator' });
      for (let count = 0; count < 60; count += 1) add();
    }
    expect(proposals.list('acme').filter(({ state }) => state === 'denied').length).toBe(100);
  });

  test('proposes nothing that is too large to be kept', () => {
    expect(codeOf(() => proposals.assertRoom(acme, { names: ['x'.repeat(17_000)] }))).toBe('TENANTD_E_TOO_MANY');
  });
});

test('all that the policy lets an agent propose can be shown before it is done', () => {
  const proposable = (Object.keys(policy) as CallName[]).filter((call) => policy[call].may.agent === 'propose');
  const missing = (): never => {
    throw new Error('nothing is shown here');
  };
  const previews = createPreviews({
    operation: missing,
    tenantOf: missing,
    appOf: missing,
    store,
    releases: {} as PreviewParts['releases'],
  });
  expect(Object.keys(previews).sort()).toEqual(proposable.sort());
});
