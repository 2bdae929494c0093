import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { DiffResult } from '../../src/protocol/template-calls.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const app = {
  'apps/web/package.json': '{ "main": "server.js" }',
  'apps/web/server.js': 'require("node:http").createServer((_, response) => response.end("ok")).listen(1);\n',
};
let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon({
    tenants: {
      acme: { 'tenant.yaml': 'domains: [acme.example]\n', ...app },
      globex: { 'tenant.yaml': 'domains: [globex.example]\n', ...app },
    },
  });
  await daemon.untilApps(['acme/web', 'globex/web']);
});
afterAll(() => daemon?.[Symbol.asyncDispose]());

async function changes(...args: string[]): Promise<(string | null)[][]> {
  const { code, stdout, stderr } = await daemon.ctl('diff', ...args, '--json');
  if (code !== 0) throw new Error(stdout + stderr);
  const result = JSON.parse(stdout) as DiffResult;
  return result.changes.map(({ tenant, app: of = '', what, from, to }) => [
    [tenant, of].filter((part) => part !== '').join('/'),
    what,
    from,
    to,
  ]);
}

async function ctl(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await daemon.ctl(...args);
  if (code !== 0) throw new Error(stdout + stderr);
}

test('what is another than the files say is told, and nothing once it is as they say', async () => {
  expect(await changes()).toEqual([]);
  await ctl('app', 'scale', 'acme/web', '2');
  await ctl('app', 'stop', 'globex/web');
  expect(await changes()).toEqual([
    ['acme/web', 'workers', '2', '1'],
    ['globex/web', 'state', 'stopped', 'running'],
  ]);
  expect(await changes('globex')).toEqual([['globex/web', 'state', 'stopped', 'running']]);
  await ctl('app', 'scale', 'acme/web', 'auto');
  await ctl('app', 'start', 'globex/web');
  await ctl('tenant', 'suspend', 'globex', '--reason', 'unpaid');
  expect(await changes()).toEqual([['globex', 'state', 'suspended', 'in service']]);
  await ctl('tenant', 'resume', 'globex');
  expect(await changes()).toEqual([]);
}, 60_000);

test('a broken tenant.yaml tells what it would change, and a domain of another is told as such', async () => {
  daemon.writeTenant('acme', { 'tenant.yaml': 'domains: [acme.example, more.example]\nplan: nowhere\n' });
  expect(await changes()).toEqual([
    ['acme', 'domains', null, 'more.example'],
    ['acme', 'plan', null, 'nowhere'],
  ]);
  const file = `${daemon.tenantsDir}/acme/tenant.yaml`;
  writeFileSync(file, 'domains: [\n');
  expect(await changes('acme')).toEqual([['acme', 'tenant.yaml', 'the last good version', null]]);
  writeFileSync(file, 'domains: [acme.example, globex.example]\n');
  await until(async () => (await daemon.tenant('acme')).problems.some(({ code }) => code === 'TENANTD_E_DOMAIN_TAKEN'), 'it was read');
  expect(await changes()).toEqual([['acme', 'domains', null, 'globex.example']]);
  writeFileSync(file, 'domains: [acme.example]\n');
  await until(async () => (await changes()).length === 0, 'all is as the files say');
}, 60_000);

test('tenantd.yaml tells what waits for a restart, for new edges, or for its mending', async () => {
  const text = readFileSync(daemon.configFile, 'utf8');
  const write = (next: string): void => {
    writeFileSync(`${daemon.configFile}.next`, next);
    renameSync(`${daemon.configFile}.next`, daemon.configFile);
  };
  onTestFinished(() => write(text));
  write(`${text}\nlogs: { keep: 7 }\nedge: { processes: 2 }\n`);
  await until(async () => (await daemon.status()).problems.length === 2, 'it was read');
  expect(await changes()).toEqual([
    ['', 'logs.keep', '5', '7'],
    ['', 'edge.processes', '1', '2'],
  ]);
  await ctl('reload', '--edges');
  expect(await changes()).toEqual([['', 'logs.keep', '5', '7']]);
  write(`${text}\nlogs: { keep: x }\n`);
  expect(await changes()).toEqual([['', 'tenantd.yaml', 'the last good version', null]]);
}, 60_000);

test('a release that serves in place of the files in its folder is told', async () => {
  const release = mkdtempSync(join(tmpdir(), 'tenantd-release-'));
  onTestFinished(() => rmSync(release, { recursive: true }));
  writeFileSync(`${release}/package.json`, app['apps/web/package.json']);
  writeFileSync(`${release}/server.js`, app['apps/web/server.js']);
  await ctl('app', 'deploy', 'acme/web', release);
  expect(await changes('acme')).toEqual([['acme/web', 'release', expect.stringMatching(/^\d{8}-/), 'local']]);
  expect((await daemon.ctl('diff', 'nobody')).stderr).toContain('TENANTD_E_NO_SUCH_TENANT');
}, 60_000);
