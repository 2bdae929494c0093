import { describe, expect, test } from 'vitest';
import { isTenantName, type TenantName } from '../../../src/base/ids.ts';
import { type Plan, starterPlan } from '../../../src/config/plans.ts';
import { parseTenantConfig, type TenantConfig, type TenantConfigResult } from '../../../src/config/tenant-config.ts';

function name(text: string): TenantName {
  if (!isTenantName(text)) throw new Error(text);
  return text;
}

const plans = new Map([
  ['starter', starterPlan],
  ['business', { ...starterPlan, memoryBytes: 2 ** 30 }],
]);

function parse(text: string): TenantConfigResult {
  return parseTenantConfig(text, 'tenant.yaml', { tenant: name('acme'), plans, defaultPlan: 'starter' });
}

function configOf(text: string): TenantConfig {
  const { config, problems } = parse(text);
  if (!config) throw new Error(problems[0]?.message);
  return config;
}

describe('a tenant', () => {
  test('has the defaults of INTERFACE.md', () => {
    expect(configOf('domains: [acme.example]')).toEqual({
      domains: [{ name: 'acme.example' }],
      plan: 'starter',
      limits: starterPlan,
      idleMs: 600_000,
      tls: { redirect: true, hstsSeconds: 0 },
      egress: [],
      grants: [],
      branding: {},
      schedules: 'on',
    });
  });

  test('has its own limits over its plan', () => {
    const { limits } = configOf('domains: [a.example]\nplan: business\nlimits: { cpu: 2, bodySize: 1M }');
    const requests = { ...starterPlan.requests, bodySizeBytes: 2 ** 20 };
    expect(limits).toEqual({ ...starterPlan, memoryBytes: 2 ** 30, cpu: 2, requests });
  });

  test('may have every limit of its own, and none on the time of a whole request', () => {
    const sizes = 'bodySize: 1K, headerSize: 2K, uriSize: 1K, requestsPerSecond: 0, concurrentRequests: 2, queuedRequests: 3';
    const counts = 'webSockets: 4, connectionsPerAddress: 5';
    const times = 'idleTimeout: 6s, tunnelIdleTimeout: 7m, responseTimeout: 8s, requestTimeout';
    const limitsOf = (total: string): Plan =>
      configOf(`domains: [a.example]\nlimits: { memory: 16M, cpu: 1, processes: 16, disk: 1M, ${sizes}, ${counts}, ${times}: ${total} }`)
        .limits;
    expect(limitsOf('none')).toEqual({
      memoryBytes: 2 ** 24,
      cpu: 1,
      processes: 16,
      diskBytes: 2 ** 20,
      requests: {
        bodySizeBytes: 1_024,
        headSizeBytes: 2_048,
        targetSizeBytes: 1_024,
        requestsPerSecond: 0,
        concurrentRequests: 2,
        queuedRequests: 3,
        webSockets: 4,
        connectionsPerAddress: 5,
        idleTimeoutMs: 6_000,
        tunnelIdleTimeoutMs: 420_000,
        responseTimeoutMs: 8_000,
        requestTimeoutMs: 0,
      },
    });
    expect(limitsOf('1h').requests.requestTimeoutMs).toBe(3_600_000);
  });

  test.each([
    ['31536000', 31_536_000],
    ['180d', 15_552_000],
    ['730d', 63_072_000],
    ['1500ms', 1],
  ])('tells browsers of https for hsts: %s', (written, hstsSeconds) => {
    expect(configOf(`domains: [a.example]\ntls: { redirect: false, hsts: ${written} }`).tls).toEqual({ redirect: false, hstsSeconds });
  });

  test.each(['tls/acme.pem', '/etc/letsencrypt/live/acme.example/fullchain.pem'])('may have a certificate of its own in %s', (path) => {
    const { config, problems } = parse(`domains: [a.example]\ntls:\n  key: acme.key\n  certificate: ${path}\n`);
    expect(config?.tls.files).toEqual({ certificate: path, key: 'acme.key', line: 4, column: 16 });
    expect(problems).toEqual([]);
  });

  test('has its domains in the form that requests are compared with', () => {
    const text = 'domains:\n  - ACME.example.\n  - "*.bücher.example"\n  - { name: WWW.acme.example, redirectTo: Acme.Example }\n';
    expect(configOf(text).domains).toEqual([
      { name: 'acme.example' },
      { name: '*.xn--bcher-kva.example' },
      { name: 'www.acme.example', redirectTo: 'acme.example' },
    ]);
    expect(parse(text).positions.get('www.acme.example')).toEqual({ line: 4, column: 5 });
  });

  test('may never sleep', () => {
    expect(configOf('domains: [a.example]\nidle: never').idleMs).toBe('never');
  });
});

