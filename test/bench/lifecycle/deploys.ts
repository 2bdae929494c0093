/*
Deploys one app again and again under load, then rolls it back and forth. Root.
Usage: npm run build && npm run bench:deploys [-- --deploys 1000 --rollbacks 50 --clients 6 --json]

Exit code 1: a request failed, an older release answered after a newer one, or more than five releases were kept.
*/
import { parseArgs } from 'node:util';
import { deployUnderLoad, type DeployReport, type Sample } from './deploy-load.ts';
import { describeMachine } from './machine-load.ts';
import { describeQuantiles } from './quantiles.ts';

const { values } = parseArgs({
  options: {
    deploys: { type: 'string', default: '1000' },
    rollbacks: { type: 'string', default: '50' },
    clients: { type: 'string', default: '6' },
    json: { type: 'boolean', default: false },
  },
});
const mostReleases = 5;
const mostShown = 5;
const machine = describeMachine();
const report = await deployUnderLoad({
  ...{ deploys: Number(values.deploys), rollbacks: Number(values.rollbacks), clients: Number(values.clients) },
  tell: (line) => void process.stderr.write(`${line}\n`),
});
process.stdout.write(values.json ? `${JSON.stringify(report, undefined, 1)}\n` : `${machine}\n${format(report)}`);
if (report.failures.length + report.backwards.length > 0 || report.releasesKept > mostReleases) process.exitCode = 1;

function format({ requests, failures, backwards, deployMs, rollbackMs, releasesKept, samples }: DeployReport): string {
  const [first, last] = [samples[1] ?? samples[0], samples.at(-1)];
  return [
    `${deployMs.length} deploys, ${rollbackMs.length} rollbacks, ${requests} requests meanwhile`,
    `failed requests: ${failures.length}`,
    ...failures.slice(0, mostShown).map((failure) => `  ${failure}`),
    `answers of an older release after a newer one: ${backwards.length}`,
    ...backwards.slice(0, mostShown).map((answer) => `  ${answer}`),
    `a deploy, with tenantctl: ${describeQuantiles(deployMs)}`,
    `a rollback, with tenantctl: ${describeQuantiles(rollbackMs)}`,
    `releases kept: ${releasesKept}`,
    ...(first && last ? growthOf(first, last) : []),
    '',
  ].join('\n');
}

function growthOf(first: Sample, last: Sample): string[] {
  return Object.keys(last.pssBytes).map((what) => {
    const memory = [first, last].map(({ pssBytes }) => `${((pssBytes[what] ?? 0) / 1e6).toFixed(1)} MB`).join(' -> ');
    const open = [first, last].map(({ descriptors }) => descriptors[what] ?? 0).join(' -> ');
    return `${what}: PSS ${memory}, descriptors ${open}, from ${first.afterDeploys} to ${last.afterDeploys} deploys`;
  });
}
