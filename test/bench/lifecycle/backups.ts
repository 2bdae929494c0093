import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from '../../support/client.ts';
import { startTestDaemon } from '../../support/test-daemon.ts';

/**
 * What a backup, a restore and a clone of a tenant with so many megabytes of data take, half of them random bytes and half text, one file in ten
 * of 4 KiB; how long nothing could be written meanwhile, and how long the slowest write took. As root:
 * `node test/bench/lifecycle/backups.ts [MEGABYTES]`.
 */
const megabytes = Number(process.argv[2] ?? 1_024);
const plans =
  'plans: { starter: { memory: 512M, cpu: 2, processes: 64, disk: 8G, files: 300000, requestsPerSecond: 0, responseTimeout: 10m } }';

const app = `
const fs = require('node:fs'), crypto = require('node:crypto');
let slowestMs = 0;
setInterval(() => {
  const began = performance.now();
  const file = fs.openSync('/data/beat', 'a');
  fs.writeSync(file, 'x'); fs.fsyncSync(file); fs.closeSync(file);
  slowestMs = Math.max(slowestMs, performance.now() - began);
}, 5);
function fill(megabytes) {
  const text = Buffer.alloc(1 << 20, 'the quick brown fox jumps over the lazy dog, ' + crypto.randomBytes(30).toString('hex'));
  for (let n = 0; n < megabytes; n++) fs.writeFileSync('/data/' + n, n % 2 ? crypto.randomBytes(1 << 20) : text);
  fs.mkdirSync('/data/small');
  for (let n = 0; n < megabytes / 10; n++) fs.writeFileSync('/data/small/' + n, crypto.randomBytes(4096));
}
require('node:http').createServer((request, response) => {
  if (request.url === '/fill') fill(${megabytes});
  if (request.url === '/forget') slowestMs = 0;
  response.end(String(slowestMs));
}).listen(3000);
`;

const tenants = { acme: { 'tenant.yaml': 'domains: [acme.localhost]\nidle: never\n', 'apps/site/server.js': app } };
await using daemon = await startTestDaemon({ tenants, plans });
await daemon.untilApps(['acme/site']);
const ask = async (path: string): Promise<number> => Number((await request(daemon.port, { host: 'acme.localhost', path })).text);
const passphrase = `${daemon.directory}/passphrase`;
writeFileSync(passphrase, 'correct horse battery staple');
await ask('/fill');

async function run(what: string, ...args: string[]): Promise<void> {
  await ask('/forget');
  const { stdout, stderr, code } = await daemon.ctl('tenant', ...args, '--json');
  if (code !== 0) throw new Error(stdout + stderr);
  const { seconds, pauseMs, fileBytes = 0 } = JSON.parse(stdout) as { seconds: number; pauseMs?: number; fileBytes?: number };
  const size = fileBytes > 0 ? `, file ${(fileBytes / 2 ** 20).toFixed(0)} MiB` : '';
  const pause = pauseMs === undefined ? '' : `, pause ${pauseMs} ms`;
  console.log(`${what.padEnd(28)} ${seconds.toFixed(1).padStart(6)} s${pause}, slowest write ${(await ask('/')).toFixed(0)} ms${size}`);
}

mkdirSync(`${daemon.directory}/files`);
const file = `${daemon.directory}/files/acme.backup`;
console.log(`${megabytes} MiB of data`);
await run('backup', 'backup', 'acme', file, '--no-passphrase');
await run('restore', 'restore', file, '--as', 'one', '--domain', 'one.localhost');
rmSync(file);
await run('backup, encrypted', 'backup', 'acme', file, '--passphrase-file', passphrase);
await run('restore, encrypted', 'restore', file, '--as', 'two', '--domain', 'two.localhost', '--passphrase-file', passphrase);
await run('clone', 'clone', 'acme', 'three', '--domain', 'three.localhost');
console.log(`file ${(statSync(file).size / 2 ** 20).toFixed(0)} MiB`);
