import { describe, expect, test } from 'vitest';
import {
  closeLines,
  type EgressTable,
  openLines,
  removeTenantLines,
  tableLines,
  tenantLines,
  type TenantRules,
} from '../../../src/privileged/egress-rules.ts';

const table: EgressTable = {
  name: 'tenantd-0123abcd',
  linkPrefix: 'td0123abcd',
  pool4: '10.213.0.0/16',
  gateway4: '10.213.0.1',
  dnsPort: 10_053,
  pool6: 'fd01:2345:6789::/64',
  guarded: { ipv4: ['eth0', 'eth0.7'], ipv6: [] },
};
const acme: TenantRules = {
  tenant: 'acme',
  link: 'td0123abcd0',
  address4: '10.213.0.2',
  address6: 'fd01:2345:6789::2',
  named: [
    { block: '10.0.0.5/32', port: 5_432 },
    { block: 'fd00::/8', port: 443 },
  ],
  wide: [{ block: '203.0.113.0/24', port: 80 }],
  anyPublic: false,
};

/** The rules of one chain, in their order. */
function rulesOf(lines: readonly string[], chain: string): string[] {
  const start = `add rule inet ${table.name} ${chain} `;
  return lines.flatMap((line) => (line.startsWith(start) ? [line.slice(start.length)] : []));
}

function places(rules: readonly string[], ...parts: string[]): number[] {
  return parts.map((part) => rules.findIndex((rule) => rule.includes(part)));
}

