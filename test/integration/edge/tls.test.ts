import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import https from 'node:https';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { type EdgeUnderTest, host, hostRoute, startEdge, tenant } from './edge-under-test.ts';
import { exchangeRaw, get } from './raw-client.ts';

let certificate: TestCertificate;
let wildcard: TestCertificate;
beforeAll(() => {
  certificate = makeCertificate([host, `www.${host}`, 'other.example']);
  wildcard = makeCertificate([`*.${host}`]);
});

async function startSecureEdge(): Promise<EdgeUnderTest> {
  const edge = await startEdge();
  await edge.http('one', (request, response) => void response.end(JSON.stringify(request.headers)));
  expect(edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now())).toBeUndefined();
  return edge;
}

async function handshake(edge: EdgeUnderTest, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    ...{
      port: edge.securePort,
      host: '127.0.0.1',
      servername: host,
      ca: [certificate.chain, wildcard.chain],
      checkServerIdentity: () => undefined,
    },
    ...options,
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** What comes back until the edge closes the connection. */
async function askOver(socket: TLSSocket, text: string): Promise<string> {
  let received = '';
  socket.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')));
  socket.write(text);
  await once(socket, 'end');
  return received;
}

const close = 'Connection: close';

describe('over TLS', () => {
  test('an app learns that its client came by https', async () => {
    const edge = await startSecureEdge();
    const answer = await askOver(await handshake(edge), get('/', close));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      'x-forwarded-proto': 'https',
      'x-forwarded-port': `${edge.securePort}`,
    });
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken', async (version) => {
    const socket = await handshake(await startSecureEdge(), { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
  });

  test('older versions are not', async () => {
    const edge = await startSecureEdge();
    await expect(handshake(edge, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' })).rejects.toThrow(
      /alert|disconnected/,
    );
  });

  test.each(['unknown.example', 'other.example', 'www.other.example', ''])('a handshake for "%s" fails', async (servername) => {
    await expect(handshake(await startSecureEdge(), { servername })).rejects.toThrow(/handshake failure|alert|disconnected/);
  });

  test('a request for a host that the certificate covers and the tenant has is answered', async () => {
    const edge = await startSecureEdge();
    edge.route({ hosts: [hostRoute(host), hostRoute(`www.${host}`)] });
    const answer = await askOver(await handshake(edge), get('/', close).replace(host, `www.${host}`));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  test.each([
    ['that the certificate does not cover', `shop.${host}`],
    ['of another tenant, though the certificate covers it', 'other.example'],
    ['that nobody has', 'nobody.example'],
  ])('a request for a host %s is misdirected', async (_, other) => {
    const edge = await startSecureEdge();
    edge.route({ hosts: [hostRoute(host), hostRoute(`shop.${host}`)] });
    edge.edge.routes.setTenant({
      ...{ tenant: 'globex' as TenantName, hosts: [{ host: 'other.example', paths: [{ prefix: '/', app: 'site' as AppName }] }] },
      ...{ apps: [], limits: edge.limits, tls: { redirect: true, hstsSeconds: 0 } },
    });
    expect(await askOver(await handshake(edge), get('/', close).replace(host, other))).toMatch(/^HTTP\/1\.1 421 /);
  });

  test('a session can be resumed, also after the certificate was replaced', async () => {
    const edge = await startSecureEdge();
    const first = await handshake(edge);
    const [session] = (await Promise.all([once(first, 'session'), askOver(first, get('/', close))]))[0] as [Buffer];
    edge.edge.certificates.set({ tenant, id: 'file', ...makeCertificate([host]) }, Date.now());
    const second = await handshake(edge, { session });
    expect(second.isSessionReused()).toBe(true);
  });

  test('a session can be resumed at another edge with the same ticket keys, and at none with others', async () => {
    const [one, two] = [await startSecureEdge(), await startSecureEdge()];
    const keys = Buffer.alloc(48, 7);
    one.edge.setTicketKeys(keys);
    two.edge.setTicketKeys(keys);
    const first = await handshake(one);
    const [session] = (await Promise.all([once(first, 'session'), askOver(first, get('/', close))]))[0] as [Buffer];
    expect((await handshake(two, { session })).isSessionReused()).toBe(true);
    two.edge.setTicketKeys(Buffer.alloc(48, 8));
    expect((await handshake(two, { session })).isSessionReused()).toBe(false);
  });

  test('a response that is not whole ends without close_notify', async () => {
    const edge = await startEdge();
    edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now());
    await edge.raw('one', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!'));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request = https.get(
      { port: edge.securePort, host: '127.0.0.1', servername: host, ca: certificate.chain, headers: { host }, agent: false },
      (response) =>
        response
          .on('error', (error) => reject(error))
          .on('end', resolve)
          .resume(),
    );
    request.on('error', reject);
    await expect(promise).rejects.toThrow('aborted');
  });
});

describe('a CA that checks a name', () => {
  test('gets the answer that was ordered over plain http, and at no other path', async () => {
    const edge = await startSecureEdge();
    edge.edge.challenges.set({ type: 'http-01', host, token: 'a-token', keyAuthorization: 'a-token.thumb' });
    const path = '/.well-known/acme-challenge/a-token';
    expect(await exchangeRaw(edge.port, get(path, close))).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\na-token\.thumb$/);
    expect(await exchangeRaw(edge.port, get(`${path}x`, close))).toMatch(/^HTTP\/1\.1 308 /);
    edge.edge.routes.removeTenant(tenant);
    expect(await exchangeRaw(edge.port, get(path, close))).toMatch(/^HTTP\/1\.1 200 /);
    edge.edge.challenges.remove({ type: 'http-01', host });
    expect(await exchangeRaw(edge.port, get(path, close))).toMatch(/^HTTP\/1\.1 421 /);
  });

  test('gets the certificate that was ordered in a handshake of its own kind, and everybody else the usual one', async () => {
    const edge = await startSecureEdge();
    const ordered = makeCertificate([host]);
    edge.edge.challenges.set({ type: 'tls-alpn-01', host, ...ordered });
    const check = await handshake(edge, { ALPNProtocols: ['acme-tls/1'], ca: ordered.chain });
    expect([check.alpnProtocol, check.getPeerX509Certificate()?.fingerprint]).toEqual([
      'acme-tls/1',
      new X509Certificate(ordered.chain).fingerprint,
    ]);
    await once(check.resume(), 'end');
    const usual = await handshake(edge, { ALPNProtocols: ['http/1.1'] });
    expect(usual.getPeerX509Certificate()?.fingerprint).toBe(new X509Certificate(certificate.chain).fingerprint);
    edge.edge.challenges.remove({ type: 'tls-alpn-01', host });
    await expect(handshake(edge, { ALPNProtocols: ['acme-tls/1'] })).rejects.toThrow(/alert/);
  });

  test('is sent for when a client asks for a host of a tenant that has no certificate, once, and never for another name', async () => {
    const told: string[] = [];
    const edge = await startEdge({}, { tellMissingCertificate: (name) => told.push(name) });
    edge.route({ hosts: [hostRoute(host), hostRoute(`*.shops.${host}`)] });
    for (const servername of [host, host, `one.shops.${host}`, `two.shops.${host}`, 'nobody.example']) {
      await expect(handshake(edge, { servername })).rejects.toThrow(/alert|disconnected/);
    }
    expect(told).toEqual([host, `*.shops.${host}`]);
  });
});

describe('a certificate', () => {
  test('that replaces another one is served to the next connection, and no connection notices', async () => {
    const edge = await startSecureEdge();
    const before = await handshake(edge);
    const next = makeCertificate([host]);
    edge.edge.certificates.set({ tenant, id: 'file', ...next }, Date.now());
    const after = await handshake(edge, { ca: next.chain });
    expect(after.getPeerX509Certificate()?.fingerprint).not.toBe(before.getPeerX509Certificate()?.fingerprint);
    expect(await askOver(before, get('/', close))).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('for a wildcard stands for one label', async () => {
    const edge = await startSecureEdge();
    edge.route({ hosts: [hostRoute(host), hostRoute(`*.${host}`)] });
    edge.edge.certificates.set({ tenant, id: 'wild', ...wildcard }, Date.now());
    expect((await handshake(edge, { servername: `shop.${host}` })).getPeerX509Certificate()?.subjectAltName).toBe(`DNS:*.${host}`);
    await expect(handshake(edge, { servername: `a.shop.${host}` })).rejects.toThrow(/alert|disconnected/);
  });

  test('that can not be used is refused with a reason, and the one before stays', async () => {
    const edge = await startSecureEdge();
    const set = (broken: Partial<TestCertificate>, nowMs = Date.now()) =>
      edge.edge.certificates.set({ tenant, id: 'file', ...certificate, ...broken }, nowMs);
    expect(set({ key: wildcard.key })).toMatch(/the key is not that of the certificate/);
    expect(set({ chain: 'garbage' })).toMatch(/can not be read/);
    expect(set({ chain: `${certificate.chain}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` })).toMatch(/can not be read/);
    expect(set({ chain: `${certificate.chain}-----BEGIN CERTIFICATE-----\nMIIB` })).toMatch(/can not be read/);
    expect(set({ key: '' })).toMatch(/can not be read/);
    expect(set({}, Date.now() + 2 * 86_400_000)).toMatch(/expired on /);
    expect((await handshake(edge)).getPeerX509Certificate()?.checkHost(host)).toBe(host);
  });

  test('that was removed is not served any more', async () => {
    const edge = await startSecureEdge();
    edge.edge.certificates.remove(tenant, 'file');
    await expect(handshake(edge)).rejects.toThrow(/alert|disconnected/);
  });
});

describe('plain http', () => {
  test('goes to https where the host has a certificate', async () => {
    const edge = await startSecureEdge();
    expect(await exchangeRaw(edge.port, get('/a?b=c', close))).toMatch(
      /^HTTP\/1\.1 308 [^]*\r\nlocation: https:\/\/acme\.example:8443\/a\?b=c\r\n/,
    );
  });

  test('is served where the tenant does not want that, or the host has none', async () => {
    const edge = await startSecureEdge();
    edge.route({ hosts: [hostRoute(host), hostRoute(`shop.${host}`)] });
    expect(await exchangeRaw(edge.port, get('/', close).replace(host, `shop.${host}`))).toMatch(/^HTTP\/1\.1 200 /);
    edge.route({ tls: { redirect: false, hstsSeconds: 0 } });
    expect(await exchangeRaw(edge.port, get('/', close))).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('has no Strict-Transport-Security, which https has by choice', async () => {
    const edge = await startSecureEdge();
    edge.route({ tls: { redirect: false, hstsSeconds: 300 } });
    expect(await exchangeRaw(edge.port, get('/', close))).not.toContain('strict-transport-security');
    expect(await askOver(await handshake(edge), get('/', close))).toContain('strict-transport-security: max-age=300\r\n');
  });
});
