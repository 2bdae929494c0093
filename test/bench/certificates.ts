/**
 * What a TLS handshake costs when the edge knows ten certificates, and when it knows ten thousand: lookups must not grow with their
 * number. Client and server are this process: the figure is for comparing, not for beating anybody.
 *
 * Usage: npm run bench:certificates -- [--handshakes N]
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { parseArgs } from 'node:util';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import type { TenantName } from '../../src/base/ids.ts';
import { createEdge, type Edge } from '../../src/edge/edge.ts';
import { generousLimits } from '../support/generous-limits.ts';

const { values } = parseArgs({ options: { handshakes: { type: 'string', default: '1000' } } });
const handshakes = Number(values.handshakes);
const tenant = 'bench' as TenantName;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

interface Figures {
  certificates: number;
  cpuUsPerHandshake: number;
  medianMs: number;
  p99Ms: number;
  /** Resident, of this whole process. */
  memoryBefore: number;
  memoryAfter: number;
}

const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
const key = toPem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', keys.privateKey));

const results: Figures[] = [];
for (const count of [10, 10_000, 10, 10_000]) results.push(await measure(count));
console.table(
  results.map(({ certificates, cpuUsPerHandshake, medianMs, p99Ms, memoryBefore, memoryAfter }) => ({
    certificates,
    'CPU us a handshake': Math.round(cpuUsPerHandshake),
    'median ms': medianMs.toFixed(2),
    'p99 ms': p99Ms.toFixed(2),
    'MB for the certificates': ((memoryAfter - memoryBefore) / 1e6).toFixed(1),
  })),
);

async function measure(count: number): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-certificates-'));
  const edge = createEdge({ socketsDir: folder, reportFault: (_, message) => console.error(message) });
  try {
    const memoryBefore = residentBytes();
    const hosts = Array.from({ length: count }, (_, index) => `host-${index}.example`);
    edge.routes.setTenant({
      ...{ tenant, apps: [], limits: generousLimits, tls: { redirect: true, hstsSeconds: 0 } },
      hosts: hosts.map((host) => ({ host, paths: [] })),
    });
    for (const host of hosts) setCertificate(edge, host, await makeChain(host));
    const server = await edge.listen({ port: 0, host: '127.0.0.1' }, 'https');
    const { port } = server.address() as AddressInfo;
    await shakeHands(port, hosts, 50);
    const before = process.cpuUsage();
    const times = await shakeHands(port, hosts, handshakes);
    const { user, system } = process.cpuUsage(before);
    times.sort((left, right) => left - right);
    return {
      certificates: count,
      cpuUsPerHandshake: (user + system) / handshakes,
      medianMs: times[Math.floor(times.length / 2)] ?? 0,
      p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
      memoryBefore,
      memoryAfter: residentBytes(),
    };
  } finally {
    await edge.shutdown(0);
    rmSync(folder, { recursive: true });
  }
}

function setCertificate(edge: Edge, host: string, chain: string): void {
  const problem = edge.certificates.set({ tenant, id: host, chain, key }, Date.now());
  if (problem !== undefined) throw new Error(problem);
}

async function makeChain(host: string): Promise<string> {
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${host}`,
    keys,
    signingAlgorithm: algorithm,
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: host }])],
  });
  return certificate.toString('pem');
}

/** Full ones, one after the other, each for another name. */
async function shakeHands(port: number, hosts: readonly string[], count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const servername = hosts[(index * 7_919) % hosts.length];
    const startedAtMs = performance.now();
    const socket = connect({ port, host: '127.0.0.1', ...(servername !== undefined && { servername }), rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    times.push(performance.now() - startedAtMs);
    socket.destroy();
  }
  return times;
}

function residentBytes(): number {
  return 1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
}

function toPem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
