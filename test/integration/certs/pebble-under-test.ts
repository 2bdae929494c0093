import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { until } from '../../support/until.ts';

export interface PebbleOptions {
  /** In percent. */
  nonceReject?: number;
  eabKeys?: Record<string, string>;
}

/** Debian's pebble, and its challenge test server as the DNS of the world, on free ports of this machine. */
export class PebbleUnderTest {
  readonly directory = mkdtempSync(join(tmpdir(), 'pebble-'));
  readonly certificate: TestCertificate = makeCertificate(['localhost']);
  httpPort = 0;
  tlsPort = 0;
  dnsPort = 0;
  private acmePort = 0;
  private managementPort = 0;
  private dnsManagementPort = 0;
  private pebble: ChildProcess | undefined = undefined;
  private dns: ChildProcess | undefined = undefined;
  private readonly options: PebbleOptions;
  output = '';

  private constructor(options: PebbleOptions) {
    this.options = options;
  }

  static async start(options: PebbleOptions = {}): Promise<PebbleUnderTest> {
    const pebble = new PebbleUnderTest(options);
    const ports = await Promise.all(Array.from({ length: 6 }, freePort));
    [
      pebble.httpPort = 0,
      pebble.tlsPort = 0,
      pebble.dnsPort = 0,
      pebble.acmePort = 0,
      pebble.managementPort = 0,
      pebble.dnsManagementPort = 0,
    ] = ports;
    await pebble.startDns();
    await pebble.startCa();
    return pebble;
  }

  get url(): string {
    return `https://localhost:${this.acmePort}/dir`;
  }

  get resolver(): string {
    return `127.0.0.1:${this.dnsPort}`;
  }

  get dnsManagement(): string {
    return `127.0.0.1:${this.dnsManagementPort}`;
  }

  async startCa(): Promise<void> {
    const { directory, certificate, acmePort, managementPort, httpPort, tlsPort } = this;
    const { nonceReject = 0, eabKeys } = this.options;
    writeFileSync(join(directory, 'cert.pem'), certificate.chain);
    writeFileSync(join(directory, 'key.pem'), certificate.key);
    const pebble = {
      ...{ listenAddress: `127.0.0.1:${acmePort}`, managementListenAddress: `127.0.0.1:${managementPort}`, httpPort, tlsPort },
      ...{ certificate: join(directory, 'cert.pem'), privateKey: join(directory, 'key.pem') },
      ...{ externalAccountBindingRequired: eabKeys !== undefined, externalAccountMACKeys: eabKeys ?? {} },
    };
    writeFileSync(join(directory, 'config.json'), JSON.stringify({ pebble }));
    const env = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: String(nonceReject), PEBBLE_AUTHZREUSE: '0' };
    this.pebble = spawn('pebble', ['-config', join(directory, 'config.json'), '-dnsserver', this.resolver], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.keepOutput(this.pebble);
    await until(
      () => answers(this.url, certificate.chain),
      'pebble answers',
      10_000,
      () => Promise.resolve(this.output),
    );
  }

  /** With all that it knew: it keeps nothing on disk. */
  async stopCa(): Promise<void> {
    await end(this.pebble);
    this.pebble = undefined;
  }

  async setDns(method: string, body: object): Promise<void> {
    const response = await fetch(`http://${this.dnsManagement}/${method}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method}: ${response.status}`);
  }

  async setAddress(host: string, addresses: readonly string[]): Promise<void> {
    await this.setDns('clear-a', { host: `${host}.` });
    if (addresses.length > 0) await this.setDns('add-a', { host: `${host}.`, addresses });
  }

  async stop(): Promise<void> {
    await Promise.all([end(this.pebble), end(this.dns)]);
    rmSync(this.directory, { recursive: true });
  }

  private async startDns(): Promise<void> {
    const off = ['-http01', '', '-https01', '', '-tlsalpn01', ''];
    this.dns = spawn('pebble-challtestsrv', ['-dns01', this.resolver, '-management', this.dnsManagement, '-defaultIPv6', '', ...off], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.keepOutput(this.dns);
    await until(
      () =>
        this.setDns('clear-request-history', { type: 'dns', host: 'x' }).then(
          () => true,
          () => false,
        ),
      'the DNS answers',
    );
  }

  private keepOutput(child: ChildProcess): void {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output = `${this.output}${chunk.toString()}`.slice(-64_000);
      });
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
  });
  child.kill('SIGKILL');
  await ended;
}

export async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

function answers(url: string, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    request(url, { ca, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('error', () => resolve(false))
      .end();
  });
}
