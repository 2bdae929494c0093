// What one more running tenant with a one-file Node app costs in memory, beside the same app started bare.
// Both are measured with as many copies at once, so that shared pages are shared alike. Root. Usage: npm run bench:memory [-- COPIES]
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const copies = Number(process.argv[2] ?? 20);
const source = `require('node:http').createServer((request, response) => response.end('hello')).listen(process.env.PORT || 3000);`;

interface Memory {
  pssBytes: number;
  privateBytes: number;
}

const bare = await measureBare();
const { tenant, parts } = await measureTenants();
const row = (name: string, { pssBytes, privateBytes }: Memory): string =>
  `${name.padEnd(34)} ${toMegabytes(pssBytes)} MB PSS  ${toMegabytes(privateBytes)} MB private`;
process.stdout.write(
  [
    `one-file Node app, ${copies} copies at once, idle, per copy (Node ${process.versions.node})`,
    row('bare: node app.js', bare),
    row('tenantd: one more tenant', tenant),
    ...Object.entries(parts).map(([name, memory]) => row(`  of which ${name}`, memory)),
    `ratio of PSS: ${(tenant.pssBytes / bare.pssBytes).toFixed(2)}`,
    '',
  ].join('\n'),
);

async function measureBare(): Promise<Memory> {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-bench-'));
  const file = join(directory, 'app.js');
  writeFileSync(file, source);
  const sockets = Array.from({ length: copies }, (_, index) => join(directory, `${index}.sock`));
  const children = sockets.map((socket) =>
    spawn(process.execPath, [file], { env: { PORT: socket, NODE_ENV: 'production' }, stdio: 'ignore' }),
  );
  try {
    for (const socket of sockets) await until(() => answers(socket), `${socket} answers`);
    return average(children.map(({ pid }) => [pid ?? 0]));
  } finally {
    for (const child of children) child.kill();
    rmSync(directory, { recursive: true });
  }
}

async function measureTenants(): Promise<{ tenant: Memory; parts: Record<string, Memory> }> {
  const names = Array.from({ length: copies }, (_, index) => `bench${index}`);
  const tenants = Object.fromEntries(
    names.map((name) => [
      name,
      { 'tenant.yaml': `domains: [${name}.test]\n`, 'apps/site/package.json': '{"main":"app.js"}', 'apps/site/app.js': source },
    ]),
  );
  const daemon = await startTestDaemon({ tenants });
  try {
    await daemon.untilApps(names.map((name) => `${name}/site`));
    return await readTenants(daemon);
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
}

async function readTenants(daemon: TestDaemon): Promise<{ tenant: Memory; parts: Record<string, Memory> }> {
  const { tenants } = await daemon.status();
  const sandboxes = tenants.map((tenant) => ({ host: sandboxOf(tenant.hostPid), worker: sandboxOf(tenant.apps[0]?.workers[0]?.pid ?? 0) }));
  const parts = {
    'the app': average(sandboxes.map(({ worker }) => worker.command)),
    'the tenant host': average(sandboxes.map(({ host }) => host.command)),
    'both sandboxes (bubblewrap)': average(sandboxes.map(({ host, worker }) => [...host.bubblewrap, ...worker.bubblewrap])),
  };
  return {
    tenant: average(sandboxes.map(({ host, worker }) => [host.command, host.bubblewrap, worker.command, worker.bubblewrap].flat())),
    parts,
  };
}

/** A command's parent is bubblewrap as pid 1 inside, and that one's is bubblewrap outside. */
function sandboxOf(pid: number): { command: number[]; bubblewrap: number[] } {
  const reaper = parentOf(pid);
  return { command: [pid], bubblewrap: [reaper, parentOf(reaper)] };
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function average(groups: number[][]): Memory {
  const all = groups.flat().map(memoryOf);
  const sum = (pick: (memory: Memory) => number): number => all.reduce((total, memory) => total + pick(memory), 0) / groups.length;
  return { pssBytes: sum(({ pssBytes }) => pssBytes), privateBytes: sum(({ privateBytes }) => privateBytes) };
}

function memoryOf(pid: number): Memory {
  if (!readdirSync('/proc').includes(String(pid))) throw new Error(`process ${pid} is gone`);
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1]);
  return { pssBytes: kibibytes('Pss') * 1024, privateBytes: (kibibytes('Private_Clean') + kibibytes('Private_Dirty')) * 1024 };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = net.connect(socket);
    connection.once('connect', () => resolve(true)).once('error', () => resolve(false));
    connection.once('connect', () => connection.destroy());
  });
}

function toMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1).padStart(6);
}
