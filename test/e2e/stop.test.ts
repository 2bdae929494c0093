import { existsSync, readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { prepareTestDaemon, startTestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

const slow = `require('node:http').createServer((request, response) => {
  response.write('begun ');
  setTimeout(() => response.end('ended'), 1000);
}).listen(3000);`;

test('SIGTERM lets open requests end, stops everything in order, and leaves nothing to complain of', async () => {
  const names = ['one', 'two', 'three', 'four', 'five'];
  const filesOf = (name: string) => ({
    'tenant.yaml': `domains: [${name}.test]\n`,
    'apps/site/package.json': '{"main":"server.js"}',
    'apps/site/server.js': slow,
  });
  await using daemon = await startTestDaemon({ tenants: Object.fromEntries(names.map((name) => [name, filesOf(name)])) });
  await daemon.untilApps(names.map((name) => `${name}/site`));
  const pids = (await daemon.status()).tenants.flatMap((tenant) => [
    tenant.hostPid,
    ...tenant.apps.flatMap(({ workers }) => workers.map(({ pid }) => pid)),
  ]);
  const open = names.map((name) => begin(daemon.port, `${name}.test`));
  await Promise.all(open.map(({ begun }) => begun));
  expect(await daemon.stop()).toBe(0);
  expect(await Promise.all(open.map(({ whole }) => whole))).toEqual(names.map(() => 'begun ended'));
  const complaints = daemon
    .log()
    .split('\n')
    .filter((line) => /"level":"(?:warn|error)"/.test(line));
  expect(complaints).toEqual([]);
  expect(pids.filter(isAlive)).toEqual([]);
});

/** `begun` when the first bytes of the answer are here. */
function begin(port: number, host: string): { begun: Promise<void>; whole: Promise<string> } {
  const begun = Promise.withResolvers<void>();
  const whole = Promise.withResolvers<string>();
  let text = '';
  const sent = http.get({ host: '127.0.0.1', port, headers: { host }, agent: false }, (response) => {
    response.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      begun.resolve();
    });
    response.on('end', () => whole.resolve(text));
    response.on('error', whole.reject);
  });
  sent.on('error', begun.reject);
  return { begun: begun.promise, whole: whole.promise };
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false; // no such process
  }
}

test('SIGTERM while it starts stops what is started already, and leaves nothing', async () => {
  const daemon = await prepareTestDaemon({ tenants: { acme: { 'tenant.yaml': 'domains: [acme.test]', 'apps/site/index.html': 'hello' } } });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const started = daemon.start().catch((error: unknown) => error);
  await until(() => existsSync(join(daemon.directory, 'run/tenantd.pid')), 'it has begun');
  expect(await daemon.stop()).toBe(0);
  await started;
  expect(readdirSync(join(daemon.directory, 'run/sandboxes'))).toEqual([]);
  expect(existsSync(join(daemon.directory, 'run/tenantd.pid'))).toBe(false);
});
