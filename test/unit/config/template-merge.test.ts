import { expect, test } from 'vitest';
import { mergeYaml } from '../../../src/config/template-merge.ts';
import { parseYaml } from '../../../src/config/yaml-source.ts';

const valueOf = (text: string | undefined): unknown => parseYaml(text ?? '', '').source?.value;

test('what only one of both changed is as that one has it', () => {
  const base = 'domains: [a.example]\nplan: starter\nidle: 10m\n';
  const ours = '# ours\ndomains: [a.example]\nplan: business # bought\nidle: 10m\n';
  const theirs = 'domains: [a.example]\nplan: starter\nidle: 1h\ntls: { hsts: 1d }\n';
  const merged = mergeYaml(base, ours, theirs, false);
  expect(merged?.conflicts).toEqual([]);
  expect(valueOf(merged?.text)).toEqual({ domains: ['a.example'], plan: 'business', idle: '1h', tls: { hsts: '1d' } });
  expect(merged?.text).toMatch(/^# ours\n[^]*plan: business # bought\n/);
});

test('an unchanged side leaves the other as it is written', () => {
  expect(mergeYaml('a: 1\n', 'a:   1 # x\n', 'a: 1\n', false)?.text).toBe('a:   1 # x\n');
  expect(mergeYaml('a: 1\n', 'a: 1\n', 'a: 2   # y\n', false)?.text).toBe('a: 2   # y\n');
});

test('keys below a key are merged one by one', () => {
  const merged = mergeYaml('limits: { memory: 256M }\n', 'limits: { memory: 512M }\n', 'limits: { memory: 256M, disk: 1G }\n', false);
  expect(valueOf(merged?.text)).toEqual({ limits: { memory: '512M', disk: '1G' } });
});

test('entries of lists that either side added stay, and those that either took away go', () => {
  const base = 'domains:\n  - a.example # main\n  - b.example\n  - c.example\n';
  const ours = 'domains:\n  - a.example # main\n  - b.example\n  - added.example\n';
  const theirs = 'domains:\n  - a.example\n  - c.example\n  - { name: www.a.example, redirectTo: a.example }\n';
  const merged = mergeYaml(base, ours, theirs, false);
  expect(valueOf(merged?.text)).toEqual({
    domains: ['a.example', 'added.example', { name: 'www.a.example', redirectTo: 'a.example' }],
  });
  expect(merged?.text).toContain('a.example # main');
});

test('what both changed is a conflict, left as the operator has it, or with force as the template has it', () => {
  const [base, ours, theirs] = ['plan: starter\nidle: 1m\n', 'plan: large\nidle: 1m\n', 'plan: small\nidle: 2m\n'];
  const left = mergeYaml(base, ours, theirs, false);
  expect([left?.conflicts, valueOf(left?.text)]).toEqual([['plan'], { plan: 'large', idle: '2m' }]);
  const forced = mergeYaml(base, ours, theirs, true);
  expect([forced?.conflicts, valueOf(forced?.text)]).toEqual([['plan'], { plan: 'small', idle: '2m' }]);
});

test('a key that the template took away goes, unless the operator changed it', () => {
  expect(valueOf(mergeYaml('a: 1\nb: 2\n', 'a: 1\nb: 2\nc: 3\n', 'a: 1\n', false)?.text)).toEqual({ a: 1, c: 3 });
  expect(mergeYaml('a: 1\nb: 2\n', 'a: 1\nb: 4\n', 'a: 1\n', false)?.conflicts).toEqual(['b']);
});

test('a broken file is not merged', () => {
  expect(mergeYaml('a: 1\n', 'a: [\n', 'a: 2\n', false)).toBeUndefined();
});

test('what an alias would change elsewhere is not merged', () => {
  const ours = 'limits: &l { memory: 1G }\nother: *l\n';
  const merged = mergeYaml(
    'limits: { memory: 1G }\nother: { memory: 1G }\n',
    ours,
    'limits: { memory: 2G }\nother: { memory: 1G }\n',
    false,
  );
  expect(merged === undefined || valueOf(merged.text)).toSatisfy(
    (value: unknown) => value === true || JSON.stringify(value) === '{"limits":{"memory":"2G"},"other":{"memory":"1G"}}',
  );
});
