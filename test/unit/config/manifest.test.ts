import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AppManifest, appManifestSchema, type ManifestResult, readManifest } from '../../../src/config/manifest.ts';

let root: string;
let dir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantd-manifest-'));
  dir = join(root, 'site');
  mkdirSync(dir);
});
afterEach(() => rmSync(root, { recursive: true }));

/** Reads an app of these files. A name that ends in "/" is a folder. */
async function read(files: Record<string, string | object>): Promise<ManifestResult> {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(dir, name.endsWith('/') ? name : dirname(name)), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return readManifest(dir, 'site', 'app.yaml');
}

async function manifestOf(files: Record<string, string | object>): Promise<AppManifest> {
  const { manifest, problems } = await read(files);
  if (!manifest) throw new Error(problems[0]?.message);
  return manifest;
}

describe('a manifest', () => {
  test('has everything decided', async () => {
    expect(await manifestOf({ 'index.js': '' })).toEqual({
      kind: 'node',
      entry: 'index.js',
      workers: { min: 1, max: 1 },
      env: {},
      drainMs: 30_000,
      startTimeoutMs: 30_000,
      compress: false,
      sandbox: 'default',
      schedule: [],
    });
  });

  test('takes every key of app.yaml', async () => {
    const text = `
kind: command
command: ["python3", "app.py"]
routes: ["Acme.example/", acme.example/api, "*.shops.acme.example/"]
workers: { min: 0, max: 4 }
health: { path: /healthz, timeoutMs: 800, failures: 5 }
idle: never
env: { NODE_ENV: production, GREETING: "hello, world" }
drain: 5s
startTimeout: 1m
`;
    const { manifest, problems, routePositions } = await read({ 'app.yaml': text });
    expect(problems).toEqual([]);
    expect(manifest).toMatchObject({
      kind: 'command',
      command: ['python3', 'app.py'],
      routes: [
        { host: 'acme.example', path: '/' },
        { host: 'acme.example', path: '/api' },
        { host: '*.shops.acme.example', path: '/' },
      ],
      workers: { min: 0, max: 4 },
      health: { path: '/healthz', intervalMs: 5_000, timeoutMs: 800, failures: 5 },
      idleMs: 'never',
      env: { NODE_ENV: 'production', GREETING: 'hello, world' },
      drainMs: 5_000,
      startTimeoutMs: 60_000,
    });
    expect(routePositions?.[1]).toEqual({ line: 4, column: 27 });
  });

  test('passes the schema that the daemon checks it with', async () => {
    const manifest = await manifestOf({ 'app.yaml': 'entry: a.js\nroutes: ["*.bücher.example/x"]\nworkers: 3', 'a.js': '' });
    expect(appManifestSchema.parse(JSON.parse(JSON.stringify(manifest)))).toEqual(manifest);
  });
});