describe('what is told', () => {
  test.each([
    ['plan: starter', 'TENANTD_E_MISSING_KEY', '`domains` is missing', 1, 1],
    ['domains: []', 'TENANTD_E_INVALID_VALUE', '`domains` must not be an empty list', 1, 10],
    ['domains: acme.example', 'TENANTD_E_INVALID_VALUE', '`domains` must be a list, not "acme.example"', 1, 10],
    ['domains: [a.example, 5]', 'TENANTD_E_INVALID_VALUE', '`domains[1]` must be text or a mapping of keys, not 5', 1, 22],
    [
      'domains:\n  - "*.com"',
      'TENANTD_E_BAD_DOMAIN',
      '`domains[0]` must not be a wildcard over a whole top-level domain, not "*.com"',
      2,
      5,
    ],
    ['domains: [10.0.0.1]', 'TENANTD_E_BAD_DOMAIN', '`domains[0]` must be a name, an IP address is none, not "10.0.0.1"', 1, 11],
    ['domains: [{ redirectTo: a.example }]', 'TENANTD_E_MISSING_KEY', '`domains[0].name` is missing', 1, 11],
    ['domains: [a.example, A.example]', 'TENANTD_E_DUPLICATE_DOMAIN', 'the domain "a.example" is listed twice', 1, 22],
    [
      'domains:\n  - a.example\n  - { name: b.example, redirectTo: c.example }',
      'TENANTD_E_REDIRECT_TARGET',
      '"c.example" is no domain that this tenant serves',
      3,
      36,
    ],
    [
      'domains: [{ name: b.example, redirectTo: b.example }]',
      'TENANTD_E_REDIRECT_TARGET',
      '"b.example" is no domain that this tenant serves',
      1,
      42,
    ],
    [
      'domains: ["*.a.example", { name: b.example, redirectTo: "*.a.example" }]',
      'TENANTD_E_REDIRECT_TARGET',
      '`domains[1].redirectTo` must be one domain, no wildcard, not "*.a.example"',
      1,
      57,
    ],
    ['domains: [a.example]\nplan: bussiness', 'TENANTD_E_UNKNOWN_PLAN', 'there is no plan "bussiness"', 2, 7],
    [
      'domains: [a.example]\nlimits:\n  memory: lots',
      'TENANTD_E_INVALID_VALUE',
      '`limits.memory` must be a size such as 256M, not "lots"',
      3,
      11,
    ],
    ['domains: [a.example]\nlimits: { memory: 512 }', 'TENANTD_E_INVALID_VALUE', '`limits.memory` must be text, not 512', 2, 19],
    ['domains: [a.example]\nidle: nver', 'TENANTD_E_INVALID_VALUE', '`idle` must be a duration such as 10m, not "nver"', 2, 7],
    ['domains: [a.example]\nidle:', 'TENANTD_E_INVALID_VALUE', '`idle` has no value', 2, 1],
    [
      'domains: [a.example]\nnetwork: { egress: all }',
      'TENANTD_E_INVALID_VALUE',
      '`network.egress` must be `any` or a list, not "all"',
      2,
      20,
    ],
    ['domains: [a.example]\ntls: { redirect: yes }', 'TENANTD_E_INVALID_VALUE', '`tls.redirect` must be true or false, not "yes"', 2, 18],
    [
      'domains: [a.example]\ntls: { certificate: ../../etc/key.pem, key: k.pem }',
      'TENANTD_E_BAD_PATH',
      '`tls.certificate` must not go up with "..", not "../../etc/key.pem"',
      2,
      21,
    ],
    [
      'domains: [a.example]\ntls: { certificate: c.pem, key: /etc/../root/key.pem }',
      'TENANTD_E_BAD_PATH',
      '`tls.key` must not go up with "..", not "/etc/../root/key.pem"',
      2,
      33,
    ],
    [
      'domains: [a.example]\ntls: { certificate: ./apps/site/c.pem, key: k.pem }',
      'TENANTD_E_BAD_PATH',
      '`tls.certificate` must not lie in `apps`, which is the tenant\'s, not "./apps/site/c.pem"',
      2,
      21,
    ],
    ['domains: [a.example]\ntls: { hsts: 731d }', 'TENANTD_E_INVALID_VALUE', '`tls.hsts` must be at most 730d, not "731d"', 2, 14],
    ['domains: [a.example]\ntls: { hsts: -1 }', 'TENANTD_E_INVALID_VALUE', '`tls.hsts` must be at least 0, not -1', 2, 14],
    ['domains: [a.example]\ntls: { key: k.pem }', 'TENANTD_E_MISSING_KEY', '`tls.certificate` is missing', 2, 6],
    [
      'domains: [a.example]\nbranding: { errorPages: /etc }',
      'TENANTD_E_BAD_PATH',
      '`branding.errorPages` must be a path inside its own folder, not "/etc"',
      2,
      25,
    ],
    [
      'domains: [a.example]\nbranding: { name: "a\\u001b[2J" }',
      'TENANTD_E_INVALID_VALUE',
      '`branding.name` must be one line of 1 to 80 characters, not "a\\u{1b}[2J"',
      2,
      19,
    ],
    [
      'domains: [a.example]\ngrants: [{ to: globex, app: site, access: read }]',
      'TENANTD_E_INVALID_VALUE',
      'a grant is either an `app` with access http, or the `path` /data/shared with access read',
      2,
      10,
    ],
  ])('%j', (text, code, message, line, column) => {
    const { config, problems } = parse(text);
    expect(config).toBeUndefined();
    expect(problems).toMatchObject([{ code, message, line, column, file: 'tenant.yaml', tenant: 'acme' }]);
  });

  test('a misspelled key is corrected in the fix, also deep in the file', () => {
    const { problems } = parse('domains: [{ nam: a.example, name: a.example }]\nnetwork: { egres: any }');
    expect(problems).toMatchObject([
      { code: 'TENANTD_E_UNKNOWN_KEY', fix: 'did you mean `name`?', line: 1, column: 13 },
      { code: 'TENANTD_E_UNKNOWN_KEY', fix: 'did you mean `egress`?', line: 2, column: 12 },
    ]);
  });

  test('a file with 10,000 domains is one problem', () => {
    const { problems } = parse(`domains:\n${Array.from({ length: 10_000 }, (_, i) => `- d${i}.example\n`).join('')}`);
    expect(problems).toMatchObject([
      { code: 'TENANTD_E_TOO_MANY', message: '`domains` must have at most 5000 entries, not 10000', line: 1 },
    ]);
  });

  test.each([['branding: { errorPages: pages }', '`branding.errorPages` is read but not carried out yet: error pages are the plain ones']])(
    'what would be dropped silently is said: %s',
    (text, message) => {
      const { config, problems } = parse(`domains: [a.example]\n${text}`);
      expect(config).toBeDefined();
      expect(problems).toMatchObject([{ code: 'TENANTD_E_NOT_SUPPORTED', message, line: 2, tenant: 'acme' }]);
    },
  );

  test('asking for nothing says nothing', () => {
    expect(parse('domains: [a.example]\nnetwork: { egress: [] }\ngrants: []').problems).toEqual([]);
  });

  test('where the plans are not known, any name will do', () => {
    const { config } = parseTenantConfig('domains: [a.example]\nplan: gold', 'f', {
      tenant: name('acme'),
      plans: undefined,
      defaultPlan: 'starter',
    });
    expect(config?.plan).toBe('gold');
  });
});
