import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { type EdgeUnderTest, host, startEdge, tenant } from './edge-under-test.ts';
import { get } from './raw-client.ts';

let certificate: TestCertificate;
beforeAll(() => (certificate = makeCertificate([host])));

function weakCertificate(): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
  const [chain, key] = [join(folder, 'chain.pem'), join(folder, 'key.pem')];
  try {
    const subject = ['-subj', '/CN=test', '-addext', `subjectAltName=DNS:${host}`];
    const options = ['-newkey', 'rsa:1024', '-nodes', '-keyout', key, '-days', '1', '-out', chain, ...subject];
    execFileSync('openssl', ['req', '-x509', ...options], { stdio: 'pipe' });
    return { chain: readFileSync(chain, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('a certificate that OpenSSL does not take', () => {
  test.each([
    ['of too short a key', () => weakCertificate()],
    [
      'with a broken one behind it',
      () => ({ ...certificate, chain: `${certificate.chain}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n` }),
    ],
  ])('%s is refused when it is set, and not with a crash when a client comes', async (_, make) => {
    const edge = await startEdge();
    const problem = edge.edge.certificates.set({ tenant, id: 'file', ...make() }, Date.now());
    const failed: unknown[] = [];
    const note = (error: unknown) => void failed.push(error);
    process.on('uncaughtException', note);
    const socket = connect({ port: edge.securePort, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.on('close', resolve));
    process.off('uncaughtException', note);
    expect(problem).toBeDefined();
    expect(failed).toEqual([]);
  });
});

async function handshake(edge: EdgeUnderTest, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    port: edge.securePort,
    host: '127.0.0.1',
    servername: host,
    ca: [certificate.chain],
    checkServerIdentity: () => undefined,
    ...options,
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)('a session of %s is not resumed without the name of a host', async (version) => {
  const edge = await startEdge();
  await edge.http('one', (request, response) => void response.end(`served ${request.headers.host}`));
  edge.edge.certificates.set({ tenant, id: 'file', ...certificate }, Date.now());
  const first = await handshake(edge, { minVersion: version, maxVersion: version });
  let session: Buffer | undefined = first.getSession();
  first.on('session', (made) => (session = made)).resume();
  first.write(get('/', 'Connection: close'));
  await once(first, 'close');
  const again = { minVersion: version, maxVersion: version, ...(session && { session }) };
  expect((await handshake(edge, again)).isSessionReused()).toBe(true);
  await expect(handshake(edge, { ...again, servername: '' })).rejects.toThrow(/alert|disconnected/);
});
