import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { DiffResult, TemplateApplyResult, TemplateListResult } from '../../src/protocol/template-calls.ts';
import { request } from '../support/client.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

/** Its answer waits for its files, so that a start takes a while. */
const server = (text: string): string =>
  `const text = '${text} ' + process.env.GREETING;\nrequire('node:http').createServer((_, response) => setTimeout(() => response.end(text), 20)).listen(1);\n`;

let templatesDir: string;
let daemon: TestDaemon;

beforeAll(async () => {
  templatesDir = mkdtempSync(join(tmpdir(), 'tenantd-templates-'));
  daemon = await startTestDaemon({ config: `templatesDir: ${templatesDir}` });
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(templatesDir, { recursive: true, force: true });
});

function writeTemplate(name: string, files: Record<string, string>): void {
  onTestFinished(() => rmSync(`${templatesDir}/${name}`, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(`${templatesDir}/${name}/${path}`), { recursive: true });
    writeFileSync(`${templatesDir}/${name}/${path}`, text);
  }
}

const nodeTemplate = {
  'template.yaml': 'description: A node app\nvariables: { greeting: { default: hello } }\n',
  'tenant.yaml': 'domains: {{ domains }}\nplan: {{ plan }}\n',
  'apps/web/app.yaml': 'kind: node\nentry: server.js\nenv: { GREETING: "{{ greeting }}" }\ndrain: 5s\n',
  'apps/web/server.js': server('one'),
  'apps/web/notes.txt': 'first\n',
};