describe("a tenant's packets", () => {
  const rules = rulesOf(tenantLines(table, acme), 'acme.to-world');

  test('are looked at in this order: what the list names, what is closed to all, wide blocks, names; the rest is refused', () => {
    const order = places(rules, '!= @transports', '@acme.named4', '@closed4', '@acme.wide4', '@acme.used4', '@acme.open4');
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(Math.min(...order)).toBeGreaterThanOrEqual(0);
    expect(rules.at(-1)).toBe('goto acme.refuse');
  });

  test('pass for no other reason than a list: there is no rule that lets all established connections go on', () => {
    const passing = rules.filter((rule) => rule.includes('goto acme.pass'));
    expect(passing.filter((rule) => !/@acme\.(named|wide|used|open)[46]/.test(rule))).toEqual([]);
    expect(rules.filter((rule) => rule.endsWith(' accept'))).toEqual(['meta l4proto @messages ct state related accept']);
  });

  test('go everywhere but to what is closed, when any is open', () => {
    const any = rulesOf(tenantLines(table, { ...acme, named: [], wide: [], anyPublic: true }), 'acme.to-world');
    expect(any.at(-1)).toBe('goto acme.pass');
    expect(any.at(-2)).toBe('ip6 daddr @closed6 goto acme.refuse');
    expect(any.at(-3)).toBe('ip daddr @closed4 goto acme.refuse');
  });

  test('go to the machine itself only for names, and where the list names it', () => {
    const own = rulesOf(tenantLines(table, acme), 'acme.to-machine');
    expect(own.filter((rule) => rule.includes('acme.pass') || rule.endsWith('accept'))).toEqual([
      'ip daddr 10.213.0.1 meta l4proto @transports th dport 10053 accept',
      'meta l4proto @messages ct state related accept',
      'meta l4proto @transports ip daddr . th dport @acme.named4 goto acme.pass',
      'meta l4proto @transports ip6 daddr . th dport @acme.named6 goto acme.pass',
    ]);
    expect(own.at(-1)).toBe('goto acme.refuse');
  });

  test('are from its own address, by its own link', () => {
    const lines = tenantLines(table, acme);
    expect(lines).toContain('add element inet tenantd-0123abcd sources4 { "td0123abcd0" . 10.213.0.2 }');
    expect(lines).toContain('add element inet tenantd-0123abcd sources6 { "td0123abcd0" . fd01:2345:6789::2 }');
    expect(
      tenantLines(table, { ...acme, address6: undefined }).filter((line) => line.includes('element') && line.includes('sources6')),
    ).toEqual([]);
  });

  test('have addresses in the set of their own family', () => {
    const elements = tenantLines(table, acme).filter((line) => / acme\.\S+ \{ \S+ \. /.test(line));
    expect(elements).toEqual([
      'add element inet tenantd-0123abcd acme.named4 { 10.0.0.5/32 . 5432 }',
      'add element inet tenantd-0123abcd acme.wide4 { 203.0.113.0/24 . 80 }',
      'add element inet tenantd-0123abcd acme.named6 { fd00::/8 . 443 }',
    ]);
  });
});

describe('the table of all', () => {
  const lines = tableLines(table);

  test('drops what comes by a link and is no tenant’s, in every direction', () => {
    for (const chain of ['sources', 'to-machine']) expect(rulesOf(lines, chain).at(-1)).toBe('drop');
    expect(rulesOf(lines, 'to-world')).toContain('iifname "td0123abcd*" drop');
    expect(rulesOf(lines, 'to-world')).toContain('oifname "td0123abcd*" drop');
  });

  test('keeps tenants apart before it asks for their lists', () => {
    const [apart = -1, asked = -1] = places(
      rulesOf(lines, 'to-world'),
      'iifname "td0123abcd*" oifname "td0123abcd*" drop',
      'vmap @to-world-of',
    );
    expect(apart).toBeGreaterThanOrEqual(0);
    expect(apart).toBeLessThan(asked);
  });

  test('guards the interfaces of a machine that was no router, and only for what it did not pass on', () => {
    expect(lines).toContain('add element inet tenantd-0123abcd guarded-ipv4 { "eth0", "eth0.7" }');
    expect(lines.filter((line) => line.startsWith('add element inet tenantd-0123abcd guarded-ipv6'))).toEqual([]);
  });

  test('says nothing of IPv6 translation where the machine has none', () => {
    expect(rulesOf(lines, 'translation').length).toBe(2);
    expect(rulesOf(tableLines({ ...table, pool6: undefined }), 'translation').length).toBe(1);
  });
});

describe('a tenant that is removed', () => {
  test('leaves nothing of what was added for it', () => {
    const added = tenantLines(table, acme);
    const removed = new Set(removeTenantLines(table, acme));
    const objects = added.flatMap((line) => /^add (chain|set|counter) (inet \S+ acme\.\S+)/.exec(line)?.slice(1, 3).join(' ') ?? []);
    expect(objects.length).toBe(3 + 8 + 4);
    expect(objects.filter((object) => !removed.has(`delete ${object}`))).toEqual([]);
    const elements = added.filter((line) => line.startsWith('add element') && line.includes('td0123abcd0'));
    expect(elements.filter((line) => !removed.has(line.replace('add', 'delete')))).toEqual([]);
  });
});

describe('addresses of names', () => {
  const address = { address: '203.0.113.9', port: 443, seconds: 59.2 };

  test('are renewed: an element that is added again keeps its time', () => {
    expect(openLines(table, 'acme', [address, { ...address, address: '2001:db8::9' }])).toEqual([
      'add element inet tenantd-0123abcd acme.open4 { 203.0.113.9 . 443 }',
      'delete element inet tenantd-0123abcd acme.open4 { 203.0.113.9 . 443 }',
      'add element inet tenantd-0123abcd acme.open4 { 203.0.113.9 . 443 timeout 60s }',
      'add element inet tenantd-0123abcd acme.open6 { 2001:db8::9 . 443 }',
      'delete element inet tenantd-0123abcd acme.open6 { 2001:db8::9 . 443 }',
      'add element inet tenantd-0123abcd acme.open6 { 2001:db8::9 . 443 timeout 60s }',
    ]);
  });

  test('are closed all but those that are kept; one whose time is over is kept for its connections alone', () => {
    const lines = closeLines(table, 'acme', [address, { ...address, port: 80, seconds: 0 }]);
    expect(lines.slice(0, 4).every((line) => line.startsWith('flush set'))).toBe(true);
    expect(lines.slice(4).filter((line) => line.includes('timeout'))).toEqual([
      'add element inet tenantd-0123abcd acme.used4 { 203.0.113.9 . 443 timeout 1d }',
      'add element inet tenantd-0123abcd acme.used4 { 203.0.113.9 . 80 timeout 1d }',
      'add element inet tenantd-0123abcd acme.open4 { 203.0.113.9 . 443 timeout 60s }',
    ]);
  });
});

describe('what would be more than a value in the language of nft is refused:', () => {
  test.each<[string, Partial<TenantRules>]>([
    ['a tenant', { tenant: 'acme; flush ruleset' }],
    ['a link', { link: 'td0" accept' }],
    ['an address', { address4: '10.0.0.0/8' }],
    ['an address of IPv6', { address6: 'fe80::1%eth0' }],
    ['a block', { named: [{ block: '10.0.0.0/8 . 1 }', port: 1 }] }],
    ['a block with a zone', { wide: [{ block: 'fe80::1%x}', port: 1 }] }],
    ["a block's length", { wide: [{ block: '10.0.0.0/8-9', port: 1 }] }],
    ['a port', { named: [{ block: '10.0.0.0/8', port: 0.5 }] }],
  ])('%s', (_, part) => {
    expect(() => tenantLines(table, { ...acme, ...part })).toThrow('refused to make packet rules');
  });

  test('an address of a name', () => {
    expect(() => openLines(table, 'acme', [{ address: 'api.example', port: 443, seconds: 1 }])).toThrow('refused to make packet rules');
  });
});
