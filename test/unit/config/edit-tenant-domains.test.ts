import { describe, expect, test } from 'vitest';
import { isTenantName } from '../../../src/base/ids.ts';
import { addDomains, type DomainEdit, removeDomains } from '../../../src/config/edit-tenant-domains.ts';
import { parseYaml } from '../../../src/config/yaml-source.ts';

const tenant = 'acme';
if (!isTenantName(tenant)) throw new Error(tenant);
const place = { file: '/t/acme/tenant.yaml', tenant };

const add = (text: string, ...names: string[]): DomainEdit => addDomains(text, names, place);
const remove = (text: string, ...names: string[]): DomainEdit => removeDomains(text, names, place);
const domainsOf = (text = ''): unknown => (parseYaml(text, 'tenant.yaml').source?.value as { domains: unknown } | undefined)?.domains;

const annotated = `# yaml-language-server: $schema=tenant.schema.json
plan:   starter      # aligned by hand

domains:   # theirs
    - acme.example   # the main one
    # shops
    - "*.shops.acme.example"
    -   { name: www.acme.example,   redirectTo: acme.example }
    # - old.example

tls: {redirect: true,
  hsts: 0}   # not yet
branding:
   name: 'Acme & Sons'
`;

describe('adding', () => {
  test('puts names behind the last entry, and changes nothing else', () => {
    const www = '    -   { name: www.acme.example,   redirectTo: acme.example }\n';
    expect(add(annotated, 'blog.acme.example', '*.b.example')).toEqual({
      text: annotated.replace(www, `${www}    - blog.acme.example\n    - "*.b.example"\n`),
      changed: ['blog.acme.example', '*.b.example'],
      unchanged: [],
      problems: [],
    });
  });

  test('writes names as requests are compared with them, each once, and tells those that are there', () => {
    expect(add('domains:\n- acme.example\n', 'Bücher.Example.', 'ACME.example', 'xn--bcher-kva.example')).toEqual({
      text: 'domains:\n- acme.example\n- xn--bcher-kva.example\n',
      changed: ['xn--bcher-kva.example'],
      unchanged: ['acme.example'],
      problems: [],
    });
  });

  test('gives the text back as it is when all names are there', () => {
    expect(add(annotated, 'www.acme.example')).toEqual({ text: annotated, changed: [], unchanged: ['www.acme.example'], problems: [] });
  });

  test.each([
    ['a flow list', 'domains: [ a.example ] # c\nplan: p\n', 'domains: [ a.example, n.example ] # c\nplan: p\n'],
    ['a flow list that ends with a comma', 'domains: [a.example,]\n', 'domains: [a.example, n.example,]\n'],
    [
      'a flow list on lines',
      'domains: [\n  a.example, # a\n  b.example # b\n]\n',
      'domains: [\n  a.example, # a\n  b.example,\n  n.example # b\n]\n',
    ],
    ['JSON', '{"domains": ["a.example"], "plan": "p"}', '{"domains": ["a.example", "n.example"], "plan": "p"}'],
    ['JSON on lines', '{\n  "domains": [\n    "a.example"\n  ]\n}\n', '{\n  "domains": [\n    "a.example",\n    "n.example"\n  ]\n}\n'],
    ['a file with no line break at its end', 'domains:\n  - a.example # x', 'domains:\n  - a.example # x\n  - n.example'],
    ['line breaks of Windows', 'domains:\r\n  - a.example\r\nplan: p\r\n', 'domains:\r\n  - a.example\r\n  - n.example\r\nplan: p\r\n'],
    [
      'a block map at the end',
      'domains:\n- a.example\n- name: w.example\n  redirectTo: a.example # r\n\n# end\n',
      'domains:\n- a.example\n- name: w.example\n  redirectTo: a.example # r\n- n.example\n\n# end\n',
    ],
    [
      'anchors and aliases',
      'domains: &d\n  - &main a.example\n  - {name: w.example, redirectTo: *main}\n',
      'domains: &d\n  - &main a.example\n  - {name: w.example, redirectTo: *main}\n  - n.example\n',
    ],
    ['a block scalar', 'domains:\n  - |-\n    a.example\nplan: p\n', 'domains:\n  - |-\n    a.example\n  - n.example\nplan: p\n'],
    ['marks of a document', '---\ndomains:\n  - a.example\n...\n', '---\ndomains:\n  - a.example\n  - n.example\n...\n'],
  ])('keeps %s', (_, before, after) => {
    expect(add(before, 'n.example')).toMatchObject({ text: after, changed: ['n.example'] });
  });

  test('breaks the line of a flow list that would be too long', () => {
    const names = Array.from({ length: 20 }, (_, index) => `shop-${index}.example`);
    const { text } = add('domains: [a.example]\nplan: p\n', ...names);
    expect(text).toMatch(/^domains: \[a\.example,\n {2}shop-0\.example,\n[^]*shop-19\.example\]\nplan: p\n$/);
    expect(domainsOf(text)).toEqual(['a.example', ...names]);
  });

  test.each(['null', '1e5.1e5x', '1.e5', 'true', '0x1f.de', 'no.example', '1und1.example'])('quotes %s where YAML needs it', (name) => {
    expect(domainsOf(add('domains:\n  - a.example\n', name).text)).toEqual(['a.example', name]);
    expect(domainsOf(add('domains: [a.example]', name).text)).toEqual(['a.example', name]);
  });
});

