import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { renderStatus } from '../../../src/cli/status-text.ts';
import { createPaint } from '../../../src/cli/terminal.ts';
import type { AppStatus, Status, TenantStatus } from '../../../src/protocol/control.ts';

const nowMs = Date.parse('2026-01-01T12:00:00Z');
const at = (offsetMs: number): string => new Date(nowMs + offsetMs).toISOString();

function appNamed(name: string, rest: Partial<AppStatus> = {}): AppStatus {
  const worker = { pid: 7, state: 'running', startedAt: at(-1_000), memoryBytes: 1 } as const;
  const urls = [`http://${name}.example/`];
  return { name, kind: 'node', state: 'running', since: at(-60_000), release: 'local', urls, restarts: 0, workers: [worker], ...rest };
}

function tenantNamed(name: string, rest: Partial<TenantStatus> = {}): TenantStatus {
  const figures = { uid: 200_001, hostPid: 5, memoryBytes: 40_000_000, cpuSeconds: 1.234, plan: 'starter' };
  return {
    name,
    state: 'running',
    since: at(-60_000),
    domains: [`${name}.example`],
    problems: [],
    apps: [appNamed('site')],
    ...figures,
    ...rest,
  };
}

function statusOf(tenants: TenantStatus[], rest: Partial<Status> = {}): Status {
  const edge = { processes: [{ pid: 2 }], http: ['127.0.0.1:8080'], https: [] };
  return { version: '0.1.0', pid: 42, startedAt: at(-90_000), certs: { pid: 0 }, edge, problems: [], tenants, ...rest };
}

