// How long it takes until a new customer's site answers: tenants one after another by `tenantctl tenant create` from a static template, each
// from the command's start to its first 200 through the edge; beside `podman run` of the same site where there is podman. Root:
// `npm run bench:onboarding [-- --tenants 200 --json]`.
import { execFile } from 'node:child_process';
import { accessSync, appendFileSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import type { TenantCreateResult } from '../../src/protocol/tenant-calls.ts';
import { request } from '../support/client.ts';
import { prepareTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { quantile } from './lifecycle/quantiles.ts';

const { values } = parseArgs({ options: { tenants: { type: 'string', default: '200' }, json: { type: 'boolean', default: false } } });
const run = promisify(execFile);
const page = '<!doctype html><title>{{ domain }}</title><h1>Welcome</h1>';
const files = {
  'tenant.yaml': 'domains: {{ domains }}\nplan: {{ plan }}\ntls: { redirect: false }\nidle: 10s\n',
  'template.yaml': 'description: A page\n',
  'apps/site/public/index.html': page,
};

interface Onboarding {
  /** From the start of the command to the first 200. */
  servedMs: number;
  /** Of which the daemon's own, from the request to its answer. */
  daemonMs: number;
  /** Until the command has ended. */
  commandMs: number;
}

const tenantd = await onboard(Number(values.tenants));
const podman = await measurePodman(10);
if (values.json) process.stdout.write(`${JSON.stringify({ tenantd, podman })}\n`);
else report();

async function onboard(count: number): Promise<Onboarding[]> {
  await using daemon = await prepareTestDaemon({ uidCount: 4_096 });
  writeTemplate(`${daemon.directory}/templates/page`);
  appendFileSync(daemon.configFile, `\ntemplatesDir: ${daemon.directory}/templates\n`);
  await daemon.start();
  const results: Onboarding[] = [];
  for (let number = 0; number < count; number++) results.push(await onboardOne(daemon, `customer${number}`));
  return results;
}

async function onboardOne(daemon: TestDaemon, name: string): Promise<Onboarding> {
  const host = `${name}.test`;
  const startMs = performance.now();
  const served = untilServed(daemon.port, host).then(() => performance.now() - startMs);
  const { code, stdout, stderr } = await daemon.ctl('tenant', 'create', name, '--domain', host, '--template', 'page', '--json');
  const commandMs = performance.now() - startMs;
  if (code !== 0) throw new Error(`${name} was not created: ${stdout}${stderr}`);
  return { servedMs: await served, daemonMs: (JSON.parse(stdout) as TenantCreateResult).tookMs, commandMs };
}

async function untilServed(port: number, host: string): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (performance.now() < endMs) {
    const status = await request(port, { host }).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    await delay(5);
  }
  throw new Error(`${host} did not answer`);
}

function writeTemplate(folder: string): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(`${folder}/${path}`), { recursive: true });
    writeFileSync(`${folder}/${path}`, text);
  }
}

/** The same page from the same Node, in a container over the machine's own /usr: nothing is to be pulled. Undefined without podman. */
async function measurePodman(rounds: number): Promise<number[] | undefined> {
  const podman = ['/usr/bin/podman', '/usr/local/bin/podman'].find(isExecutable);
  if (podman === undefined) return undefined;
  const root = mkdtempSync(`${tmpdir()}/bench-podman-`);
  for (const folder of ['usr', 'site', 'proc', 'dev', 'tmp', 'etc', 'opt']) mkdirSync(`${root}/${folder}`);
  for (const name of ['bin', 'lib', 'lib64']) await run('ln', ['-s', `usr/${name}`, `${root}/${name}`]);
  const server = "require('node:http').createServer((q, s) => s.end(require('node:fs').readFileSync('/site/index.html'))).listen(8080)";
  writeFileSync(`${root}/site/server.js`, server);
  writeFileSync(`${root}/site/index.html`, page);
  try {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push(await runContainer(podman, root, 20_000 + round));
    return times;
  } finally {
    rmSync(root, { recursive: true });
  }
}

async function runContainer(podman: string, root: string, port: number): Promise<number> {
  const startMs = performance.now();
  const served = untilServed(port, 'localhost').then(() => performance.now() - startMs);
  const binds = ['-v', '/usr:/usr:ro', '-v', `${process.execPath}:/opt/node:ro`];
  const { stdout } = await run(podman, [
    'run',
    '-d',
    '--rm',
    '-p',
    `127.0.0.1:${port}:8080`,
    ...binds,
    '--rootfs',
    root,
    '/opt/node',
    '/site/server.js',
  ]);
  try {
    return await served;
  } finally {
    await run(podman, ['kill', stdout.trim()]);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function report(): void {
  const print = (what: string, times: readonly number[]): void => {
    const [first = Number.NaN, last = Number.NaN] = [times[0], times.at(-1)];
    const figures = { first, last, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
    const cells = Object.entries(figures).map(([name, ms]) => `${name} ${ms.toFixed(0).padStart(5)} ms`);
    process.stdout.write(`${what.padEnd(44)}${cells.join('   ')}\n`);
  };
  const tenth = Math.max(1, Math.floor(tenantd.length / 10));
  process.stdout.write(`${tenantd.length} tenants, one after another\n`);
  print(
    'tenant create to its first 200',
    tenantd.map(({ servedMs }) => servedMs),
  );
  print(
    '  the first tenth',
    tenantd.slice(0, tenth).map(({ servedMs }) => servedMs),
  );
  print(
    '  the last tenth',
    tenantd.slice(-tenth).map(({ servedMs }) => servedMs),
  );
  print(
    'until the command has ended',
    tenantd.map(({ commandMs }) => commandMs),
  );
  print(
    "of which the daemon's own",
    tenantd.map(({ daemonMs }) => daemonMs),
  );
  if (podman) print('podman run to its first 200', podman);
  else process.stdout.write('podman run: skipped, there is no podman on this machine\n');
}
