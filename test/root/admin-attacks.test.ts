import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authenticate } from '../../src/protocol/token-calls.ts';
import { treasures } from './attack-support.ts';
import { type AttackWorld, openAttackWorld, wordsIn } from './attack-world.ts';
import { connectWith, ctlAs } from './token-support.ts';

type Attack = [call: string, params: Record<string, unknown>, code: string];

describe('the admin of a tenant, with a token', () => {
  let world: AttackWorld;
  beforeAll(async () => {
    world = await openAttackWorld();
  }, 120_000);
  afterAll(() => world?.[Symbol.asyncDispose]());

  async function expectRefused(attacks: readonly Attack[]): Promise<void> {
    for (const [call, params, code] of attacks) {
      const answer = await world.answerTo(call, params);
      expect([call, params, answer]).toEqual([call, params, expect.stringContaining(`${code}: `)]);
      expect(wordsIn(answer, world, JSON.stringify(params))).toEqual([]);
    }
  }

  test("is refused everything that is the neighbour's by name", async () => {
    const app = { tenant: 'beta', app: treasures.app };
    const log = { tenant: 'beta', lines: 10, follow: false };
    const calls: Record<string, object> = {
      'app-deploy': app,
      'app-rollback': { ...app, to: 'local' },
      'app-stop': app,
      'app-scale': { ...app, workers: 9 },
      'app-releases': app,
      shell: app,
      exec: { ...app, command: ['id'] },
      logs: log,
      'access-logs': { ...log, follow: true },
      'secret-list': { tenant: 'beta' },
      'secret-set': { ...app, name: 'DB_PASSWORD', value: 'mine', wait: false },
      'schedule-run': { ...app, name: 'nightly', wait: false },
      'tenant-backup': { tenant: 'beta' },
      'domain-remove': { tenant: 'beta', names: [treasures.domain] },
      verify: { tenant: 'beta' },
      usage: { tenant: 'beta', by: 'hour', byApp: true },
      faults: { tenant: 'beta', most: 10 },
      status: { tenant: 'beta' },
      'audit-list': { tenant: 'beta', order: 'newest', limit: 500 },
      'token-create': { tenant: 'beta', role: 'viewer' },
      'token-revoke': { tenant: 'beta', id: world.beta.tokenId },
      'proposal-approve': { tenant: 'beta', id: world.beta.proposal },
      'tenant-remove': { tenant: 'beta', now: true },
      'tenant-clone': { tenant: 'beta', as: 'mine', domains: ['mine.example'] },
      'tenant-restore': { as: 'beta' },
      metrics: {},
      'audit-head': {},
      'plan-list': {},
      reload: { edges: true },
    };
    await expectRefused(Object.entries(calls).map(([call, params]): Attack => [call, { ...params }, 'TENANTD_E_DENIED']));
    expect(await world.footprint()).toEqual(world.before);
  });

  test('finds no spelling of a name, and no further parameter, that means the neighbour', async () => {
    const odd = [
      'Beta',
      'beta ',
      'beta\0',
      '../beta',
      'alpha/../beta',
      'beta/vault',
      '__proto__',
      '',
      'bet\u0430',
      ['beta'],
      { name: 'beta' },
      null,
      0,
    ];
    const attacks = odd.map((tenant): Attack => ['status', { tenant }, 'TENANTD_E_(INVALID_REQUEST|DENIED)']);
    const more = ['who', 'role', 'actor', 'operator', 'tenants', 'all'].map((key): Attack => [
      'status',
      { tenant: 'alpha', [key]: 'beta' },
      'TENANTD_E_INVALID_REQUEST',
    ]);
    for (const [call, params, code] of [...attacks, ...more]) expect(await world.answerTo(call, params)).toMatch(new RegExp(`^${code}: `));
    const raw = await connectWith(world.daemon, world.token);
    await expect(raw.request('constructor', {})).rejects.toMatchObject({ code: 'TENANTD_E_UNKNOWN_METHOD' });
    await expect(raw.request(authenticate, { token: world.beta.viewer })).rejects.toMatchObject({ code: 'TENANTD_E_UNKNOWN_METHOD' });
    raw.close();
    expect(await world.footprint()).toEqual(world.before);
  });

  test('gets nothing of the neighbour through what is its own', async () => {
    const own = { tenant: 'alpha', app: 'site' };
    await expectRefused([
      ...[
        world.beta.release,
        `../../../beta/apps/vault/releases/${world.beta.release}`,
        '../../../beta/apps/vault',
        'local/../../../beta',
      ].map((to): Attack => ['app-rollback', { ...own, to }, 'TENANTD_E_NO_SUCH_RELEASE']),
      ['app-restart', { tenant: 'alpha', app: treasures.app }, 'TENANTD_E_NO_SUCH_APP'],
      ['shell', { tenant: 'alpha', app: treasures.app }, 'TENANTD_E_NO_SUCH_APP'],
      ['logs', { tenant: 'alpha', app: treasures.app, lines: 5, follow: false }, 'TENANTD_E_NO_SUCH_APP'],
      ['app-deploy', { tenant: 'alpha', app: '../../beta/apps/vault' }, 'TENANTD_E_INVALID_REQUEST'],
      ['schedule-run', { ...own, name: 'vault', wait: false }, 'TENANTD_E_NO_SUCH_SCHEDULE'],
      ['schedule-history', { ...own, name: '../beta', runs: 5 }, 'TENANTD_E_INVALID_REQUEST'],
      ['secret-set', { tenant: 'alpha', name: '../../beta/vault/DB_PASSWORD', value: 'x', wait: false }, 'TENANTD_E_INVALID_VALUE'],
      ['cert-renew', { tenant: 'alpha', name: treasures.domain, force: true }, 'TENANTD_E_NO_SUCH_DOMAIN'],
      ['domain-check', { name: treasures.domain }, 'TENANTD_E_NO_SUCH_DOMAIN'],
      ['token-revoke', { id: world.beta.tokenId }, 'TENANTD_E_NO_SUCH_TOKEN'],
      ['proposal-show', { id: world.beta.proposal }, 'TENANTD_E_NO_SUCH_PROPOSAL'],
      ['proposal-approve', { id: world.beta.proposal }, 'TENANTD_E_NO_SUCH_PROPOSAL'],
      ['proposal-deny', { id: world.beta.proposal, reason: 'mine' }, 'TENANTD_E_NO_SUCH_PROPOSAL'],
    ]);
    const asked: [string, object][] = [
      ['audit-list', { actor: 'operator', order: 'oldest', from: 0, limit: 500 }],
      ['usage', { by: 'hour', byApp: true, after: { tenant: 'beta', rows: 0 } }],
      ['faults', { most: 1_000, sinceMs: 0 }],
      ['cert-list', { after: 'a' }],
      ...['status', 'grants', 'domain-list', 'token-list', 'proposal-list', 'tenant-list', 'schedule-list'].map(
        (call): [string, object] => [call, {}],
      ),
      ['logs', { tenant: 'alpha', lines: 100, follow: false, after: { 'beta.1': 0, '../../beta/logs/vault': 0 } }],
      ['verify', {}],
      ['secret-list', { tenant: 'alpha' }],
    ];
    for (const [call, params] of asked) {
      const answer = await world.answerTo(call, params);
      expect([call, wordsIn(answer, world)]).toEqual([call, []]);
      expect([call, answer]).toEqual([call, expect.not.stringMatching(/"tenant":"beta"|beta\.test|vault"/)]);
    }
    expect(await world.footprint()).toEqual(world.before);
  });

  test('can not widen itself', async () => {
    await expectRefused([
      ['token-create', { role: 'admin' }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'operator' }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'deployer', lifetimeMs: 'never' }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'deployer', lifetimeMs: 3_000 * 86_400_000 }, 'TENANTD_E_DENIED'],
      ['token-create', { role: 'deployer', tenant: '' }, 'TENANTD_E_INVALID_REQUEST'],
    ]);
    const ctl = await ctlAs(world.daemon, world.token, 'token', 'create', '--tenant', 'beta', '--role', 'viewer');
    expect(ctl).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('TENANTD_E_DENIED') });
    expect(await world.footprint()).toEqual(world.before);
  });

  test('takes no domain of the neighbour, nor one below or over it, in any spelling, though its name servers say so', async () => {
    const add = (code: string, ...names: string[]): Attack[] =>
      names.map((name) => ['domain-add', { tenant: 'alpha', names: ['fine.example', name] }, code]);
    const wide = '\uff42\uff45\uff54\uff41.test';
    await expectRefused([
      ...add('TENANTD_E_DOMAIN_TAKEN', 'beta.test', 'BETA.Test', 'beta.test.', wide),
      ...add('TENANTD_E_DOMAIN_PROOF', 'www.beta.test', 'WWW.beta.TEST.', '*.beta.test', 'a.b.c.beta.test', '*.b.beta.test'),
      ...add(
        'TENANTD_E_BAD_DOMAIN',
        '*.test',
        'beta\u3002test',
        'be\u00adta.test',
        'beta.test%2e',
        'beta.test/',
        'beta.test:80',
        'a.beta.test..',
        'xn--\u0000.test',
      ),
    ]);
    expect((await world.daemon.tenant('alpha')).domains).toEqual(['alpha.test']);
    expect(await world.footprint()).toEqual(world.before);
  });
});