function render(status: Status, options: { full?: boolean; colour?: boolean; width?: number } = {}): string {
  const { full = false, colour = false, width = 80 } = options;
  return renderStatus(status, { width, paint: createPaint(colour), nowMs, full });
}

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('the status of the machine', () => {
  test('shows daemon, tenants and apps in columns', () => {
    const docs = appNamed('docs', { kind: 'static', workers: [], urls: ['http://acme.example/docs'] });
    expect(render(statusOf([tenantNamed('acme', { apps: [appNamed('site', { restarts: 12 }), docs] })]))).toBe(
      [
        'tenantd 0.1.0, pid 42, up 1 min',
        '1 edge process, http 127.0.0.1:8080',
        '',
        '  APP   KIND    STATE    WORKERS  RESTARTS  URL',
        'acme  running  plan starter, 38 MiB, 1.2 s CPU',
        '  site  node    running        1        12  http://site.example/',
        '  docs  static  running        -         0  http://acme.example/docs',
        '',
      ].join('\n'),
    );
  });

  test('shows of one tenant since when its apps are as they are, and of which release', () => {
    const apps = [appNamed('site', { release: '20261121-133405-x7k2' }), appNamed('api', { state: 'sleeping', since: at(-3_600_000) })];
    const text = render(statusOf([tenantNamed('acme', { apps })]), { full: true });
    expect(text).toContain('      running for 1 min, release 20261121-133405-x7k2\n');
    expect(text).toContain('      sleeping for 1 h 0 min\n');
  });

  test.each([
    [1, '2nd'],
    [2, '3rd'],
    [3, '4th'],
    [10, '11th'],
    [20, '21st'],
  ])('after %i failures in a row the next try is the %s', (failures, ordinal) => {
    const app = appNamed('api', { state: 'failed', reason: 'exited', nextTryAt: at(8_000), failures });
    expect(render(statusOf([tenantNamed('acme', { apps: [app] })]))).toContain(`exited, next try in 8 s, the ${ordinal}\n`);
  });

  test('shows what one tenant sent, and what it was refused, whatever a name looks like', () => {
    const lookups = { queries: 7, refusedNames: 2, lastRefusedName: 'evil\u001b[2J.example', refusedAnswers: 0, dropped: 0 };
    const tenant = tenantNamed('acme', { network: { bytesOut: 2_048, bytesIn: 4_096, refused: 3, lookups } });
    const text = render(statusOf([tenant]), { full: true }).replaceAll(/\n\s*/g, ' ');
    expect(text).toContain('network: 2.0 KiB out, 4.0 KiB in, 3 packets refused, 7 names asked for, 2 refused (last: evil');
    expect(text).not.toContain('\u001b');
    expect(render(statusOf([tenant]))).not.toContain('network:');
  });

  test('says what to do when there are no tenants', () => {
    expect(render(statusOf([]))).toMatch(/There are no tenants\. Make a folder with a tenant\.yaml/);
  });

  test('shows why an app does not run, its last lines, and when it is tried again', () => {
    const app = appNamed('api', {
      state: 'failed',
      reason: 'exited with code 1',
      lastLines: ['Error: x'],
      nextTryAt: at(8_000),
      workers: [],
    });
    const lines = render(statusOf([tenantNamed('acme', { apps: [app] })])).split('\n');
    expect(lines).toContain('      exited with code 1, next try in 8 s');
    expect(lines).toContain('      | Error: x');
  });

  test.each([
    [-5_000, 'next try now'],
    [1, 'next try in 1 s'],
    [120_000, 'next try in 2 min'],
  ])('a next try %i ms away is "%s"', (offsetMs, text) => {
    expect(render(statusOf([tenantNamed('acme', { apps: [appNamed('api', { nextTryAt: at(offsetMs) })] })]))).toContain(`      ${text}\n`);
  });

  test("puts a tenant's problems below it, and the machine's at the end", () => {
    const ofTenant = {
      code: 'TENANTD_E_DOMAIN_TAKEN',
      message: 'taken by globex',
      fix: 'remove it',
      file: 'tenant.yaml',
      line: 2,
      column: 3,
    } as const;
    const ofMachine = { code: 'TENANTD_E_LAYER_WAIVED', message: 'no cgroups', fix: 'enable them' } as const;
    const text = render(statusOf([tenantNamed('acme', { apps: [], problems: [ofTenant] })], { problems: [ofMachine] }));
    expect(text).toContain(
      '  it has no apps: put one in its folder apps/\n  TENANTD_E_DOMAIN_TAKEN  tenant.yaml:2:3\n    taken by globex\n    fix: remove it\n',
    );
    expect(text).toMatch(/\n\nProblems of the daemon and the machine\n {2}TENANTD_E_LAYER_WAIVED\n {4}no cgroups\n {4}fix: enable them\n$/);
  });

  test('fits 80 columns with the longest names, reasons and lines', () => {
    const long = 'x'.repeat(32);
    const app = appNamed(long, {
      kind: 'command',
      state: 'quarantined',
      reason: 'it did not listen in time '.repeat(10).trim(),
      lastLines: ['y'.repeat(2_000)],
      urls: ['http://a-name-of-a-shop.example:8080/', 'http://acme.example/'],
      restarts: 12_345_678,
    });
    const problem = {
      code: 'TENANTD_E_APP_FAILED',
      message: 'many words '.repeat(20),
      fix: 'more words '.repeat(20),
      tenant: long,
      app: long,
    } as const;
    const http = Array.from({ length: 20 }, (_, index) => `127.0.0.${index}:8080`);
    const edge = { processes: [], http, https: [] };
    const text = render(
      statusOf([tenantNamed(long, { apps: [app, appNamed('b')], problems: [problem], plan: long, state: 'quarantined' })], { edge }),
      { full: true },
    );
    expect(widest(text)).toBeLessThanOrEqual(80);
  });

  test('keeps a URL that is too long whole, on a line of its own', () => {
    const url = `http://${'label.'.repeat(20)}example/`;
    const lines = render(statusOf([tenantNamed('acme', { apps: [appNamed('site', { urls: [url] })] })])).split('\n');
    expect(lines).toContain(`      ${url}`);
    expect(lines).toContain('  site  node  running        1         0');
  });

  test('shows some of many URLs, and all of them for one tenant', () => {
    const urls = Array.from({ length: 5 }, (_, index) => `http://${index}.example/`);
    const status = statusOf([tenantNamed('acme', { apps: [appNamed('site', { urls })] })]);
    expect(render(status)).toMatch(/http:\/\/2\.example\/\n +and 2 more\n/);
    expect(render(status)).not.toContain('http://3.example/');
    for (const url of urls) expect(render(status, { full: true })).toContain(url);
    expect(render(status, { full: true })).toContain('  domains: acme.example\n');
  });

  test('an app without a URL or a known kind is shown all the same', () => {
    const lines = render(
      statusOf([tenantNamed('acme', { apps: [appNamed('job', { urls: [], kind: null, workers: [], state: 'stopped' })] })]),
    ).split('\n');
    expect(lines).toContain('  job  -     stopped        0         0');
  });

  test('obeys nothing that an app printed', () => {
    const hostile = '\u001b[2J\u001b]0;owned\u0007\rx\n\u009b31m';
    const app = appNamed('site', { state: 'failed', reason: hostile, lastLines: [hostile], urls: [`http://a/${hostile}`] });
    const problem = { code: 'TENANTD_E_YAML', message: hostile, fix: hostile, file: hostile } as const;
    const text = render(statusOf([tenantNamed('acme', { apps: [app], problems: [problem], plan: hostile, domains: [hostile] })]), {
      full: true,
    });
    // oxlint-disable-next-line no-control-regex -- they are what it is about
    expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(text.split('\n').length).toBe(
      render(statusOf([tenantNamed('acme', { apps: [{ ...app, reason: 'r', lastLines: ['l'] }], problems: [problem] })]), {
        full: true,
      }).split('\n').length,
    );
  });
});

describe('colour', () => {
  const failing = appNamed('running', { state: 'failed' });
  const status = statusOf([tenantNamed('running', { apps: [failing, appNamed('node')] })]);

  test('changes no character and no column', () => {
    expect(stripVTControlCharacters(render(status, { colour: true }))).toBe(render(status));
  });

  test('marks states, not names that look like one', () => {
    const text = render(status, { colour: true });
    expect(text).toContain('  running  node  \u001b[31mfailed \u001b[39m');
    expect(text).toContain('\u001b[32mrunning\u001b[39m');
  });
});
