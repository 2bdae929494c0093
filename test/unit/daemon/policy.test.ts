import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { type CallName, type Cells, decide, policy, type Rule, type Verdict } from '../../../src/daemon/policy.ts';
import { controlCalls } from '../../../src/protocol/control.ts';
import { tenantRoles, type TenantRole } from '../../../src/protocol/token-calls.ts';

const acme = 'acme' as TenantName;
const calls = Object.keys(policy) as CallName[];
const ruleOf = (call: CallName): Rule => policy[call];
const documented = readTable();

/** By call, and by call and what makes it special: README.md is what the policy is held against. */
function readTable(): Map<string, Cells> {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const [, block = ''] = /<!-- roles -->\n([\s\S]*?)<!-- \/roles -->/.exec(readme) ?? [];
  const rows = block.split('\n').filter((line) => line.startsWith('| `'));
  return new Map(rows.flatMap(readRow));
}

function readRow(line: string): [string, Cells][] {
  const [names = '', ...verdicts] = line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
  const [viewer, deployer, admin, agent] = verdicts.map((verdict) => verdict.replace('proposes', 'propose') as Verdict);
  if (!viewer || !deployer || !admin || !agent) throw new Error(`no row of four roles: ${line}`);
  const words = / ([^`]*)$/.exec(names)?.[1] ?? '';
  return [...names.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => [`${name} ${words}`.trim(), { viewer, deployer, admin, agent }]);
}

/** What makes a call special, by its words. */
const specials: Record<string, object> = {
  'with secrets': { secrets: true },
  'only tried': { dryRun: true },
  'of role admin': { role: 'admin' },
};

const verdictOf = (role: TenantRole, call: CallName, params: object): Verdict =>
  decide({ role, tenant: acme, token: 'abcdef' }, call, params).verdict;

test('the table has a row for each call, and README.md the same', () => {
  expect(calls.sort()).toEqual(Object.keys(controlCalls).sort());
  const rows = calls.flatMap((call) => {
    const { special } = ruleOf(call);
    return [call, ...(special ? [`${call} ${special.words}`] : [])];
  });
  expect([...documented.keys()].sort()).toEqual(rows.sort());
});

describe.each(calls)('%s', (call) => {
  const { about, special } = ruleOf(call);
  const kinds = [{ words: '', more: {} }, ...(special ? [{ words: special.words, more: specials[special.words] }] : [])];

  test.each(tenantRoles)('is decided for a %s of its own tenant as documented', (role) => {
    for (const { words, more } of kinds) {
      expect(more).toBeDefined();
      expect(verdictOf(role, call, { tenant: 'acme', ...more })).toBe(documented.get(`${call} ${words}`.trim())?.[role]);
    }
  });

  test.each(about === 'any' ? [] : tenantRoles)(
    'is refused to a %s of another tenant, in the same words whether that is there or not',
    (role) => {
      const asked = ['globex', 'nobody', ''].map((tenant) => decide({ role, tenant: acme, token: 'abcdef' }, call, { tenant }));
      for (const decision of asked) {
        expect(decision).toMatchObject({ verdict: 'no', error: { code: 'TENANTD_E_DENIED' } });
        expect(decision).toEqual(asked[0]);
      }
    },
  );

  test("is the operator's", () => {
    expect(decide({ role: 'operator' }, call, { tenant: 'globex' })).toEqual({ verdict: 'yes', params: { tenant: 'globex' } });
    expect(decide({ role: 'operator', token: 'abcdef' }, call, {})).toEqual({ verdict: 'yes', params: {} });
  });

  test("without a tenant means the token's own, or nothing", () => {
    const decision = decide({ role: 'admin', tenant: acme, token: 'abcdef' }, call, {});
    const own =
      about === 'own' && documented.get(call)?.admin === 'yes' ? { verdict: 'yes', params: { tenant: 'acme' } } : { verdict: 'no' };
    expect(decision).toMatchObject(about === 'any' ? { verdict: 'yes', params: {} } : own);
  });
});

test('a call that names a tenant is decided by that', () => {
  const naming = calls.filter((call) => 'tenant' in controlCalls[call].shape);
  expect(naming.length).toBeGreaterThan(20);
  expect(naming.filter((call) => ruleOf(call).about === 'any')).toEqual([]);
});