async function ctl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.ctl(...args);
  if (code !== 0) throw new Error(`tenantctl ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

async function create(template: string, ...tenants: string[]): Promise<void> {
  for (const tenant of tenants) await ctl('tenant', 'create', tenant, '--domain', `${tenant}.example`, '--template', template);
}

async function diff(): Promise<DiffResult['changes']> {
  return (JSON.parse(await ctl('diff', '--json')) as DiffResult).changes;
}

const fetchText = async (tenant: string): Promise<string> => (await request(daemon.port, { host: `${tenant}.example` })).text;
const fileOf = (tenant: string, path: string): string => `${daemon.tenantsDir}/${tenant}/${path}`;
const read = (tenant: string, path: string): string => readFileSync(fileOf(tenant, path), 'utf8');

test('tenants follow their template, with no failed request, and keep what is their own', async () => {
  writeTemplate('web', nodeTemplate);
  const tenants = ['a1', 'a2', 'a3'];
  await create('web', ...tenants);
  const { templates } = JSON.parse(await ctl('template', 'list', '--json')) as TemplateListResult;
  expect(templates).toMatchObject([
    { name: 'web', description: 'A node app', tenants, variables: [{ name: 'greeting', default: 'hello' }] },
  ]);
  expect(await fetchText('a1')).toBe('one hello');
  await ctl('domain', 'add', 'a2', 'more.example');
  writeFileSync(fileOf('a3', 'apps/web/notes.txt'), 'my own\n');
  writeFileSync(fileOf('a3', 'apps/web/extra.txt'), 'beside\n');

  writeTemplate('web', {
    'tenant.yaml': 'domains: {{ domains }}\nplan: {{ plan }}\nidle: 1h\n',
    'apps/web/server.js': server('two'),
    'apps/web/notes.txt': 'second\n',
  });
  expect(await diff()).toContainEqual(expect.objectContaining({ tenant: 'a1', app: 'web', what: 'apps/web/server.js' }));
  const shown = await daemon.ctl('template', 'apply', 'web', '--all');
  expect(shown.code).toBe(1);
  expect(shown.stdout).toContain("+const text = 'two '");
  expect(shown.stdout).toContain('! apps/web/notes.txt');
  expect(shown.stderr).toContain('--yes');
  expect(await fetchText('a1')).toBe('one hello');

  const failures: string[] = [];
  const seen = new Set<string>();
  const asking = new AbortController();
  const load = Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const host = `${tenants[index % 3]}.example`;
      while (!asking.signal.aborted) {
        const { status, text } = await request(daemon.port, { host }).catch((error: unknown) => ({ status: 0, text: String(error) }));
        seen.add(text);
        if (status !== 200 || !/^(one|two) hello$/.test(text)) failures.push(`${host}: ${status} ${text}`);
      }
    }),
  );
  try {
    await ctl('template', 'apply', 'web', '--all', '--yes');
  } finally {
    asking.abort();
    await load;
  }
  expect(failures).toEqual([]);
  expect([...seen].toSorted()).toEqual(['one hello', 'two hello']);
  for (const tenant of tenants) {
    expect(await fetchText(tenant)).toBe('two hello');
    expect(existsSync(fileOf(tenant, '.template'))).toBe(false);
    expect(read(tenant, 'tenant.yaml')).toContain('idle: 1h');
  }
  expect(read('a2', 'tenant.yaml')).toContain('more.example');
  expect((await daemon.tenant('a2')).domains).toContain('more.example');
  expect(read('a1', 'apps/web/notes.txt')).toBe('second\n');
  expect([read('a3', 'apps/web/notes.txt'), read('a3', 'apps/web/extra.txt')]).toEqual(['my own\n', 'beside\n']);
  // It is told until it is none any more.
  expect((await diff()).map(({ tenant, what, from }) => [tenant, what, from])).toEqual([['a3', 'apps/web/notes.txt', "the operator's"]]);
  await ctl('template', 'apply', 'web', 'a3', '--force', '--yes');
  expect(read('a3', 'apps/web/notes.txt')).toBe('second\n');
  expect(await diff()).toEqual([]);
}, 120_000);

test('a template whose app does not come to serve changes nothing, and the tenants after it are not begun', async () => {
  writeTemplate('weak', nodeTemplate);
  await create('weak', 'b1', 'b2');
  writeTemplate('weak', { 'apps/web/server.js': 'throw new Error("no good");\n', 'apps/web/notes.txt': 'second\n' });
  const load = startSteadyLoad({ port: daemon.port, hosts: [{ host: 'b1.example', expected: 'one hello' }], workers: 2 });
  const { code, stderr } = await daemon.ctl('template', 'apply', 'weak', '--all', '--yes');
  const { failures } = await load.stop();
  expect(failures).toEqual([]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/b1: b1\/web: .*exited with code 1.*all of b1 is as it was before[^]*not begun: b2/);
  expect(read('b1', 'apps/web/notes.txt')).toBe('first\n');
  expect(existsSync(fileOf('b1', '.template'))).toBe(false);
  await daemon.untilApps(['b1/web', 'b2/web']);
  const kept = JSON.parse((await daemon.ctl('template', 'apply', 'weak', '--all', '--yes', '--keep-going', '--json')).stdout) as {
    failed: { tenant: string }[];
  };
  expect(kept.failed.map(({ tenant }) => tenant)).toEqual(['b1', 'b2']);
  expect(await fetchText('b2')).toBe('one hello');
}, 120_000);

test('an app that was deployed since keeps its release, and files and apps come and go with the template', async () => {
  writeTemplate('parts', {
    ...nodeTemplate,
    'apps/web/app.yaml': `${nodeTemplate['apps/web/app.yaml']}routes: [{{ domain }}/]\n`,
    'apps/pages/index.html': 'pages\n',
    'apps/pages/app.yaml': 'kind: static\nroutes: ["{{ domain }}/pages"]\n',
    'certificates/readme.md': 'nothing\n',
  });
  await create('parts', 'c1');
  const release = mkdtempSync(join(tmpdir(), 'tenantd-release-'));
  onTestFinished(() => rmSync(release, { recursive: true }));
  writeFileSync(`${release}/server.js`, server('deployed'));
  writeFileSync(`${release}/app.yaml`, 'kind: node\nentry: server.js\nroutes: [c1.example/]\n');
  await ctl('app', 'deploy', 'c1/web', release);
  rmSync(`${templatesDir}/parts/apps/pages`, { recursive: true });
  rmSync(`${templatesDir}/parts/certificates`, { recursive: true });
  writeTemplate('parts', {
    'apps/web/server.js': server('two'),
    'apps/news/public/news/index.html': 'news\n',
    'apps/news/app.yaml': 'kind: static\nroutes: ["{{ domain }}/news"]\n',
  });
  const result = JSON.parse(await ctl('template', 'apply', 'parts', 'c1', '--yes', '--json')) as { tenants: TemplateApplyResult[] };
  expect(result.tenants).toMatchObject([{ deployed: ['web'], applied: true }]);
  expect(result.tenants[0]?.changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
    'add apps/news/app.yaml',
    'add apps/news/public/news/index.html',
    'remove apps/pages/app.yaml',
    'remove apps/pages/index.html',
    'remove certificates/readme.md',
  ]);
  expect(readdirSync(fileOf('c1', 'apps')).toSorted()).toEqual(['news', 'web']);
  expect(await fetchText('c1')).toMatch(/^deployed/);
  await until(async () => (await request(daemon.port, { host: 'c1.example', path: '/news/' })).text === 'news\n', 'the new app serves');
}, 120_000);

test('what is killed halfway is finished by the next daemon, and what was not begun is gone', async () => {
  writeTemplate('cut', { ...nodeTemplate, 'apps/web/app.yaml': `${nodeTemplate['apps/web/app.yaml']}startTimeout: 60s\n` });
  await create('cut', 'd1', 'd2');
  // Listens when it is told to.
  writeTemplate('cut', {
    'apps/web/server.js': `const go = () => require('node:fs').existsSync('/data/go') ? (${server('two').split('\n')[0]?.replace('const text = ', 'globalThis.text = ').replace(';', '')}, require('node:http').createServer((_, r) => r.end(text)).listen(1)) : setTimeout(go, 20);\ngo();\n`,
    'apps/web/notes.txt': 'second\n',
  });
  const applying = daemon.ctl('template', 'apply', 'cut', '--all', '--yes');
  await until(() => read('d1', 'apps/web/notes.txt') === 'second\n', 'the new folder is in place');
  expect(existsSync(fileOf('d1', '.template'))).toBe(true);
  await daemon.kill();
  expect((await applying).code).not.toBe(0);
  expect(await fetchText('d1')).toBe('one hello');
  mkdirSync(fileOf('d2', '.template'));
  writeFileSync(fileOf('d2', '.template/half'), 'x');
  await daemon.start();
  expect(read('d1', 'apps/web/notes.txt')).toBe('second\n');
  expect([existsSync(fileOf('d1', '.template')), existsSync(fileOf('d2', '.template'))]).toEqual([false, false]);
  expect(read('d2', 'apps/web/notes.txt')).toBe('first\n');
  writeFileSync(`${daemon.dataOf('d1')}/apps/web/go`, '');
  await until(async () => (await fetchText('d1')) === 'two hello', 'the new code serves');
  expect((await diff()).filter(({ tenant }) => tenant === 'd1')).toEqual([]);
}, 120_000);

test('tenants that are suspended, stopped or have no such app any more follow their template, too, and stay as they are', async () => {
  writeTemplate('quiet', nodeTemplate);
  await create('quiet', 'g1', 'g2', 'g3');
  await ctl('tenant', 'suspend', 'g1');
  await ctl('app', 'stop', 'g2/web');
  rmSync(fileOf('g3', 'apps/web'), { recursive: true });
  writeTemplate('quiet', { 'apps/web/server.js': server('two') });
  await ctl('template', 'apply', 'quiet', 'g1', '--yes');
  await ctl('template', 'apply', 'quiet', 'g2', '--yes');
  expect([(await daemon.tenant('g1')).state, (await daemon.app('g2', 'web')).state]).toEqual(['suspended', 'stopped']);
  const { stdout } = await daemon.ctl('template', 'apply', 'quiet', 'g3', '--yes');
  expect(stdout).toContain('! apps/web/server.js  it was removed since, left alone');
  await ctl('tenant', 'resume', 'g1');
  await ctl('app', 'start', 'g2/web');
  expect([await fetchText('g1'), await fetchText('g2')]).toEqual(['two hello', 'two hello']);
}, 60_000);

test('each example makes a tenant that answers', async () => {
  for (const name of readdirSync(repositoryPath('templates.example')).filter((entry) => !entry.includes('.'))) {
    onTestFinished(() => rmSync(`${templatesDir}/${name}`, { recursive: true }));
    cpSync(repositoryPath(`templates.example/${name}`), `${templatesDir}/${name}`, { recursive: true });
    await create(name, `x-${name}`);
    const { status } = await request(daemon.port, { host: `x-${name}.example` });
    const { problems } = await daemon.tenant(`x-${name}`);
    expect([name, status, problems]).toEqual([name, 200, []]);
  }
}, 60_000);

test('a template with a link, or that others can write, is refused, and nothing is made', async () => {
  writeTemplate('linked', nodeTemplate);
  symlinkSync('/etc/passwd', `${templatesDir}/linked/apps/web/passwd`);
  const args = ['tenant', 'create', 'e1', '--domain', 'e1.example', '--template', 'linked'];
  expect((await daemon.ctl(...args)).stderr).toMatch(/apps\/web\/passwd is not a plain file of root's own/);
  rmSync(`${templatesDir}/linked/apps/web/passwd`);
  writeTemplate('linked', { 'apps/web/app.yaml': 'env: { A: "{{ unknown }}" }\n' });
  expect((await daemon.ctl(...args)).stderr).toMatch(/linked\/apps\/web\/app\.yaml:1: there is no variable "unknown"/);
  writeTemplate('linked', { 'apps/web/app.yaml': 'kind: node\n', 'apps/web/current': 'x' });
  expect((await daemon.ctl(...args)).stderr).toMatch(/current can not be a file of a tenant/);
  expect(existsSync(`${daemon.tenantsDir}/e1`)).toBe(false);
}, 60_000);

test('an app folder that a tenant could write is not entered', async () => {
  writeTemplate('taken', nodeTemplate);
  await create('taken', 'f1');
  const { uid } = lstatSync(fileOf('f1', 'apps/web'));
  expect(uid).toBe(0);
  mkdirSync(fileOf('f1', 'apps/web/open'), { mode: 0o777 });
  chmodSync(fileOf('f1', 'apps/web/open'), 0o777);
  writeTemplate('taken', { 'apps/web/notes.txt': 'second\n' });
  expect((await daemon.ctl('template', 'apply', 'taken', 'f1', '--yes')).stderr).toMatch(
    /open is not a folder of root's own, or others can write/,
  );
  expect(read('f1', 'apps/web/notes.txt')).toBe('first\n');
  expect(existsSync(fileOf('f1', '.template'))).toBe(false);
}, 60_000);
