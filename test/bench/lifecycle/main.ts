/*
How fast tenantd wakes, deploys and goes back, and what it keeps in memory, beside the same apps started bare and uWSGI's Emperor.
Root. Usage: npm run build && npm run bench:lifecycle [-- OPTIONS]

  --rounds N      first answers of each app (30)
  --copies N      of an app for its memory (10)
  --deploys N     under load (20); rollbacks are half as many
  --parts A,B     of: wake,memory,deploys,many (all)
  --no-uwsgi      without the peer
  --install       missing programs are installed with apt-get
  --sleeping N    tenants of `many` (1000)
  --json

A wake is from the request, over a new connection to the edge, to the end of its answer; the tenant has no process before. Bare is from
the start of the process to its first answer, asked for every millisecond. The Emperor's vassal is asked directly, without a proxy before it,
without a sandbox, a uid or limits of its own.
*/
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { installPackages, missingPackages } from '../edge/programs.ts';
import { deployUnderLoad, type DeployReport } from './deploy-load.ts';
import { type FirstAnswers, measureFirstAnswers } from './first-answer.ts';
import { formatDeploys, formatFirstAnswers, formatMemory } from './lifecycle-report.ts';
import { describeMachine } from './machine-load.ts';
import { measureRunningMemory, type RunningMemory } from './running-memory.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    rounds: { type: 'string', default: '30' },
    copies: { type: 'string', default: '10' },
    deploys: { type: 'string', default: '20' },
    parts: { type: 'string', default: 'wake,memory,deploys,many' },
    uwsgi: { type: 'boolean', default: true },
    install: { type: 'boolean', default: false },
    sleeping: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const parts = new Set(values.parts.split(','));
const withUwsgi = values.uwsgi && parts.has('wake') && hasUwsgi();
const tell = (line: string): void => void process.stderr.write(`${line}\n`);
const machine = describeMachine();
const found: { firstAnswers?: FirstAnswers; memory?: Record<string, RunningMemory>; deploys?: DeployReport } = {};

print(`${machine}\n`);
if (parts.has('wake')) {
  found.firstAnswers = await measureFirstAnswers({ rounds: Number(values.rounds), withUwsgi, tell });
  print(formatFirstAnswers(found.firstAnswers));
}
if (parts.has('memory')) {
  const copies = Number(values.copies);
  found.memory = { http: await measureRunningMemory('http', copies), python: await measureRunningMemory('python', copies) };
  print(formatMemory(found.memory, copies));
}
if (parts.has('deploys')) {
  const deploys = Number(values.deploys);
  found.deploys = await deployUnderLoad({ deploys, rollbacks: deploys >> 1, clients: 6, tell });
  print(formatDeploys(found.deploys));
}
if (values.json) process.stdout.write(`${JSON.stringify({ machine, ...found }, undefined, 1)}\n`);
if (parts.has('many')) process.exitCode = await runManyTenants();

function print(text: string): void {
  if (!values.json) process.stdout.write(text);
}

/** Without it, the rest is measured all the same. */
function hasUwsgi(): boolean {
  const missing = missingPackages(['uwsgi-core']);
  if (missing.length > 0 && values.install) installPackages([...missing, 'uwsgi-plugin-python3']);
  if (missing.length === 0 || values.install) return true;
  process.stderr.write(`no peer: apt-get install -y --no-install-recommends ${missing.join(' ')} uwsgi-plugin-python3   (or --install)\n`);
  return false;
}

async function runManyTenants(): Promise<number> {
  const file = new URL('./many-tenants.ts', import.meta.url).pathname;
  const args = ['--sleeping', values.sleeping, ...(values.json ? ['--json'] : [])];
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
