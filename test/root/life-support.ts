import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { DatabaseSync } from 'node:sqlite';
import tls from 'node:tls';
import { namesIn, read } from '../support/system-processes.ts';
import type { TestDaemon } from '../support/test-daemon.ts';

/**
 * All that there is of a tenant on the machine, as the kernel and the disk know it: files, processes, mounts, images, users, groups, rules
 * and rows. Its name must be in no other name.
 */
export function tracesOf(daemon: TestDaemon, tenant: string, domain = `${tenant}.test`): string[] {
  const uids = uidsOf(daemon, tenant);
  const isOf = (text: string): boolean => text.includes(tenant);
  return [
    ...filesOf(daemon.directory).filter((path) => isOf(path) || path.includes(domain)),
    ...processesAs(uids).map((pid) => `process ${pid}`),
    ...linesOf('losetup', ['-ln', '-O', 'BACK-FILE']).filter(isOf),
    ...read('/proc/self/mountinfo').split('\n').filter(isOf),
    ...['/etc/passwd', '/etc/group', '/etc/subuid', '/etc/subgid'].flatMap((file) =>
      read(file)
        .split('\n')
        .filter((line) => line.startsWith(`${daemon.userPrefix}${tenant}:`)),
    ),
    ...groupsOf(tenant),
    ...[...linesOf('nft', ['list', 'ruleset']), ...linesOf('ip', ['-d', 'link'])].filter(isOf),
    ...rowsOf(daemon, tenant),
  ];
}

export function uidsOf(daemon: TestDaemon, tenant: string): number[] {
  return rows(daemon, 'SELECT uid FROM uids WHERE tenant = ?', tenant).map(({ uid }) => Number(uid));
}

/** In every table that has tenants, but for what lasts. */
function rowsOf(daemon: TestDaemon, tenant: string): string[] {
  const tables = rows(
    daemon,
    "SELECT m.name AS name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'tenant'",
  ).map(({ name }) => String(name));
  return tables
    .filter((name) => !['audit', 'usage_hours'].includes(name))
    .flatMap((name) => rows(daemon, `SELECT * FROM ${name} WHERE tenant = ?`, tenant).map(() => `a row in ${name}`));
}

export function rows(daemon: TestDaemon, sql: string, ...values: string[]): Record<string, unknown>[] {
  const database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
  try {
    return database.prepare(sql).all(...values);
  } finally {
    database.close();
  }
}

function filesOf(directory: string): string[] {
  return ['tenants', 'state', 'run', 'logs'].flatMap((folder) => listAll(`${directory}/${folder}`));
}

/** What goes meanwhile is not there. */
function listAll(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      const own = `${path}/${entry.name}`;
      return entry.isDirectory() ? [own, ...listAll(own)] : [own];
    });
  } catch {
    return [];
  }
}

export function processesAs(uids: readonly number[]): number[] {
  const isOf = (pid: string): boolean => uids.includes(Number(/^Uid:\t(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? -1));
  return namesIn('/proc')
    .filter((pid) => /^\d+$/.test(pid) && isOf(pid))
    .map(Number);
}

function groupsOf(tenant: string): string[] {
  const hierarchies = ['/sys/fs/cgroup', ...namesIn('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  return hierarchies.flatMap((hierarchy) =>
    namesIn(hierarchy)
      .filter((name) => name.startsWith('tenantd-'))
      .flatMap((name) => (existsSync(`${hierarchy}/${name}/t-${tenant}`) ? [`${hierarchy}/${name}/t-${tenant}`] : [])),
  );
}

function linesOf(program: string, args: readonly string[]): string[] {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n');
  } catch {
    return []; // it is not there, or has nothing to tell
  }
}

export interface SecureAnswer {
  status: number;
  text: string;
  headers: Record<string, unknown>;
  /** Of the certificate that was served. */
  fingerprint: string;
}

/** One request over TLS 1.3, with a connection of its own. */
export async function askSecurely(daemon: TestDaemon, host: string, protocol: 'http/1.1' | 'h2'): Promise<SecureAnswer> {
  const socket = tls.connect({
    port: daemon.httpsPort,
    host: '127.0.0.1',
    servername: host,
    ALPNProtocols: [protocol],
    rejectUnauthorized: false,
  });
  try {
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const fingerprint = socket.getPeerCertificate().fingerprint256;
    const answer = protocol === 'h2' ? await askByHttp2(socket, host) : await askByHttp1(socket, host);
    return { ...answer, fingerprint };
  } finally {
    socket.destroy();
  }
}

type Answer = Omit<SecureAnswer, 'fingerprint'>;

function askByHttp1(socket: tls.TLSSocket, host: string): Promise<Answer> {
  const agent = new http.Agent();
  agent.createConnection = () => socket;
  return new Promise((resolve, reject) => {
    http
      .get({ agent, headers: { host } }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
      })
      .on('error', reject);
  });
}

function askByHttp2(socket: tls.TLSSocket, host: string): Promise<Answer> {
  const client = http2.connect(`https://${host}`, { createConnection: () => socket });
  return new Promise<Answer>((resolve, reject) => {
    const stream = client.request({ ':path': '/' });
    let text = '';
    let headers: http2.IncomingHttpHeaders = {};
    stream.on('response', (fields) => (headers = fields));
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.on('end', () => resolve({ status: Number(headers[':status']), text, headers }));
    stream.on('error', reject);
    client.on('error', reject);
  }).finally(() => client.destroy());
}
