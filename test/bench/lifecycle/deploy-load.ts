import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { ReleaseStatus } from '../../../src/protocol/release-calls.ts';
import { request } from '../../support/client.ts';
import { namesIn, systemProcesses } from '../../support/system-processes.ts';
import { startTestDaemon, type TestDaemon } from '../../support/test-daemon.ts';
import { pssOf } from '../isolation/process-memory.ts';

export interface DeployLoad {
  deploys: number;
  rollbacks: number;
  /** Each asks again as soon as it has its answer; every third one by a new connection each time. */
  clients: number;
  tell(line: string): void;
}

export interface Sample {
  afterDeploys: number;
  /** Of daemon, edges and the tenant's host. */
  pssBytes: Record<string, number>;
  descriptors: Record<string, number>;
}

export interface DeployReport {
  requests: number;
  failures: string[];
  /** Answers of an older release than one that somebody had seen before the request was sent. */
  backwards: string[];
  /** From the command's start to its end. */
  deployMs: number[];
  rollbackMs: number[];
  releasesKept: number;
  samples: Sample[];
}

const app = 'acme/site';
const host = 'acme.test';
const samples = 10;

/** One app is deployed again and again, then rolled back and forth, while clients ask for it. */
export async function deployUnderLoad(options: DeployLoad): Promise<DeployReport> {
  const { deploys, rollbacks } = options;
  await using daemon = await startTestDaemon({
    tenants: {
      acme: { 'tenant.yaml': `domains: [${host}]\n`, 'apps/site/app.js': sourceOf(0), 'apps/site/package.json': '{"main":"app.js"}' },
    },
  });
  await daemon.untilApps([app]);
  const report: DeployReport = { requests: 0, failures: [], backwards: [], deployMs: [], rollbackMs: [], releasesKept: 0, samples: [] };
  const load = startClients(daemon, options.clients, report);
  try {
    report.samples.push(sample(daemon, 0));
    for (let version = 1; version <= deploys; version++) {
      report.deployMs.push(await deploy(daemon, version));
      if (version % Math.max(1, Math.floor(deploys / samples)) !== 0) continue;
      report.samples.push(sample(daemon, version));
      options.tell(`${version} deploys, ${report.requests} requests`);
    }
    load.allowBackwards();
    report.rollbackMs.push(...(await rollBackAndForth(daemon, rollbacks)));
  } finally {
    await load.stop();
  }
  report.releasesKept = readdirSync(`${daemon.tenantsDir}/acme/apps/site/releases`).length;
  return report;
}

function sourceOf(version: number): string {
  return `require('node:http').createServer((request, response) => response.end('${version}')).listen(3000);\n`;
}

async function deploy(daemon: TestDaemon, version: number): Promise<number> {
  const folder = `${daemon.directory}/release-${version}`;
  mkdirSync(folder);
  writeFileSync(`${folder}/package.json`, '{"main":"app.js"}');
  writeFileSync(`${folder}/app.js`, sourceOf(version));
  const elapsedMs = await timed(daemon, ['app', 'deploy', app, folder]);
  rmSync(folder, { recursive: true });
  return elapsedMs;
}

/** Between the two that were deployed last. */
async function rollBackAndForth(daemon: TestDaemon, rollbacks: number): Promise<number[]> {
  const { stdout } = await daemon.ctl('app', 'releases', app, '--json');
  const { releases } = JSON.parse(stdout) as { releases: ReleaseStatus[] };
  const newest = releases.find(({ current }) => current)?.release ?? '';
  const before = releases.find(({ previous }) => previous)?.release ?? '';
  const elapsedMs: number[] = [];
  for (let count = 0; count < rollbacks; count++) {
    elapsedMs.push(await timed(daemon, ['app', 'rollback', app, '--to', count % 2 === 0 ? before : newest]));
  }
  return elapsedMs;
}

async function timed(daemon: TestDaemon, args: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const { code, stdout, stderr } = await daemon.ctl(...args);
  if (code !== 0) throw new Error(`tenantctl ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return performance.now() - startedMs;
}

function startClients({ port }: TestDaemon, clients: number, report: DeployReport) {
  const agent = new http.Agent({ keepAlive: true });
  const stopping = new AbortController();
  let newest = 0;
  let mayGoBack = false;

  async function ask(isNew: boolean): Promise<void> {
    const seen = newest;
    const { status, text } = await request(port, { host, ...(!isNew && { agent }) });
    const version = Number(text);
    if (status !== 200 || !Number.isInteger(version)) report.failures.push(`${status}: ${text.slice(0, 200)}`);
    else if (version < seen && !mayGoBack) report.backwards.push(`${version} after ${seen}`);
    else newest = Math.max(newest, version);
  }

  async function askOn(isNew: boolean): Promise<void> {
    while (!stopping.signal.aborted) {
      report.requests += 1;
      await ask(isNew).catch((error: unknown) => report.failures.push(String(error)));
    }
  }

  const running = Array.from({ length: clients }, (_, index) => askOn(index % 3 === 2));
  return {
    allowBackwards: () => void (mayGoBack = true),
    async stop() {
      stopping.abort();
      await Promise.all(running);
      agent.destroy();
    },
  };
}

function sample(daemon: TestDaemon, afterDeploys: number): Sample {
  const pssBytes: Record<string, number> = {};
  const descriptors: Record<string, number> = {};
  for (const { pid, what, role } of systemProcesses(daemon)) {
    if (what.includes(':') || role === 'worker' || role === 'other') continue;
    pssBytes[what] = (pssBytes[what] ?? 0) + pssOf([pid]);
    descriptors[what] = (descriptors[what] ?? 0) + namesIn(`/proc/${pid}/fd`).length;
  }
  return { afterDeploys, pssBytes, descriptors };
}
