import { once } from 'node:events';
import { chmodSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { TenantStatus } from '../../src/protocol/control.ts';
import { makeCertificate, type TestCertificate } from '../support/certificate.ts';
import { request } from '../support/client.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const host = 'acme.test';
const app: TenantFiles = {
  'apps/site/package.json': '{ "main": "server.js" }',
  'apps/site/server.js': `require('node:http').createServer((request, response) => response.end(request.headers['x-forwarded-proto'])).listen(3000);`,
};
const ownFiles = 'tls: { hsts: 1h, certificate: acme.pem, key: acme.key }\n';

describe("a tenant's own certificate", () => {
  let daemon: TestDaemon;
  let first: TestCertificate;
  const folder = (): string => `${daemon.tenantsDir}/acme`;
  const tenant = (): Promise<TenantStatus> => daemon.tenant('acme');
  const problems = async (): Promise<string[]> => (await tenant()).problems.map(({ code, line }) => `${code}:${line}`);
  const urls = async (): Promise<string[]> => (await tenant()).apps.flatMap((shown) => shown.urls);

  beforeAll(async () => {
    first = makeCertificate([host]);
    daemon = await startTestDaemon({
      https: true,
      tenants: {
        acme: { 'tenant.yaml': `domains: [${host}, plain.test]\n${ownFiles}`, 'acme.pem': first.chain, 'acme.key': first.key, ...app },
        globex: { 'tenant.yaml': 'domains: [globex.test]\ntls: { redirect: false }\n', ...app },
      },
    });
    await daemon.untilApps(['acme/site', 'globex/site']);
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  /** As an operator's tool does it: never half a file. */
  function put(name: string, text: string): void {
    writeFileSync(`${folder()}/.${name}.new`, text);
    renameSync(`${folder()}/.${name}.new`, `${folder()}/${name}`);
  }

  function putLink(name: string, target: string): void {
    rmSync(`${folder()}/${name}`);
    symlinkSync(target, `${folder()}/${name}`);
  }

  async function open(servername = host): Promise<TLSSocket> {
    const socket = connect({ port: daemon.httpsPort, host: '127.0.0.1', servername, rejectUnauthorized: false });
    onTestFinished(() => void socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  }

  /** One request on that connection, which stays open. */
  function ask(socket: TLSSocket): Promise<{ status: number | undefined; hsts: string | undefined; text: string }> {
    const agent = new http.Agent({ keepAlive: true });
    agent.createConnection = () => socket;
    return new Promise((resolve, reject) => {
      const sent = http.get({ agent, headers: { host: `${host}:${daemon.httpsPort}` } }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
        response.on('end', () => resolve({ status: response.statusCode, hsts: response.headers['strict-transport-security'], text }));
      });
      sent.on('error', reject);
    });
  }

  async function servedPem(): Promise<string> {
    const socket = await open();
    const pem = socket.getPeerX509Certificate()?.toString() ?? '';
    socket.destroy();
    return pem;
  }

  const untilServed = ({ chain }: TestCertificate): Promise<void> =>
    until(
      async () => (await servedPem()) === chain,
      'the certificate is served',
      10_000,
      async () => JSON.stringify(await tenant()),
    );

  test('is served to who asks for its host, and plain http is sent there', async () => {
    expect(await ask(await open())).toEqual({ status: 200, hsts: 'max-age=3600', text: 'https' });
    expect(await servedPem()).toBe(first.chain);
    const redirect = await request(daemon.port, { host });
    expect([redirect.status, redirect.headers.location]).toEqual([308, `https://${host}:${daemon.httpsPort}/`]);
    expect(await request(daemon.port, { host: 'globex.test' })).toMatchObject({ status: 200, text: 'http' });
  });

  test('shows in the status, in URLs and listening addresses, and is no problem', async () => {
    await until(async () => (await urls()).includes(`https://${host}:${daemon.httpsPort}/`), 'the edge has told of it');
    expect((await daemon.status()).edge.https).toEqual([`127.0.0.1:${daemon.httpsPort}`]);
    expect(await problems()).toEqual([]);
  });

  test('is replaced at run time, and connections of before go on', async () => {
    const before = await open();
    const pem = before.getPeerX509Certificate()?.toString();
    const second = makeCertificate([host]);
    put('acme.pem', second.chain);
    put('acme.key', second.key);
    await untilServed(second);
    expect(await ask(before)).toMatchObject({ status: 200, text: 'https' });
    expect(before.getPeerX509Certificate()?.toString()).toBe(pem);
    expect(await problems()).toEqual([]);
  });

  test.each<[string, string, () => void]>([
    ['is broken', 'TENANTD_E_CERTIFICATE', () => put('acme.key', 'this is no key\n')],
    ['is that of another certificate', 'TENANTD_E_CERTIFICATE', () => put('acme.key', makeCertificate([host]).key)],
    ['is not there', 'TENANTD_E_FILE_MISSING', () => rmSync(`${folder()}/acme.key`)],
    ['is far too large', 'TENANTD_E_FILE_TOO_LARGE', () => put('acme.key', 'x'.repeat(1 << 20))],
    ['is a link', 'TENANTD_E_FILE_NOT_PLAIN', () => putLink('acme.key', '../../state/state.db')],
  ])('whose key %s is a problem, and the one before is served', async (_, code, breakKey) => {
    const good = readFileSync(`${folder()}/acme.key`, 'utf8');
    const served = await servedPem();
    breakKey();
    await until(
      async () => (await problems()).join() === `${code}:2`,
      'the problem is told',
      10_000,
      async () => JSON.stringify(await tenant()),
    );
    expect(await servedPem()).toBe(served);
    expect(await ask(await open())).toMatchObject({ status: 200 });
    put('acme.key', good);
    await until(async () => (await problems()).length === 0, 'the problem is gone');
    expect(await servedPem()).toBe(served);
  });

  test('may be kept elsewhere, behind links, but only where root alone can write it', async () => {
    const third = makeCertificate([host]);
    const [chain, key] = ['chain', 'key'].map((name) => `${daemon.directory}/${name}.pem`) as [string, string];
    for (const [file, text] of [
      [chain, third.chain],
      [key, third.key],
    ] as const) {
      writeFileSync(`${file}.1`, text, { mode: 0o600 });
      symlinkSync(`${file}.1`, file);
    }
    chmodSync(`${key}.1`, 0o620);
    put('tenant.yaml', `domains: [${host}, plain.test]\ntls: { certificate: ${chain}, key: ${key} }\n`);
    await until(async () => (await problems()).join() === 'TENANTD_E_FILE_UNREADABLE:2', 'the mode is a problem');
    chmodSync(`${key}.1`, 0o600);
    expect((await daemon.ctl('reload')).code).toBe(0);
    await untilServed(third);
  });

  test('is served on when the daemon is killed, and after it came back', async () => {
    const served = await servedPem();
    const connection = await open();
    await daemon.kill();
    expect(await servedPem()).toBe(served);
    await daemon.start();
    expect(await servedPem()).toBe(served);
    expect(await ask(connection)).toMatchObject({ status: 200 });
    await until(async () => (await urls()).includes(`https://${host}:${daemon.httpsPort}/`), 'the edge has told of it again');
  });

  test('is gone when tenant.yaml names it no more, and one of the local CA is in its place', async () => {
    const own = await servedPem();
    put('tenant.yaml', `domains: [${host}, plain.test]\n`);
    await until(
      () =>
        servedPem()
          .then((pem) => pem !== own)
          .catch(() => false),
      'another certificate is served',
    );
    const socket = await open();
    expect(socket.getPeerX509Certificate()?.issuer).toContain('tenantd');
    expect(await problems()).toEqual([]);
  });

  test('has its key nowhere but in its file: not in the log, the audit trail, the status or the state', async () => {
    const secret = first.key.split('\n')[1] ?? '';
    expect(secret.length).toBeGreaterThan(40);
    const state = ['state.db', 'state.db-wal'].map((name) => readFileSync(`${daemon.directory}/state/${name}`, 'latin1'));
    const places = [daemon.log(), JSON.stringify(await daemon.status()), ...state];
    expect(places.filter((text) => text.includes(secret))).toEqual([]);
  });
});
