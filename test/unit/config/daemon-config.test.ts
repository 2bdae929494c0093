import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type DaemonConfig, loadDaemonConfig, parseDaemonConfig } from '../../../src/config/daemon-config.ts';

function configOf(text: string): DaemonConfig {
  const { config, problems } = parseDaemonConfig(text, 'tenantd.yaml');
  if (!config) throw new Error(problems[0]?.message);
  return config;
}

const problemOf = (text: string): object | undefined => parseDaemonConfig(text, 'tenantd.yaml').problems[0];

describe('defaults', () => {
  test('everything that INTERFACE.md gives a default for has it', () => {
    expect(configOf('logs: {}')).toEqual({
      tenantsDir: '/srv/tenantd/tenants',
      stateDir: '/var/lib/tenantd',
      runDir: '/run/tenantd',
      logDir: '/var/log/tenantd',
      templatesDir: '/etc/tenantd/templates',
      userPrefix: 'tnt-',
      uids: { first: 200_000, count: 65_536 },
      isolation: { without: [] },
      logs: { maxBytes: 50 * 2 ** 20, keep: 5, journal: false },
      shells: { record: false, recordBytes: 16 * 2 ** 20, keep: 100 },
      http: { listen: [{ host: '::', port: 80 }] },
      edge: { processes: 1, trustedProxies: [], proxyProtocol: false },
      network: { addresses: '10.213.0.0/16', resolvers: [] },
      verify: { interval: 300_000 },
      releases: { keep: 5, watch: 120_000, buildTimeout: 900_000 },
      removal: { keepFor: 7 * 86_400_000 },
      usage: { keep: 400 * 86_400_000 },
      defaultPlan: 'starter',
      plans: new Map([
        [
          'starter',
          {
            memoryBytes: 256 * 2 ** 20,
            cpu: 0.5,
            processes: 128,
            diskBytes: 2 ** 30,
            requests: {
              bodySizeBytes: 25 * 2 ** 20,
              headSizeBytes: 32 * 2 ** 10,
              targetSizeBytes: 8 * 2 ** 10,
              requestsPerSecond: 50,
              concurrentRequests: 64,
              queuedRequests: 64,
              webSockets: 256,
              connectionsPerAddress: 1_000,
              idleTimeoutMs: 60_000,
              tunnelIdleTimeoutMs: 600_000,
              responseTimeoutMs: 60_000,
              requestTimeoutMs: 0,
            },
          },
        ],
      ]),
    });
  });

  test('https and trusted proxies are taken as they are written', () => {
    const config = configOf(
      'https: { listen: ["[::]:443", "127.0.0.1:8443"] }\nedge: { trustedProxies: [10.0.0.0/8, "::1"], proxyProtocol: true }',
    );
    expect(config.https).toEqual({
      listen: [
        { host: '::', port: 443 },
        { host: '127.0.0.1', port: 8_443 },
      ],
    });
    expect(config.edge).toEqual({ processes: 1, trustedProxies: ['10.0.0.0/8', '::1'], proxyProtocol: true });
    expect(parseDaemonConfig('https: {}', 'f').problems).toEqual([]);
  });

  test('a plan takes from the starter what it does not say', () => {
    const { plans } = configOf('plans: { big: { memory: 2G, cpu: 4 } }\ndefaultPlan: big');
    expect(plans.get('big')).toMatchObject({ memoryBytes: 2 ** 31, cpu: 4, processes: 128 });
    expect([...plans.keys()]).toEqual(['big']);
  });
});

