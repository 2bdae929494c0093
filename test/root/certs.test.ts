import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertCaResult, CertListResult, DomainListResult } from '../../src/protocol/certificate-calls.ts';
import { PebbleUnderTest } from '../integration/certs/pebble-under-test.ts';
import { makeCertificate } from '../support/certificate.ts';
import { request } from '../support/client.ts';
import { prepareTestDaemon, startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, otherThan, probeTenant, processFacts } from './probe.ts';

const app: TenantFiles = {
  'apps/site/package.json': '{ "main": "server.js" }',
  'apps/site/server.js': `require('node:http').createServer((request, response) => response.end(request.headers['x-forwarded-proto'])).listen(3000);`,
};

interface Served {
  text: string;
  serial: string;
}

/** Trusting `ca` and nobody else. */
function get({ httpsPort }: TestDaemon, ca: string, host: string): Promise<Served> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: httpsPort, servername: host, headers: { host }, ca, agent: false };
    const sent = https.get(options, (response) => {
      const serial = (response.socket as TLSSocket).getPeerX509Certificate()?.serialNumber ?? '';
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      response.on('end', () => resolve({ text, serial }));
    });
    sent.on('error', reject);
  });
}

const answers = (daemon: TestDaemon, ca: string, host: string): Promise<boolean> =>
  get(daemon, ca, host).then(
    ({ text }) => text === 'https',
    () => false,
  );

async function json<Result>(daemon: TestDaemon, ...args: string[]): Promise<Result> {
  const { code, stdout, stderr } = await daemon.ctl(...args, '--json');
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Result;
}

const certsPid = async (daemon: TestDaemon): Promise<number> => (await daemon.status()).certs.pid;