describe('the kind is guessed', () => {
  test.each<[string, Record<string, string | object>, object]>([
    ['package.json’s main', { 'package.json': { main: 'lib/app.js' }, 'lib/app.js': '' }, { kind: 'node', entry: 'lib/app.js' }],
    ['a main without its ending', { 'package.json': { main: './lib/app' }, 'lib/app.js': '' }, { kind: 'node', entry: 'lib/app.js' }],
    ['a main that is a folder', { 'package.json': { main: 'lib' }, 'lib/index.js': '' }, { kind: 'node', entry: 'lib/index.js' }],
    [
      'the start script',
      { 'package.json': { scripts: { start: 'node server.mjs' } }, 'server.mjs': '' },
      { kind: 'node', entry: 'server.mjs' },
    ],
    [
      'the start script, where main was only made up by npm init',
      { 'package.json': { main: 'index.js', scripts: { start: 'node app.js' } }, 'app.js': '', 'public/': '' },
      { kind: 'node', entry: 'app.js' },
    ],
    ['server.js', { 'server.js': '', 'public/': '' }, { kind: 'node', entry: 'server.js' }],
    ['index.html', { 'index.html': '', 'public/': '' }, { kind: 'static', root: '.' }],
    ['public/', { 'public/': '' }, { kind: 'static', root: 'public' }],
    ['index.html beside tools', { 'index.html': '', 'package.json': { main: 'index.js' } }, { kind: 'static', root: '.' }],
    ['command', { 'app.yaml': 'command: [./run]', 'index.html': '' }, { kind: 'command', command: ['./run'] }],
    ['root', { 'app.yaml': 'root: dist', 'dist/': '', 'index.js': '' }, { kind: 'static', root: 'dist' }],
    ['kind static alone', { 'app.yaml': 'kind: static', 'public/': '', 'index.js': '' }, { kind: 'static', root: 'public' }],
  ])('from %s', async (_, files, start) => {
    const { manifest, problems } = await read(files);
    expect(problems).toEqual([]);
    expect(manifest).toMatchObject(start);
  });

  test('a broken package.json says nothing', async () => {
    expect(await manifestOf({ 'package.json': '{ "main": ', 'index.js': '' })).toMatchObject({ entry: 'index.js' });
  });

  test('arguments in the start script are left out, and that is said', async () => {
    const { manifest, problems } = await read({ 'package.json': { scripts: { start: 'node app.js --port 3000' } }, 'app.js': '' });
    expect(manifest).toMatchObject({ entry: 'app.js' });
    expect(problems).toMatchObject([{ code: 'TENANTD_E_NOT_SUPPORTED', app: 'site' }]);
  });

  test.each<[string, Record<string, string | object>, string]>([
    ['nothing', {}, 'TENANTD_E_UNKNOWN_KIND'],
    ['a package.json that starts nothing', { 'package.json': { name: 'x' } }, 'TENANTD_E_NO_ENTRY'],
    ['a framework’s start script', { 'package.json': { scripts: { start: 'next start' } }, 'public/': '' }, 'TENANTD_E_NO_ENTRY'],
    ['a start script with a shell in it', { 'package.json': { scripts: { start: 'node app.js && rm -rf /' } } }, 'TENANTD_E_NO_ENTRY'],
    ['a start script with flags', { 'package.json': { scripts: { start: 'node --inspect app.js' } }, 'app.js': '' }, 'TENANTD_E_NO_ENTRY'],
    ['a main outside', { 'package.json': { main: '../../etc/passwd' } }, 'TENANTD_E_NO_ENTRY'],
  ])('not from %s', async (_, files, code) => {
    const { manifest, problems } = await read(files);
    expect(manifest).toBeUndefined();
    expect(problems).toMatchObject([{ code, file: 'app.yaml', app: 'site' }]);
  });
});