describe('removing', () => {
  test('takes the lines of the names, and nothing else', () => {
    const after = annotated.replace(/ *-[ "]+\*.*\n/, '').replace(/ *- +\{.*\n/, '');
    expect(remove(annotated, '*.shops.acme.example', 'WWW.acme.example')).toEqual({
      text: after,
      changed: ['*.shops.acme.example', 'www.acme.example'],
      unchanged: [],
      problems: [],
    });
  });

  test('tells names that are not there', () => {
    expect(remove(annotated, 'x.example')).toEqual({ text: annotated, changed: [], unchanged: ['x.example'], problems: [] });
  });

  test.each([
    ['the first of a flow list', 'domains: [ r.example, a.example ]', 'domains: [ a.example ]'],
    ['the middle of a flow list', 'domains: [a.example, r.example, b.example]', 'domains: [a.example, b.example]'],
    ['the end of a flow list', 'domains: [a.example, {name: r.example}, s.example]', 'domains: [a.example]'],
    ['the end of a flow list with a comma', 'domains: [a.example, r.example,]', 'domains: [a.example,]'],
    ['an anchor nobody uses', 'domains: [a.example, &r r.example, b.example]', 'domains: [a.example, b.example]'],
    [
      'lines of a flow list',
      'domains: [\n  a.example, # a\n  r.example, # r\n  # of b\n  b.example,\n  s.example # s\n  ]\n',
      'domains: [\n  a.example, # a\n  # of b\n  b.example # s\n  ]\n',
    ],
    ['the end of a flow list with comments', 'domains: [\n  a.example, # a\n  r.example\n]\n', 'domains: [\n  a.example # a\n  \n]\n'],
    ['JSON', '{"domains": ["r.example", "a.example"]}', '{"domains": ["a.example"]}'],
    ['a block map', 'domains:\n- name: r.example\n  redirectTo: a.example # x\n# of a\n- a.example\n', 'domains:\n# of a\n- a.example\n'],
    ['a map below its dash', 'domains:\n  - a.example\n  -\n    name: r.example\n# end\n', 'domains:\n  - a.example\n# end\n'],
    ['the last line, without a break', 'domains:\n  - a.example\n  - r.example', 'domains:\n  - a.example\n'],
    ['a block scalar', 'domains:\n  - |-\n    r.example\n  - a.example\n', 'domains:\n  - a.example\n'],
  ])('takes %s', (_, before, after) => {
    expect(remove(before, 'r.example', 's.example').text).toBe(after);
  });

  test('of a target goes together with what redirects to it', () => {
    const text = 'domains:\n  - a.example\n  - b.example\n  - { name: w.example, redirectTo: a.example }\n';
    expect(remove(text, 'a.example')).toMatchObject({
      problems: [{ code: 'TENANTD_E_REDIRECT_TARGET', message: '"a.example" can not be removed: "w.example" redirects to it', ...place }],
    });
    expect(remove(text, 'a.example', 'w.example').text).toBe('domains:\n  - b.example\n');
  });

  test('leaves one domain', () => {
    expect(remove('domains: [a.example, b.example]', 'a.example', 'b.example')).toMatchObject({
      problems: [{ code: 'TENANTD_E_INVALID_VALUE', message: 'a tenant keeps at least one domain' }],
    });
  });
});

describe('nothing is written', () => {
  test.each([
    ['is empty', '', 'TENANTD_E_FILE_EMPTY'],
    ['is no YAML', 'domains: [a.example\n', 'TENANTD_E_YAML'],
    ['has a key too many', 'domains: [a.example]\nplam: x\n', 'TENANTD_E_UNKNOWN_KEY'],
    ['has no domains', 'plan: starter\n', 'TENANTD_E_MISSING_KEY'],
    ['lists one twice', 'domains: [a.example, a.example]\n', 'TENANTD_E_DUPLICATE_DOMAIN'],
  ])('over a file that %s', (_, text, code) => {
    const problems = [expect.objectContaining({ code, ...place })];
    expect(add(text, 'n.example')).toEqual({ problems });
    expect(remove(text, 'a.example')).toEqual({ problems });
  });

  test('of any name when one is no name', () => {
    expect(add(annotated, 'n.example', 'https://x.example/', '*')).toMatchObject({
      problems: [
        { code: 'TENANTD_E_BAD_DOMAIN', message: '"https://x.example/" must be a host name', ...place },
        { code: 'TENANTD_E_BAD_DOMAIN' },
      ],
    });
  });

  test('when there would be too many domains, or the file too large', () => {
    const names = (count: number, label: string): string[] => Array.from({ length: count }, (_, index) => `${label}${index}.example`);
    expect(add(annotated, ...names(10_000, 'n'))).toMatchObject({ problems: [{ code: 'TENANTD_E_TOO_MANY' }] });
    const large = `${annotated}${`# ${'x'.repeat(100)}\n`.repeat(2_500)}`;
    expect(add(large, ...names(500, 'n'))).toMatchObject({ problems: [{ code: 'TENANTD_E_FILE_TOO_LARGE', ...place }] });
  });

  test.each([
    ['an alias of what is removed', 'domains: [a.example, &r r.example]\nbranding: { name: *r }\n'],
    ['a list below a question mark', '? domains\n: - r.example\n  - a.example\n'],
  ])('where that would change more: %s', (_, text) => {
    expect(remove(text, 'r.example')).toMatchObject({ problems: [{ code: 'TENANTD_E_CONFIGURATION' }] });
  });
});

test('900 names are added and removed again to the same text', () => {
  const names = Array.from({ length: 900 }, (_, index) => `shop-${index}.customers.example`);
  for (const text of [annotated, 'domains: [a.example]\n', '{"domains": ["a.example"]}']) {
    const added = add(text, ...names);
    expect(added.problems).toEqual([]);
    expect(added.text && remove(added.text, ...names).text).toBe(text);
  }
});
