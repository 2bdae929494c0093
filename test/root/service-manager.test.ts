import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { childrenOf, identifyProcess, signalProcess } from '../../src/privileged/processes.ts';
import { request } from '../support/client.ts';
import { prepareTestDaemon, repositoryPath, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const site = {
  'tenant.yaml': 'domains: [acme.test]\n',
  'apps/site/package.json': '{"main":"server.js"}',
  'apps/site/server.js': "require('node:http').createServer((request, response) => response.end('here')).listen(3000);",
};

interface Heard {
  pid?: number;
  said?: Record<string, string>;
  kept?: string[];
  started?: number;
  ended?: number;
  status?: number;
}

/** A daemon under what stands in for systemd. `address` as NOTIFY_SOCKET has it. */
function manage(daemon: TestDaemon, address: string) {
  const command = [process.execPath, `${repositoryPath('dist')}/tenantd.js`, '--config', daemon.configFile, '--keep-tenants'];
  const manager = spawn('python3', [repositoryPath('test/support/fake-systemd.py'), address, ...command], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void manager.kill('SIGKILL'));
  const heard: Heard[] = [];
  createInterface({ input: manager.stdout }).on('line', (line) => heard.push(JSON.parse(line) as Heard));
  const explain = (): Promise<string> => Promise.resolve(JSON.stringify(heard.slice(-20), null, 1) + logOf(address));
  let pid = 0;
  return {
    heard,
    pid: () => pid,
    /** Waits until it says that it is ready. */
    async start() {
      const from = heard.length;
      manager.stdin.write('start\n');
      await until(() => heard.slice(from).some(({ said }) => said?.['READY'] === '1'), 'it is ready', 30_000, explain);
      pid = heard.slice(from).find(({ started }) => started !== undefined)?.started ?? 0;
    },
    async end(signal: NodeJS.Signals) {
      process.kill(pid, signal);
      await until(() => heard.some(({ ended }) => ended === pid), 'it has ended', 30_000, explain);
      return heard.find(({ ended }) => ended === pid)?.status;
    },
    until: (what: string, holds: (one: Heard) => boolean) => until(() => heard.some(holds), what, 30_000, explain),
  };
}

const logOf = (address: string): string => (existsSync(`${address}.log`) ? readFileSync(`${address}.log`, 'utf8').slice(-3_000) : '');

async function prepare() {
  const daemon = await prepareTestDaemon({ tenants: { acme: site } });
  return { daemon, visit: () => request(daemon.port, { host: 'acme.test' }) };
}

test('says that it is ready, well and reloading, by path or abstract name, in the name of its own process', async () => {
  const { daemon } = await prepare();
  await using _ = daemon;
  const manager = manage(daemon, `@tenantd-test-${process.pid}`);
  await manager.start();
  await manager.until('it is well', ({ said }) => said?.['WATCHDOG'] === '1' && said['STATUS'] === '1 tenant: 1 running');
  expect((await daemon.ctl('reload')).code).toBe(0);
  await manager.until('it reloads', ({ said }) => said?.['RELOADING'] === '1' && Number(said['MONOTONIC_USEC']) > 0);
  const reloading = manager.heard.findIndex(({ said }) => said?.['RELOADING'] === '1');
  await until(() => manager.heard.slice(reloading).some(({ said }) => said?.['READY'] === '1'), 'it is ready again');
  const speakers = new Set(manager.heard.flatMap(({ pid }) => pid ?? []));
  expect([...speakers]).toEqual([manager.pid()]);
  expect(await manager.end('SIGINT')).toBe(0);
});

test('SIGTERM ends the daemon alone; with its sockets kept, whoever comes while edges and daemon are gone is answered', async () => {
  const { daemon, visit } = await prepare();
  await using _ = daemon;
  const manager = manage(daemon, `${daemon.directory}/notify`);
  await manager.start();
  await daemon.untilApps(['acme/site']);
  const kept = [`tenantd;127.0.0.1;${daemon.port}`];
  await manager.until('its socket is kept', (one) => JSON.stringify(one.kept) === JSON.stringify(kept));
  const worker = (await daemon.app('acme', 'site')).workers[0]?.pid;
  const [edge = 0] = (await daemon.status()).edge.processes.map(({ pid }) => pid);

  expect(await manager.end('SIGTERM')).toBe(0);
  expect(manager.heard.some(({ said }) => said?.['STOPPING'] === '1')).toBe(true);
  expect((await visit()).text).toBe('here');
  const master = identifyProcess(Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${edge}/status`, 'utf8'))?.[1]));
  expect(childrenOf(master?.pid ?? 0)).toContain(edge);
  if (master) signalProcess(master, 'SIGKILL');
  await until(() => identifyProcess(edge) === undefined, 'the edges are gone');
  const waiting = visit();

  await manager.start();
  expect((await waiting).text).toBe('here');
  expect((await daemon.app('acme', 'site')).workers[0]?.pid).toBe(worker);
  // The new edges' sandbox has nothing that was passed to the daemon beside what it is to have.
  expect(await daemon.ctl('verify', '--passive')).toMatchObject({ code: 0 });
  expect(await manager.end('SIGINT')).toBe(0);
  await expect(visit()).rejects.toThrow('ECONNREFUSED');
  expect(manager.heard.findLast((one) => one.kept !== undefined)?.kept).toEqual([]);
});