describe('what is told', () => {
  test.each([
    ['kind: nod', 'TENANTD_E_INVALID_VALUE', '`kind` must be one of node, static, command, not "nod"', 1, 7],
    ['kind: command', 'TENANTD_E_NO_ENTRY', 'kind command needs `command`', 1, 7],
    ['kind: node\nentry: gone.js', 'TENANTD_E_NO_ENTRY', '`entry` is "gone.js", which is not there', 2, 8],
    ['entry: folder', 'TENANTD_E_NO_ENTRY', '`entry` is "folder", which is no file', 1, 8],
    ['root: index.js', 'TENANTD_E_NO_ENTRY', '`root` is "index.js", which is no folder', 1, 7],
    ['entry: ../site/index.js', 'TENANTD_E_BAD_PATH', '`entry` must not go up with "..", not "../site/index.js"', 1, 8],
    ['entry: /etc/passwd', 'TENANTD_E_BAD_PATH', '`entry` must be a path inside its own folder, not "/etc/passwd"', 1, 8],
    ['kind: node\nroot: public', 'TENANTD_E_INVALID_VALUE', '`root` is for apps of kind static, and this one is of kind node', 2, 1],
    ['routes: []', 'TENANTD_E_INVALID_VALUE', '`routes` must not be an empty list', 1, 9],
    ['routes:\n  - a.example/..', 'TENANTD_E_INVALID_VALUE', '`routes[0]` must have a plain path, not "a.example/.."', 2, 5],
    ['routes: [/api]', 'TENANTD_E_BAD_DOMAIN', '`routes[0]` must be host/path, not "/api"', 1, 10],
    ['workers: 0', 'TENANTD_E_INVALID_VALUE', '`workers` must be at least 1, not 0', 1, 10],
    ['workers: 1e9', 'TENANTD_E_INVALID_VALUE', '`workers` must be at most 64, not 1000000000', 1, 10],
    ['workers: many', 'TENANTD_E_INVALID_VALUE', '`workers` must be a number or a mapping of keys, not "many"', 1, 10],
    ['workers: { min: 4, max: 2 }', 'TENANTD_E_INVALID_VALUE', '`workers` must not have a `min` over its `max`', 1, 10],
    ['workers: { min: 1 }', 'TENANTD_E_MISSING_KEY', '`workers.max` is missing', 1, 1],
    ['health: { path: healthz }', 'TENANTD_E_INVALID_VALUE', '`health.path` must have a plain path, not "healthz"', 1, 17],
    ['health: { path: /, intervalMs: 1 }', 'TENANTD_E_INVALID_VALUE', '`health.intervalMs` must be at least 250, not 1', 1, 32],
    ['health: { path: /, timeoutMs: 99 }', 'TENANTD_E_INVALID_VALUE', '`health.timeoutMs` must be at least 100, not 99', 1, 31],
    ['health: { path: /, failures: 21 }', 'TENANTD_E_INVALID_VALUE', '`health.failures` must be at most 20, not 21', 1, 30],
    ['env: { PATH: /tmp }', 'TENANTD_E_INVALID_VALUE', '`env.PATH` is set by tenantd and can not be changed', 1, 8],
    ['env: { TENANTD_APP: x }', 'TENANTD_E_INVALID_VALUE', '`env.TENANTD_APP` is set by tenantd and can not be changed', 1, 8],
    [
      'env: { LD_PRELOAD: /apps/x.so }',
      'TENANTD_E_INVALID_VALUE',
      '`env.LD_PRELOAD` is not allowed, it changes how programs are loaded',
      1,
      8,
    ],
    ['env: { GCONV_PATH: /apps }', 'TENANTD_E_INVALID_VALUE', '`env.GCONV_PATH` is not allowed, it changes how programs are loaded', 1, 8],
    ['env: { "A=B": x }', 'TENANTD_E_INVALID_VALUE', '`env.A=B` must be named with letters, digits and "_"', 1, 8],
    ['env: { TOKEN: 12345 }', 'TENANTD_E_INVALID_VALUE', '`env.TOKEN` must be text', 1, 15],
    ['env: { A: "x\\0y" }', 'TENANTD_E_INVALID_VALUE', '`env.A` must not have a zero character', 1, 11],
    ['drain: 1h', 'TENANTD_E_INVALID_VALUE', '`drain` must be between 0s and 10m, not "1h"', 1, 8],
    [
      'schedule: [{ name: x, cron: "every day", path: / }]',
      'TENANTD_E_INVALID_VALUE',
      '`schedule[0].cron` must be five fields as in crontab, not "every day"',
      1,
      29,
    ],
    ['command: "npm start"', 'TENANTD_E_INVALID_VALUE', '`command` must be a list, not "npm start"', 1, 10],
    ['comand: [x]', 'TENANTD_E_UNKNOWN_KEY', 'there is no key "comand"', 1, 1],
    ['', 'TENANTD_E_FILE_EMPTY', 'the file is empty', undefined, undefined],
    ['entry: "x', 'TENANTD_E_YAML', 'the file is not valid YAML: missing closing "quote', 1, 10],
  ])('%j', async (text, code, message, line, column) => {
    const { manifest, problems } = await read({ 'app.yaml': text, 'index.js': '', 'folder/': '', 'public/': '' });
    expect(manifest).toBeUndefined();
    const place = line === undefined ? {} : { line, column };
    expect(problems).toMatchObject([{ code, message, ...place, file: 'app.yaml', app: 'site' }]);
  });

  test('a value of the environment is never shown', async () => {
    const { problems } = await read({ 'app.yaml': `env: { SECRET: ["hunter2"], OTHER: "${'hunter2'.repeat(1_000)}" }`, 'index.js': '' });
    expect(problems).toHaveLength(2);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });

  test('an environment is limited as a whole', async () => {
    const env = Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`A${i}`, '']));
    const { problems } = await read({ 'app.yaml': JSON.stringify({ env }), 'index.js': '' });
    expect(problems).toMatchObject([{ code: 'TENANTD_E_TOO_MANY', line: 1 }]);
  });

  test('a manifest is limited as a whole', async () => {
    const command = Array.from({ length: 60 }, () => 'x'.repeat(1_000));
    const { manifest, problems } = await read({ 'app.yaml': JSON.stringify({ command }) });
    expect(manifest).toBeUndefined();
    expect(problems).toMatchObject([{ code: 'TENANTD_E_FILE_TOO_LARGE' }]);
  });
});

