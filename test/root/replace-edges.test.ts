import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReloadResult } from '../../src/protocol/control.ts';
import { makeCertificate } from '../support/certificate.ts';
import { request } from '../support/client.ts';
import { sandboxRecords } from '../support/system-processes.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { auditOf } from './broken-layers.ts';
import { openTunnel, startTraffic, trafficApp } from './edge-traffic.ts';

const host = 'acme.test';
let daemon: TestDaemon;

beforeAll(async () => {
  const certificate = makeCertificate([host]);
  const tenantYaml = `domains: [${host}]\ntls: { redirect: false, certificate: acme.pem, key: acme.key }\n`;
  daemon = await startTestDaemon({
    https: true,
    config: 'edge: { processes: 2 }',
    tenants: { acme: { 'tenant.yaml': tenantYaml, 'acme.pem': certificate.chain, 'acme.key': certificate.key, ...trafficApp } },
  });
  await daemon.untilApps(['acme/site']);
});
afterAll(() => daemon?.[Symbol.asyncDispose]());

const ports = () => ({ http: daemon.port, https: daemon.httpsPort });

async function replaceEdges(): Promise<ReloadResult> {
  const { code, stdout, stderr } = await daemon.ctl('reload', '--edges', '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as ReloadResult;
}

const edgePids = async (): Promise<number[]> => (await daemon.status()).edge.processes.map(({ pid }) => pid);

/** The edge sandboxes on record, with the phase of each. */
function masters(): { phase: string; pid: number; file: string }[] {
  const edges = sandboxRecords(daemon).filter(({ role }) => role.role === 'edge');
  return edges.map(({ id, reaper, role }) => ({ phase: role.phase ?? '', pid: reaper.pid, file: `${id}.json` }));
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);
const pidOf = (phase: string): number => masters().find((master) => master.phase === phase)?.pid ?? 0;

function setProcesses(processes: number): void {
  const config = readFileSync(daemon.configFile, 'utf8');
  writeFileSync(daemon.configFile, config.replace(/processes: \d+ \}$/, `processes: ${processes} }`));
}

describe('tenantctl reload --edges', () => {
  test('replaces the edges three times, and no client of any kind notices', async () => {
    const traffic = await startTraffic(ports(), host);
    await traffic.goOn(3);
    const seen = new Set(await edgePids());
    for (let round = 0; round < 3; round++) {
      const { edges } = await replaceEdges();
      expect(edges?.processes).toHaveLength(2);
      expect(edges?.processes.filter(({ pid }) => seen.has(pid))).toEqual([]);
      for (const { pid } of edges?.processes ?? []) seen.add(pid);
      await traffic.goOn(3);
    }
    const { failures, done } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(Object.keys(done)).toHaveLength(8);
    await until(() => masters().length === 1, 'the old edges end when nothing is open at them', 30_000);
    await until(() => readdirSync(`${daemon.directory}/run/edge`).length === 1, 'and leave nothing');
    expect((await daemon.status()).problems).toEqual([]);
  });

  test('takes changed settings of the edges without refusing anybody', async () => {
    const traffic = await startTraffic(ports(), host);
    setProcesses(1);
    await until(async () => (await daemon.status()).problems.length === 1, 'it is noticed');
    expect((await daemon.status()).problems[0]?.fix).toMatch(/reload --edges/);
    expect((await replaceEdges()).edges?.processes).toHaveLength(1);
    expect((await daemon.status()).problems).toEqual([]);
    await traffic.goOn(3);
    expect((await traffic.stop()).failures).toEqual([]);
  });

  test('is in the audit trail, and says in words what it did', async () => {
    const before = await edgePids();
    const { code, stdout } = await daemon.ctl('reload', '--edges');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d new edge process(es)? serves?/m)]);
    const [entry] = auditOf(daemon)
      .filter(({ action }) => action === 'reload-edges')
      .slice(-1);
    expect(entry).toMatchObject({ actor: 'operator', before: JSON.stringify(before.map((pid) => ({ pid }))) });
    expect(entry?.after).toBe(JSON.stringify((await edgePids()).map((pid) => ({ pid }))));
  });

  test('lets three generations of old edges finish, and tells the oldest to hurry when there are four', async () => {
    const hurried = (): boolean => daemon.log().includes('there are many old edges');
    const tunnels: Socket[] = [];
    for (let generation = 0; generation < 4; generation++) {
      expect(hurried()).toBe(false);
      tunnels.push(await openTunnel(daemon.port, host));
      await replaceEdges();
    }
    expect(masters()).toHaveLength(5);
    expect(hurried()).toBe(true);
    expect(tunnels.map(({ closed }) => closed)).toEqual([false, false, false, false]);
    for (const tunnel of tunnels) tunnel.destroy();
    await until(() => masters().length === 1, 'all of them end', 30_000);
  });

  test('changes neither the keys of tokens nor what is published', async () => {
    const keysOf = async (): Promise<string> => (await request(daemon.port, { host, path: '/.well-known/tenantd/jwks.json' })).text;
    const before = await keysOf();
    await replaceEdges();
    expect(await keysOf()).toBe(before);
    const token = (await request(daemon.port, { host, path: '/context' })).text;
    const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
    expect(before).toContain(kid);
  });
});