describe('what is told', () => {
  test.each([
    [
      'http: { listen: ["127.0.0.1:0"] }',
      'TENANTD_E_INVALID_VALUE',
      '`http.listen[0]` must have a port other than 0, not "127.0.0.1:0"',
      1,
      18,
    ],
    ['http:\n  listen: 80', 'TENANTD_E_INVALID_VALUE', '`http.listen` must be a list, not 80', 2, 11],
    ['tenantDir: /x', 'TENANTD_E_UNKNOWN_KEY', 'there is no key "tenantDir"', 1, 1],
    ['tenantsDir: srv', 'TENANTD_E_BAD_PATH', '`tenantsDir` must be an absolute path, not "srv"', 1, 13],
    ['plans:\n  small: { memry: 1G }', 'TENANTD_E_UNKNOWN_KEY', 'there is no key "memry" in `plans.small`', 2, 12],
    [
      'plans: { Big: {} }',
      'TENANTD_E_INVALID_VALUE',
      '`plans.Big` must be a name of a-z, 0-9 and "-" that begins with a letter, not "Big"',
      1,
      10,
    ],
    ['plans: { a: { memory: 1M } }', 'TENANTD_E_INVALID_VALUE', '`plans.a.memory` must be between 16M and 64T, not "1M"', 1, 23],
    ['plans: { a: { processes: 1.5 } }', 'TENANTD_E_INVALID_VALUE', '`plans.a.processes` must be a whole number, not 1.5', 1, 26],
    ['plans: { a: { processes: 1e400 } }', 'TENANTD_E_INVALID_VALUE', '`plans.a.processes` must be a number, not Infinity', 1, 26],
    ['plans: { a: { headerSize: 65K } }', 'TENANTD_E_INVALID_VALUE', '`plans.a.headerSize` must be between 1K and 64K, not "65K"', 1, 27],
    ['plans: { a: { uriSize: 9K } }', 'TENANTD_E_INVALID_VALUE', '`plans.a.uriSize` must be between 256 and 8K, not "9K"', 1, 24],
    ['plans: { a: { webSockets: -1 } }', 'TENANTD_E_INVALID_VALUE', '`plans.a.webSockets` must be at least 0, not -1', 1, 27],
    ['plans: { a: { idleTimeout: 30 } }', 'TENANTD_E_INVALID_VALUE', '`plans.a.idleTimeout` must be text, not 30', 1, 28],
    [
      'plans: { a: { requestTimeout: nnoe } }',
      'TENANTD_E_INVALID_VALUE',
      '`plans.a.requestTimeout` must be a duration such as 10m, not "nnoe"',
      1,
      31,
    ],
    [
      'edge: { trustedProxies: [10.0.0.0/33] }',
      'TENANTD_E_INVALID_VALUE',
      '`edge.trustedProxies[0]` must be an IP address or a block of them, not "10.0.0.0/33"',
      1,
      26,
    ],
    [
      'edge: { trustedProxies: [proxy.example] }',
      'TENANTD_E_INVALID_VALUE',
      '`edge.trustedProxies[0]` must be an IP address or a block of them, not "proxy.example"',
      1,
      26,
    ],
    [
      'edge: { proxyProtocol: true }',
      'TENANTD_E_MISSING_KEY',
      '`edge.proxyProtocol` is on, but `edge.trustedProxies` names nobody who may use it',
      1,
      24,
    ],
    ['http: { listen: ["[::]:443"] }\nhttps: {}', 'TENANTD_E_INVALID_VALUE', ':: port 443 is there twice', 2, 8],
    ['plans: { big: {} }', 'TENANTD_E_UNKNOWN_PLAN', '`defaultPlan` is "starter", which `plans` does not define', 1, 1],
    [
      'plans: { a: {} }\ndefaultPlan: constructor',
      'TENANTD_E_UNKNOWN_PLAN',
      '`defaultPlan` is "constructor", which `plans` does not define',
      2,
      14,
    ],
    [
      'uids: { first: 60000, count: 10000 }',
      'TENANTD_E_INVALID_VALUE',
      '`uids` covers 60000 to 69999, which holds uids that are reserved',
      1,
      7,
    ],
    ['uids: { first: 0 }', 'TENANTD_E_INVALID_VALUE', '`uids.first` must be at least 1000, not 0', 1, 16],
    [
      'stateDir: /srv/tenantd/tenants/state',
      'TENANTD_E_BAD_PATH',
      '`stateDir` lies in `tenantsDir`, or is the folder of another key',
      1,
      11,
    ],
    ['http: { listen: ["[::]:80", "[::]:80"] }', 'TENANTD_E_INVALID_VALUE', ':: port 80 is there twice', 1, 29],
    [
      'userPrefix: "Tnt "',
      'TENANTD_E_INVALID_VALUE',
      '`userPrefix` must be 1 to 16 of a-z, 0-9, "-" and "_", a letter first, not "Tnt "',
      1,
      13,
    ],
    ['logs:', 'TENANTD_E_INVALID_VALUE', '`logs` has no value', 1, 1],
    ['- a', 'TENANTD_E_INVALID_VALUE', 'the file must be a mapping of keys, not a list', 1, 1],
    ['acme: {}', 'TENANTD_E_MISSING_KEY', '`acme.directories` is missing', 1, 1],
    [
      'acme: { directories: ["http://a.example"] }',
      'TENANTD_E_INVALID_VALUE',
      '`acme.directories[0]` must be an https address, not "http://a.example"',
      1,
      23,
    ],
  ])('%s', (text, code, message, line, column) => {
    expect(problemOf(text)).toMatchObject({ code, message, line, column, file: 'tenantd.yaml' });
    expect(parseDaemonConfig(text, 'tenantd.yaml').config).toBeUndefined();
  });

  test('a misspelled layer is corrected in the fix', () => {
    expect(problemOf('isolation: { without: [network, resorces] }')).toMatchObject({
      line: 1,
      column: 33,
      fix: 'did you mean `resources`?',
    });
  });

  test('a layer that no tenant runs without is named as such, and the rest holds', () => {
    const { config, problems } = parseDaemonConfig('isolation:\n  without: [disk, root]', 'tenantd.yaml');
    expect(config?.isolation.without).toEqual(['disk', 'root']);
    expect(problems).toMatchObject([{ code: 'TENANTD_E_NOT_SUPPORTED', message: expect.stringContaining('"root"'), line: 2 }]);
  });

  test('every problem of a file is told, in the order of its lines', () => {
    const { problems } = parseDaemonConfig('http: { listen: [x] }\nlogz: 1\nplans: { a: { cpu: 0 } }', 'f');
    expect(problems.map(({ line, code }) => [line, code])).toEqual([
      [1, 'TENANTD_E_INVALID_VALUE'],
      [2, 'TENANTD_E_UNKNOWN_KEY'],
      [3, 'TENANTD_E_INVALID_VALUE'],
    ]);
  });

  test('of ten thousand wrong keys the first are told', () => {
    const { problems } = parseDaemonConfig(Array.from({ length: 10_000 }, (_, i) => `key${i}: 1\n`).join(''), 'f');
    expect(problems).toHaveLength(21);
    expect(problems.at(-1)?.message).toBe('there are more problems like these');
  });

  test('what this version does not carry out is taken, and said', () => {
    const { config, problems } = parseDaemonConfig('console: { listen: 127.0.0.1:9700 }', 'f');
    expect(config).toBeDefined();
    expect(problems.map(({ code }) => code)).toEqual(['TENANTD_E_NOT_SUPPORTED']);
  });
});

describe('the file', () => {
  test('that is not there is a problem', async () => {
    const { problems } = await loadDaemonConfig('/nonexistent/tenantd.yaml');
    expect(problems).toMatchObject([{ code: 'TENANTD_E_FILE_MISSING', file: '/nonexistent/tenantd.yaml' }]);
  });

  test('that is empty is a problem, not all defaults', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tenantd-config-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    await writeFile(join(dir, 'tenantd.yaml'), '');
    const { config, problems } = await loadDaemonConfig(join(dir, 'tenantd.yaml'));
    expect(config).toBeUndefined();
    expect(problems).toMatchObject([{ code: 'TENANTD_E_FILE_EMPTY' }]);
  });
});
