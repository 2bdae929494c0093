import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from '../support/client.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const names = Array.from({ length: 50 }, (_, index) => `fleet-${String(index).padStart(2, '0')}`);
const answering = (text: string): string =>
  `require('node:http').createServer((request, response) => response.end(${JSON.stringify(text)} + request.headers['x-tenantd-tenant'])).listen(3000);`;
const filesOf = (name: string): TenantFiles => ({
  'tenant.yaml': `domains: [${name}.test]\n`,
  'apps/site/package.json': '{ "main": "server.js" }',
  'apps/site/server.js': answering('I am '),
});

describe('fifty tenants', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: Object.fromEntries(names.map((name) => [name, filesOf(name)])) });
    await daemon.untilApps(names.map((name) => `${name}/site`));
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const textOf = async (name: string): Promise<string> => (await request(daemon.port, { host: `${name}.test` })).text;
  const statusOf = async (name: string): Promise<number> => (await request(daemon.port, { host: `${name}.test` })).status;

  test('answer each with its own identity', async () => {
    for (const name of names) expect(await textOf(name)).toBe(`I am ${name}`);
  });

  test('one is changed, one removed, one broken, one comes: no request to the other 47 fails', async () => {
    const [changed = '', removed = '', broken = '', ...others] = names;
    const hosts = others.map((name) => ({ host: `${name}.test`, expected: `I am ${name}` }));
    const load = startSteadyLoad({ port: daemon.port, hosts, workers: 8 });

    daemon.writeTenant(changed, { 'tenant.yaml': `domains: [${changed}.test, new-${changed}.test]\n` });
    await until(
      async () => (await request(daemon.port, { host: `new-${changed}.test` })).text === `I am ${changed}`,
      'the new domain answers',
    );
    daemon.removeTenant(removed);
    await until(async () => (await statusOf(removed)) === 421, 'the removed tenant is gone');
    daemon.writeTenant(broken, { 'tenant.yaml': 'domains: [\n' });
    await until(async () => (await daemon.tenant(broken)).problems.length > 0, 'the broken file is told');
    expect(await textOf(broken)).toBe(`I am ${broken}`);
    expect((await daemon.tenant(broken)).problems[0]).toMatchObject({ code: 'TENANTD_E_YAML', line: 2 });
    daemon.writeTenant('latecomer', filesOf('latecomer'));
    await until(async () => (await request(daemon.port, { host: 'latecomer.test' })).text === 'I am latecomer', 'the new tenant answers');

    const { requests, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(47);
  });
});