describe('https without acme', () => {
  let daemon: TestDaemon;
  let ca: CertCaResult;
  beforeAll(async () => {
    daemon = await startTestDaemon({
      https: true,
      tenants: {
        acme: { 'tenant.yaml': '# the first\ndomains: [acme.test, "*.shops.acme.test"]\n', ...app },
        prober: probeTenant('prober'),
      },
    });
    await daemon.untilApps(['acme/site', 'prober/site']);
    ca = await json<CertCaResult>(daemon, 'cert', 'ca');
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  const isAnswered = (host: string): Promise<boolean> => answers(daemon, ca.certificate, host);
  const serialOf = async (host: string): Promise<string> => (await get(daemon, ca.certificate, host)).serial;

  async function listed(): Promise<string[]> {
    const { names } = await json<CertListResult>(daemon, 'cert', 'list');
    return names.map(({ tenant, name, state }) => `${tenant} ${name} ${state}`);
  }

  test('a tenant answers with a certificate of the local CA, for names below a wildcard too', async () => {
    await until(async () => (await isAnswered('acme.test')) && (await isAnswered('one.shops.acme.test')), 'https answers');
    expect(await listed()).toEqual(['acme *.shops.acme.test issued', 'acme acme.test issued', 'prober prober.test issued']);
    expect((await daemon.app('acme', 'site')).urls).toContain(`https://acme.test:${daemon.httpsPort}/`);
    const redirect = await request(daemon.port, { host: 'acme.test' });
    expect([redirect.status, redirect.headers.location]).toEqual([308, `https://acme.test:${daemon.httpsPort}/`]);
    expect((await daemon.status()).tenants.flatMap(({ problems }) => problems)).toEqual([]);
  });

  test("the local CA's root is where everyone can read it", () => {
    expect(ca.file).toBe(`${daemon.directory}/state/local-ca.pem`);
    expect(readFileSync(ca.file, 'utf8')).toBe(ca.certificate);
    expect(statSync(ca.file).mode & 0o777).toBe(0o644);
  });

  test('a domain that tenant.yaml gets has its certificate within seconds, and one that it loses has none', async () => {
    daemon.writeTenant('acme', { 'tenant.yaml': '# the first\ndomains: [acme.test, "*.shops.acme.test", late.test]\n' });
    await until(() => isAnswered('late.test'), 'the new domain answers');
    expect((await daemon.ctl('domain', 'add', 'acme', 'LATER.test', 'late.test')).code).toBe(0);
    await until(() => isAnswered('later.test'), 'the other new domain answers');
    expect((await daemon.ctl('domain', 'remove', 'acme', 'late.test', 'later.test')).code).toBe(0);
    expect(readFileSync(`${daemon.tenantsDir}/acme/tenant.yaml`, 'utf8')).toBe('# the first\ndomains: [acme.test, "*.shops.acme.test"]\n');
    await until(async () => !(await isAnswered('late.test')), 'the old domain is gone');
    expect(await listed()).toHaveLength(3);
  });

  test("a domain of another tenant's is not added, and the file stays as it is", async () => {
    const file = `${daemon.tenantsDir}/prober/tenant.yaml`;
    const before = readFileSync(file, 'utf8');
    const { code, stdout } = await daemon.ctl('domain', 'add', 'prober', 'free.test', 'acme.test', '--json');
    expect([code, (JSON.parse(stdout) as { error: { code: string } }).error.code]).toEqual([1, 'TENANTD_E_DOMAIN_TAKEN']);
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  test("a certificate of the tenant's own goes before, for the names that it covers", async () => {
    const own = makeCertificate(['own.test', '*.own.test']);
    const yaml = 'domains: [own.test, a.own.test, a.b.own.test, other.test]\ntls: { certificate: own.pem, key: own.key }\n';
    daemon.writeTenant('own', { 'tenant.yaml': yaml, 'own.pem': own.chain, 'own.key': own.key, ...app });
    await until(async () => (await isAnswered('other.test')) && (await isAnswered('a.b.own.test')), 'the other names have certificates');
    for (const host of ['own.test', 'a.own.test']) expect(await answers(daemon, own.chain, host)).toBe(true);
    const { domains } = await json<DomainListResult>(daemon, 'domain', 'list', 'own');
    expect(Object.fromEntries(domains.map(({ name, certificate }) => [name, certificate]))).toEqual({
      ...{ 'own.test': 'own', 'a.own.test': 'own', 'a.b.own.test': 'managed', 'other.test': 'managed' },
    });
    daemon.removeTenant('own');
    await until(async () => (await listed()).length === 3, 'its names are gone');
  });

  test('the process that does it has a user and a sandbox of its own, and sees nothing of tenants', async () => {
    const pid = await certsPid(daemon);
    const facts = processFacts(pid);
    const user =
      readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .find((line) => line.startsWith('tenantd-certs:'))
        ?.split(':') ?? [];
    expect(facts).toMatchObject({ capabilities: ['0', '0', '0', '0', '0'], noNewPrivileges: '1', groups: '' });
    expect(new Set(facts.uids)).toEqual(new Set([Number(user[2])]));
    const inside = (path: string): string => `/proc/${pid}/root${path}`;
    expect(readdirSync(inside('/var/lib/tenantd'))).toEqual(['certs']);
    expect(readdirSync(inside('/run/tenantd'))).toEqual(['certs']);
    expect([daemon.directory, '/root', '/home', '/srv'].filter((path) => existsSync(inside(path)))).toEqual([]);
    expect(readFileSync(`/proc/${pid}/mountinfo`, 'utf8')).not.toContain(`${daemon.directory}/tenants`);
  });

  test('no tenant can read its state, its socket or its memory', async () => {
    const state = `${daemon.directory}/state/certs`;
    expect([statSync(state).mode & 0o777, statSync(state).uid]).toEqual([0o700, processFacts(await certsPid(daemon)).uids[0]]);
    expect(statSync(`${daemon.directory}/run/certs`).mode & 0o777).toBe(0o750);
    const files = readdirSync(state, { recursive: true, encoding: 'utf8' }).map((name) => `${state}/${name}`);
    const keys = files.filter((path) => statSync(path).isFile() && readFileSync(path, 'latin1').includes('PRIVATE KEY'));
    expect(keys.length).toBeGreaterThan(3);
    expect(keys.filter((path) => (statSync(path).mode & 0o777) !== 0o600)).toEqual([]);
    const paths = [...keys, `${daemon.directory}/run/certs/control.sock`, '/var/lib/tenantd/certs', '/run/tenantd/certs/control.sock'];
    const read = await ask<Record<string, string>>(daemon, 'prober/site', 'read', {
      input: [...paths, `/proc/${await certsPid(daemon)}/mem`],
    });
    expect(otherThan(['ENOENT'], read)).toEqual([]);
  });

  test('no key is in the log, the state store or an argument', async () => {
    const pem = readFileSync(`${daemon.directory}/state/certs/local-ca/root-with-key.pem`, 'utf8');
    const secret = /PRIVATE KEY-----\n(.{40})/.exec(pem)?.[1] ?? '';
    expect(secret).toHaveLength(40);
    const stores = ['state.db', 'state.db-wal'].map((name) => readFileSync(`${daemon.directory}/state/${name}`, 'latin1'));
    expect([daemon.log(), ...stores].filter((text) => text.includes(secret))).toEqual([]);
  });

  test('it is killed: what it issued is served on, with the same keys, and it comes back', async () => {
    const [before, serial, keys] = [await certsPid(daemon), await serialOf('acme.test'), keysOf(daemon)];
    process.kill(before, 'SIGKILL');
    expect(await serialOf('acme.test')).toBe(serial);
    await until(async () => ![0, before].includes(await certsPid(daemon)), 'it is back');
    await until(async () => (await listed()).length === 3, 'it knows its names');
    expect([await serialOf('acme.test'), keysOf(daemon)]).toEqual([serial, keys]);
    daemon.writeTenant('acme', { 'tenant.yaml': 'domains: [acme.test, "*.shops.acme.test", again.test]\n' });
    await until(() => isAnswered('again.test'), 'it issues again');
  });

  test('the daemon is killed: it goes on, and the next daemon takes it up; no handshake fails', async () => {
    const [pid, serial] = [await certsPid(daemon), await serialOf('acme.test')];
    await daemon.kill();
    expect(await serialOf('acme.test')).toBe(serial);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    const failures: unknown[] = [];
    const stop = new AbortController();
    const load = (async () => {
      while (!stop.signal.aborted)
        await serialOf('acme.test').then(
          (found) => found === serial || failures.push(found),
          (error: unknown) => failures.push(error),
        );
    })();
    await daemon.start();
    await until(async () => (await listed()).length === 4, 'it has told of its names');
    stop.abort();
    await load;
    expect(failures).toEqual([]);
    expect(await certsPid(daemon)).toBe(pid);
    daemon.writeTenant('acme', { 'tenant.yaml': 'domains: [acme.test, "*.shops.acme.test", again.test, taken-up.test]\n' });
    await until(() => isAnswered('taken-up.test'), 'it issues for the next daemon');
  });

  test('a stop ends it and says nothing of faults', async () => {
    const pid = await certsPid(daemon);
    const from = daemon.log().length;
    expect(await daemon.stop()).toBe(0);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(daemon.log().slice(from)).not.toMatch(/"level":"(?:warn|error)"/);
    expect(readdirSync(`${daemon.directory}/run/certs`)).toEqual([]);
  });
});

/** By hash, all files with a key in them. */
function keysOf({ directory }: TestDaemon): string[] {
  const state = `${directory}/state/certs`;
  return readdirSync(state, { recursive: true, encoding: 'utf8' })
    .map((name) => `${state}/${name}`)
    .filter((path) => statSync(path).isFile() && readFileSync(path, 'latin1').includes('PRIVATE KEY'))
    .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`)
    .sort();
}

test('without https there is no such process, and the operations say why', async () => {
  await using daemon = await startTestDaemon({ tenants: { acme: { 'tenant.yaml': 'domains: [acme.test]\n', ...app } } });
  await daemon.untilApps(['acme/site']);
  expect(await certsPid(daemon)).toBe(0);
  const { code, stdout } = await daemon.ctl('cert', 'list', '--json');
  expect([code, (JSON.parse(stdout) as { error: { code: string } }).error.code]).toEqual([1, 'TENANTD_E_NO_HTTPS']);
  const { domains } = await json<DomainListResult>(daemon, 'domain', 'list');
  expect(domains).toEqual([{ tenant: 'acme', name: 'acme.test', certificate: 'none' }]);
});

describe('https with acme', () => {
  let pebble: PebbleUnderTest;
  let daemon: TestDaemon;
  let hooks: string;
  const config = (more = ''): string =>
    `acme: { directories: ["${pebble.url}"], caFile: ${pebble.directory}/cert.pem, resolvers: ["${pebble.resolver}"], publicAddresses: [127.0.0.1], ${more} }`;
  beforeAll(async () => {
    pebble = await PebbleUnderTest.start();
    hooks = `${pebble.directory}/hooks`;
    writeHook();
    daemon = await prepareTestDaemon({
      https: true,
      config: config(`challenges: [http-01, tls-alpn-01], dnsHook: ["${hooks}/hook", first]`),
      tenants: {
        acme: { 'tenant.yaml': 'domains: [acme.example, { name: www.acme.example, redirectTo: acme.example }]\n', ...app },
        wild: { 'tenant.yaml': 'domains: ["*.wild.example"]\n', ...app },
        dead: { 'tenant.yaml': 'domains: [dead.example]\n', ...app },
      },
    });
    // The CA looks where this daemon listens.
    await pebble.stopCa();
    Object.assign(pebble, { httpPort: daemon.port, tlsPort: daemon.httpsPort });
    await pebble.startCa();
    await pebble.setAddress('dead.example', ['192.0.2.1']);
    await daemon.start();
    await daemon.untilApps(['acme/site', 'wild/site', 'dead/site']);
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await pebble?.stop();
  });

  /** It runs where the machine's own files are not, with its folder and tenantd's Node. */
  function writeHook(): void {
    const lines = [
      '#!/opt/tenantd/bin/node',
      'const [first, action, name, value] = process.argv.slice(2);',
      "if (first !== 'first') process.exit(3);",
      "const method = action === 'present' ? 'set-txt' : 'clear-txt';",
      'const body = JSON.stringify({ host: `${name}.`, value });',
      `fetch('http://${pebble.dnsManagement}/' + method, { method: 'POST', body }).then(({ ok }) => process.exit(ok ? 0 : 4));`,
    ];
    mkdirSync(hooks);
    chmodSync(hooks, 0o755);
    writeFileSync(`${hooks}/hook`, lines.join('\n'));
    chmodSync(`${hooks}/hook`, 0o755);
  }

  const states = async (): Promise<Record<string, string>> => {
    const { names } = await json<CertListResult>(daemon, 'cert', 'list');
    return Object.fromEntries(names.map(({ name, state }) => [name, state]));
  };
  const untilIssued = (name: string): Promise<void> =>
    until(
      async () => (await states())[name] === 'issued',
      `${name} has a certificate`,
      30_000,
      async () => `${JSON.stringify(await json(daemon, 'cert', 'list'))}\n${daemon.log().slice(-4_000)}`,
    );

  test('every name gets a certificate of the CA: by http, and wildcards by the DNS', async () => {
    for (const name of ['acme.example', 'www.acme.example', '*.wild.example']) await untilIssued(name);
    const { names } = await json<CertListResult>(daemon, 'cert', 'list');
    expect(names.filter(({ state }) => state === 'issued').map(({ issuer }) => issuer)).toEqual(
      Array.from({ length: 3 }, () => expect.stringMatching(/Pebble/)),
    );
    expect(existsSync(`${daemon.directory}/state/local-ca.pem`)).toBe(false);
  });

  test('a name that points elsewhere is a problem of its tenant alone, with what to do', async () => {
    await until(async () => (await daemon.tenant('dead')).problems.length > 0, 'the problem is told');
    expect((await daemon.tenant('dead')).problems).toMatchObject([
      { code: 'TENANTD_E_NO_CERTIFICATE', message: expect.stringContaining('192.0.2.1'), fix: expect.stringContaining('domain check') },
    ]);
    expect((await daemon.tenant('acme')).problems).toEqual([]);
  });

  test('a handshake hastens nothing that no tenant lists; a name that was mended is tried on request', async () => {
    await expect(get(daemon, pebble.certificate.chain, 'nobody.example')).rejects.toThrow(/handshake failure|alert|disconnected/);
    await pebble.setAddress('dead.example', ['127.0.0.1']);
    await json(daemon, 'cert', 'renew', 'dead', 'dead.example');
    await untilIssued('dead.example');
    expect((await daemon.tenant('dead')).problems).toEqual([]);
    expect(Object.keys(await states())).not.toContain('nobody.example');
  });

  test('other settings count at once: tls-alpn-01 alone, and no hook', async () => {
    const before = await certsPid(daemon);
    const text = readFileSync(daemon.configFile, 'utf8').replace(/^acme:.*$/m, config('challenges: [tls-alpn-01]'));
    writeFileSync(daemon.configFile, text);
    expect((await daemon.ctl('reload')).code).toBe(0);
    daemon.writeTenant('alpn', { 'tenant.yaml': 'domains: [alpn.example]\n', ...app });
    await untilIssued('alpn.example');
    expect((await daemon.status()).problems).toEqual([]);
    expect(await certsPid(daemon)).not.toBe(before);
  });

  test('a file that acme names and that is not there is a problem, and nothing else changes', async () => {
    const text = readFileSync(daemon.configFile, 'utf8');
    writeFileSync(daemon.configFile, text.replace('cert.pem', 'missing.pem'));
    expect((await daemon.ctl('reload')).code).toBe(0);
    expect((await daemon.status()).problems).toMatchObject([
      { code: 'TENANTD_E_FILE_MISSING', message: expect.stringContaining('acme.caFile') },
    ]);
    daemon.writeTenant('alpn', { 'tenant.yaml': 'domains: [alpn.example, more.example]\n' });
    await untilIssued('more.example');
    writeFileSync(daemon.configFile, text);
    expect((await daemon.ctl('reload')).code).toBe(0);
    expect((await daemon.status()).problems).toEqual([]);
  });
});