describe('a strict sandbox', () => {
  test('is for Node apps', async () => {
    const { manifest, problems } = await read({ 'app.yaml': 'sandbox: strict\n', 'index.js': '' });
    expect(manifest).toMatchObject({ kind: 'node', sandbox: 'strict' });
    expect(problems).toEqual([]);
  });

  test.each(['command: [python3, app.py]', 'kind: static\nroot: .'])('is refused for what Node does not run: %s', async (text) => {
    const { manifest, problems } = await read({ 'app.yaml': `sandbox: strict\n${text}\n`, 'index.html': '' });
    expect(manifest).toBeUndefined();
    expect(problems).toMatchObject([{ code: 'TENANTD_E_INVALID_VALUE', message: expect.stringContaining('of kind'), line: 1, column: 1 }]);
  });
});

describe('noWake', () => {
  test('lists paths and agents; what is absent is empty', async () => {
    const text = 'noWake: { paths: [/healthz, /ping/], agents: [UptimeRobot/2.0] }\n';
    expect(await manifestOf({ 'app.yaml': text, 'index.js': '' })).toMatchObject({
      noWake: { paths: ['/healthz', '/ping'], agents: ['UptimeRobot/2.0'] },
    });
    expect(await manifestOf({ 'app.yaml': 'noWake: { paths: [/healthz] }\n' })).toMatchObject({
      noWake: { paths: ['/healthz'], agents: [] },
    });
    expect(await manifestOf({ 'app.yaml': 'compress: true\n' })).not.toHaveProperty('noWake');
  });

  test.each([
    ['a path with a query', 'paths: ["/healthz?x"]'],
    ['an empty agent, which all would match', 'agents: [""]'],
    ['a long agent', `agents: [${'x'.repeat(65)}]`],
    ['an agent over two lines', 'agents: ["a\\nb"]'],
    ['too many paths', `paths: [${Array.from({ length: 17 }, (_, index) => `/p${index}`).join(', ')}]`],
    ['too many agents', `agents: [${Array.from({ length: 17 }, (_, index) => `a${index}`).join(', ')}]`],
    ['another key', 'hosts: [a.example]'],
  ])('refuses %s', async (_, text) => {
    const { manifest, problems } = await read({ 'app.yaml': `noWake: { ${text} }\n`, 'index.js': '' });
    expect(manifest).toBeUndefined();
    expect(problems).toMatchObject([{ line: 1, message: expect.stringMatching(/noWake/) }]);
  });
});

describe('links and other traps', () => {
  test('app.yaml that is a link is refused', async () => {
    writeFileSync(join(root, 'other.yaml'), 'kind: node');
    symlinkSync('../other.yaml', join(dir, 'app.yaml'));
    expect(await read({ 'index.js': '' })).toMatchObject({ problems: [{ code: 'TENANTD_E_FILE_NOT_PLAIN' }] });
  });

  test('app.yaml that is a FIFO is refused at once', async () => {
    execFileSync('mkfifo', [join(dir, 'app.yaml')]);
    expect(await read({ 'index.js': '' })).toMatchObject({ problems: [{ code: 'TENANTD_E_FILE_NOT_PLAIN' }] });
  });

  test('app.yaml over its limit is refused', async () => {
    expect(await read({ 'app.yaml': '#'.repeat(65_537) })).toMatchObject({ problems: [{ code: 'TENANTD_E_FILE_TOO_LARGE' }] });
  });

  test('package.json that is a FIFO or a link says nothing', async () => {
    execFileSync('mkfifo', [join(dir, 'package.json')]);
    expect(await manifestOf({ 'index.html': '' })).toMatchObject({ kind: 'static' });
    rmSync(join(dir, 'package.json'));
    writeFileSync(join(root, 'package.json'), '{ "main": "index.html" }');
    symlinkSync('../package.json', join(dir, 'package.json'));
    expect(await manifestOf({})).toMatchObject({ kind: 'static' });
  });

  test.each(['entry: link', 'entry: way/passwd', 'root: way'])('%s that leaves the folder is refused', async (text) => {
    symlinkSync('/etc/passwd', join(dir, 'link'));
    symlinkSync('/etc', join(dir, 'way'));
    const { manifest, problems } = await read({ 'app.yaml': text });
    expect(manifest).toBeUndefined();
    expect(problems).toMatchObject([{ code: 'TENANTD_E_BAD_PATH', line: 1 }]);
  });

  test('a folder beside the app whose name begins alike is outside', async () => {
    mkdirSync(join(root, 'site-secrets'));
    symlinkSync('../site-secrets', join(dir, 'public'));
    expect(await read({})).toMatchObject({ problems: [{ code: 'TENANTD_E_UNKNOWN_KIND' }] });
  });

  test('a link that stays inside may be used', async () => {
    symlinkSync('lib/app.js', join(dir, 'main.js'));
    expect(await manifestOf({ 'app.yaml': 'entry: main.js', 'lib/app.js': '' })).toMatchObject({ entry: 'main.js' });
  });

  test('links in a circle are not there', async () => {
    symlinkSync('b', join(dir, 'a'));
    symlinkSync('a', join(dir, 'b'));
    expect(await read({ 'app.yaml': 'entry: a' })).toMatchObject({ problems: [{ code: 'TENANTD_E_NO_ENTRY' }] });
  });

  test('an app whose folder is gone is a problem', async () => {
    expect(await readManifest(join(root, 'gone'), 'gone')).toMatchObject({
      problems: [{ code: 'TENANTD_E_FILE_UNREADABLE', app: 'gone' }],
    });
  });
});

