import { describe, expect, test } from 'vitest';
import type { TenantCreateResult, TenantListResult, TenantMark } from '../../../src/protocol/tenant-calls.ts';
import { startControlPeer } from './control-peer.ts';
import { runTenantctl } from './run-tenantctl.ts';

const created: TenantCreateResult = {
  ...{ tenant: 'acme', folder: '/srv/tenantd/tenants/acme', domains: ['acme.example'], plan: 'starter', urls: ['https://acme.example/'] },
  tookMs: 212,
};
const suspended: TenantMark = { state: 'suspended', since: '2026-01-02T03:04:05.000Z', by: 'operator', reason: 'not\u001b[2J paid' };
const removing: TenantMark = { state: 'removing', since: '2026-01-02T03:04:05.000Z', by: 'operator', until: '2126-01-09T03:04:05.000Z' };
const list: TenantListResult = {
  tenants: [
    { name: 'acme', state: 'running', since: suspended.since, plan: 'starter', domains: 2, diskBytes: 3 << 20 },
    { name: 'globex', state: 'suspended', since: suspended.since, plan: 'business', domains: 1, diskBytes: 0, mark: suspended },
    { name: 'hooli', state: 'removing', since: suspended.since, plan: 'starter', domains: 1, diskBytes: 512, mark: removing },
  ],
};

async function ctl(...args: string[]) {
  const peer = await startControlPeer({
    'tenant-create': () => created,
    'tenant-list': () => list,
    'tenant-suspend': () => ({ tenant: 'acme', mark: suspended }),
    'tenant-resume': () => ({ tenant: 'acme' }),
    'tenant-remove': (params) => ({ tenant: 'acme', ...((params as { now: boolean }).now ? {} : { mark: removing }) }),
  });
  return { ...(await runTenantctl(['--config', peer.configFile, 'tenant', ...args])), calls: peer.calls };
}

describe('tenantctl tenant', () => {
  test('create asks for what was said, and shows where it answers', async () => {
    const args = ['--domain', 'acme.example', '*.acme.example', '--plan', 'starter', '--template', 'site', '--set', 'title=A = B', 'x='];
    const { exitCode, stdout, calls } = await ctl('create', 'acme', ...args);
    expect(exitCode).toBe(0);
    expect(stdout).toBe('acme: created with plan starter in 212 ms, /srv/tenantd/tenants/acme\n  https://acme.example/\n');
    const params = { tenant: 'acme', domains: ['acme.example', '*.acme.example'], plan: 'starter', template: 'site' };
    expect(calls).toEqual([{ method: 'tenant-create', params: { ...params, set: { title: 'A = B', x: '' } } }]);
  });

  test('list shows each with its state, and who is suspended or removed since when, until when and why', async () => {
    const { stdout } = await ctl('list');
    expect(stdout).toMatch(/^TENANT +STATE +PLAN +DOMAINS +DISK$/m);
    expect(stdout).toMatch(/^acme +running +starter +2 +3.0 MiB$/m);
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toMatch(/suspended \d.* ago \(2026-01-02\) by operator: not paid/);
    expect(words).toMatch(/removed \d.* by operator; its data is deleted in \d.* d \(2126-01-09\)/);
    expect(stdout).not.toContain('\u001b');
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test.each([
    [['suspend', 'acme', '--reason', 'x y'], 'tenant-suspend', { tenant: 'acme', reason: 'x y' }, 'acme: suspended'],
    [['resume', 'acme'], 'tenant-resume', { tenant: 'acme' }, 'acme: in service'],
    [['remove', 'acme'], 'tenant-remove', { tenant: 'acme', now: false }, 'acme: removed'],
    [['remove', 'acme', '--now', '--yes'], 'tenant-remove', { tenant: 'acme', now: true }, 'nothing of it is left'],
  ])('%j asks the daemon', async (args, method, params, words) => {
    const { exitCode, stdout, calls } = await ctl(...args);
    expect([exitCode, calls]).toEqual([0, [{ method, params }]]);
    expect(stdout).toContain(words);
  });

  test.each([
    [['create', 'acme', '--domain', 'acme.example'], created],
    [['list'], list],
    [['suspend', 'acme'], { ok: true, tenant: 'acme', mark: suspended }],
    [['remove', 'acme', '--now', '--yes'], { ok: true, tenant: 'acme' }],
  ])('%j --json prints one document', async (args, expected) => {
    expect(JSON.parse((await ctl(...args, '--json')).stdout)).toEqual(expected);
  });

  test.each([
    [['remove', 'acme', '--now'], 2, '--yes'],
    [['create', 'acme'], 2, '--domain'],
    [['create', 'acme', '--domain', 'a.example', '--set', 'title'], 2, 'is not KEY=VALUE'],
    [['suspend', 'ACME'], 1, 'there is no tenant'],
  ])('%j is refused before anything is asked', async (args, code, words) => {
    const { exitCode, stderr, calls } = await ctl(...args);
    expect([exitCode, calls]).toEqual([code, []]);
    expect(stderr).toContain(words);
  });
});