describe('a daemon that is killed', () => {
  test('is followed by one that replaces its edges, and nobody is refused', async () => {
    const traffic = await startTraffic(ports(), host);
    const before = await edgePids();
    await daemon.kill();
    await traffic.goOn(3);
    await daemon.start();
    expect(await edgePids()).toEqual(before);
    await replaceEdges();
    expect(await edgePids()).not.toEqual(before);
    await traffic.goOn(3);
    expect((await traffic.stop()).failures).toEqual([]);
  });

  test('and started with other settings replaces the edges by itself', async () => {
    const traffic = await startTraffic(ports(), host);
    await daemon.kill();
    setProcesses(2);
    await daemon.start();
    await until(async () => (await edgePids()).length === 2, 'new edges serve');
    await until(async () => (await daemon.status()).problems.length === 0, 'that is all');
    await traffic.goOn(3);
    expect((await traffic.stop()).failures).toEqual([]);
  });

  test('while it replaces edges leaves a state that the next one goes on from', async () => {
    // At once, then a little later each time: before there is a new master, while it starts, when it serves.
    for (const moment of ['', 'starting', 'retiring']) {
      const traffic = await startTraffic(ports(), host);
      const known = new Set(masters().map(({ file }) => file));
      const replaced = daemon.ctl('reload', '--edges');
      await until(
        () => moment === '' || masters().some(({ phase, file }) => phase === moment && (phase === 'retiring' || !known.has(file))),
        `one is ${moment}`,
      );
      await daemon.kill();
      await replaced;
      await traffic.goOn(2);
      await daemon.start();
      await traffic.goOn(2);
      expect((await traffic.stop()).failures).toEqual([]);
      await until(() => masters().length === 1 && pidOf('serving') > 0, 'one master is left, and serves', 30_000);
    }
  });
});

test('where the listening sockets can not be had, nothing is changed, and the error says why', async () => {
  const before = await edgePids();
  await daemon.kill();
  const record = `${daemon.directory}/run/sandboxes/${masters()[0]?.file}`;
  // As if the socket were another one than the daemon before had bound.
  const text = readFileSync(record, 'utf8');
  writeFileSync(record, text.replace(`"port":${daemon.port}}`, `"port":${daemon.port + 1}}`));
  await daemon.start();
  expect(daemon.log()).toContain('it alone has the listening sockets');
  const { code, stdout } = await daemon.ctl('reload', '--edges', '--json');
  expect([code, JSON.parse(stdout)]).toMatchObject([1, { error: { code: 'TENANTD_E_EDGE_SOCKETS' } }]);
  expect(await edgePids()).toEqual(before);
  expect((await request(daemon.port, { host })).text).toBe('got 0');
});

test('a daemon of another build replaces the edges by itself', async () => {
  const before = await edgePids();
  await daemon.kill();
  const record = `${daemon.directory}/run/sandboxes/${masters()[0]?.file}`;
  // As the other build would have written it.
  const text = readFileSync(record, 'utf8').replace(`"port":${daemon.port + 1}}`, `"port":${daemon.port}}`);
  writeFileSync(record, text.replace(/"build":"[^"]*"/, '"build":"another"'));
  await daemon.start();
  await until(async () => (await edgePids()).every((pid) => !before.includes(pid)), 'new edges serve');
  expect((await request(daemon.port, { host })).text).toBe('got 0');
  await until(() => masters().length === 1, 'the old ones end');
});

describe('a master that is killed while edges are replaced', () => {
  test('when it is the new one, changes nothing: the old ones serve, and the error says so', async () => {
    const traffic = await startTraffic(ports(), host);
    const before = await edgePids();
    const replaced = daemon.ctl('reload', '--edges', '--json');
    await until(() => pidOf('starting') > 0, 'the new one starts');
    process.kill(pidOf('starting'), 'SIGKILL');
    const { code, stdout } = await replaced;
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { error: { code: 'TENANTD_E_EDGE' } }]);
    expect(await edgePids()).toEqual(before);
    await traffic.goOn(3);
    expect((await traffic.stop()).failures).toEqual([]);
  });

  test('when it is the old one, refuses nobody: the new ones serve', async () => {
    const old = pidOf('serving');
    const edges = await edgePids();
    const replaced = daemon.ctl('reload', '--edges', '--json');
    await until(() => pidOf('starting') > 0, 'the new one starts');
    process.kill(old, 'SIGKILL');
    // What they had accepted is lost with them.
    await until(() => !edges.some(isAlive), 'its edges are dead');
    for (let round = 0; round < 20; round++) expect((await request(daemon.port, { host })).text).toBe('got 0');
    expect((await replaced).code).toBe(0);
    await until(() => masters().length === 1, 'nothing is left of it');
  });

  test('and a daemon that took up the edges has their sockets still when the master is killed', async () => {
    await daemon.kill();
    await daemon.start();
    const edges = await edgePids();
    process.kill(pidOf('serving'), 'SIGKILL');
    await until(() => !edges.some(isAlive), 'its edges are dead');
    for (let round = 0; round < 20; round++) expect((await request(daemon.port, { host })).text).toBe('got 0');
  });
});

test('a daemon that is stopped ends old edges too, and leaves nothing', async () => {
  const traffic = await startTraffic(ports(), host);
  await replaceEdges();
  expect(
    masters()
      .map(({ phase }) => phase)
      .sort(),
  ).toEqual(['retiring', 'serving']);
  const stopped = daemon.stop();
  await traffic.stop();
  expect(await stopped).toBe(0);
  expect(existsSync(`${daemon.directory}/run/edge`) ? readdirSync(`${daemon.directory}/run/edge`) : []).toEqual([]);
  expect(masters()).toEqual([]);
});