describe('the schema of a decided manifest', () => {
  const good = {
    kind: 'node',
    entry: 'a.js',
    workers: { min: 1, max: 1 },
    env: {},
    drainMs: 0,
    startTimeoutMs: 1,
    compress: false,
    sandbox: 'default',
    schedule: [],
  };

  const schedule = { name: 'a', cron: '0 7 * * *', path: '/', overlap: 'skip', missed: 'run', timezone: 'UTC', timeoutMs: 1_000 };

  test.each([good, { ...good, schedule: [schedule] }])('takes a good one', (manifest) => {
    expect(appManifestSchema.parse(manifest)).toEqual(manifest);
  });

  test.each<[string, object]>([
    ['an unknown key', { extra: 1 }],
    ['a way out', { entry: '../x' }],
    ['an absolute path', { entry: '/etc/passwd' }],
    ['no entry', { kind: 'static' }],
    ['too many workers', { workers: { min: 1, max: 1e9 } }],
    ['a negative time', { drainMs: -1 }],
    ['a time that is no number', { drainMs: null }],
    ['a reserved variable', { env: { LD_PRELOAD: 'x' } }],
    ['a host with a port', { routes: [{ host: 'a.example:1', path: '/' }] }],
    ['too many routes', { routes: Array.from({ length: 65 }, () => ({ host: 'a.example', path: '/' })) }],
    ['schedules of a static app', { kind: 'static', entry: undefined, root: '.', schedule: [schedule] }],
    ['two schedules of one name', { schedule: [schedule, schedule] }],
    ['a time limit that is none', { schedule: [{ ...schedule, timeoutMs: 1e9 }] }],
    ['a time that never comes', { schedule: [{ ...schedule, cron: '0 0 30 2 *' }] }],
    ['too much of everything', { command: Array.from({ length: 60 }, () => 'x'.repeat(1_000)) }],
  ])('refuses %s', (_, change) => {
    expect(appManifestSchema.safeParse({ ...good, ...change }).success).toBe(false);
  });

  test('takes no prototype from an answer', () => {
    const parsed = appManifestSchema.safeParse({ ...good, env: JSON.parse('{ "__proto__": "x", "A": "b" }') });
    expect(parsed.data?.env).toEqual({ A: 'b' });
  });
});

describe('schedules', () => {
  test('are for apps that answer: not for static ones', async () => {
    const { manifest, problems } = await read({
      'app.yaml': 'schedule: [{ name: a, cron: "0 7 * * *", path: / }]\nkind: static\n',
      'index.html': '',
    });
    expect(manifest).toBeUndefined();
    expect(problems).toMatchObject([
      { code: 'TENANTD_E_INVALID_VALUE', message: expect.stringContaining('kind static'), line: 1, column: 1 },
    ]);
  });

  test('come with everything decided', async () => {
    const { schedule } = await manifestOf({
      'app.yaml': 'schedule: [{ name: a, cron: "0 7 * * mon", path: /a/, timeout: 1m }]\n',
      'a.js': '',
      'index.js': '',
    });
    expect(schedule).toEqual([
      { ...{ name: 'a', cron: '0 7 * * mon', path: '/a', timeoutMs: 60_000 }, overlap: 'skip', missed: 'skip', timezone: 'UTC' },
    ]);
  });
});
