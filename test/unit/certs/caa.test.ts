import { describe, expect, test } from 'vitest';
import { findCaa, permitsCa } from '../../../src/certs/caa.ts';
import type { CaaRecord } from '../../../src/certs/dns-lookup.ts';

const record = (tag: string, value: string, critical = false): CaaRecord => ({ tag, value, critical });

describe('findCaa', () => {
  const tree: Record<string, CaaRecord[]> = {
    'example.com': [record('issue', 'ca.example')],
    'deep.www.example.com': [record('iodef', 'mailto:x')],
  };
  const asked: string[] = [];
  const lookUp = (name: string): Promise<CaaRecord[]> => {
    asked.push(name);
    return Promise.resolve(tree[name] ?? []);
  };

  test('climbs to the nearest name that has records, and asks for no star', async () => {
    expect((await findCaa('*.shops.example.com', lookUp))?.at).toBe('example.com');
    expect(asked).toEqual(['shops.example.com', 'example.com']);
    expect((await findCaa('deep.www.example.com', lookUp))?.at).toBe('deep.www.example.com');
  });

  test('ends at the top', async () => {
    asked.length = 0;
    expect(await findCaa('a.b.other', lookUp)).toBeUndefined();
    expect(asked).toEqual(['a.b.other', 'b.other', 'other']);
  });
});

describe('permitsCa', () => {
  const ours = ['ca.example', 'www.ca.example'];
  test.each<[string, CaaRecord[], boolean, boolean]>([
    ['the CA itself', [record('issue', 'ca.example')], false, true],
    ['the CA with parameters, in capitals', [record('issue', ' CA.example ; validationmethods=http-01')], false, true],
    ['another CA', [record('issue', 'other.example')], false, false],
    ['several, one of them ours', [record('issue', 'other.example'), record('issue', 'www.ca.example')], false, true],
    ['nobody', [record('issue', ';')], false, false],
    ['only where to complain', [record('iodef', 'mailto:ops@example.com')], false, true],
    ['nobody for wildcards, for a name', [record('issue', 'ca.example'), record('issuewild', ';')], false, true],
    ['nobody for wildcards, for a wildcard', [record('issue', 'ca.example'), record('issuewild', ';')], true, false],
    ['wildcards alone, for a name', [record('issuewild', 'ca.example')], false, true],
    ['`issue` counts for a wildcard where no `issuewild` is', [record('issue', 'other.example')], true, false],
    ['something critical that nobody knows', [record('issue', 'ca.example'), record('tbs', 'x', true)], false, false],
    ['something else that nobody knows', [record('issue', 'ca.example'), record('tbs', 'x')], false, true],
  ])('%s', (_what, records, isWildcard, isPermitted) => {
    expect(permitsCa({ at: 'example.com', records }, isWildcard, ours)).toBe(isPermitted);
  });

  test('a CA that names itself nowhere is not judged', () => {
    expect(permitsCa({ at: 'example.com', records: [record('issue', ';')] }, false, [])).toBe(true);
  });
});
