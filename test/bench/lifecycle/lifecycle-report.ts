import type { DeployReport } from './deploy-load.ts';
import type { FirstAnswers } from './first-answer.ts';
import { describeQuantiles, quantile } from './quantiles.ts';
import type { RunningMemory } from './running-memory.ts';
import { type SampleAppName, sampleApps } from './sample-apps.ts';

/** Times the bare process. */
const wakeGoal = 1.5;
const nameWidth = 26;
const cellWidth = 11;

export function formatFirstAnswers({ woken, bare, emperor }: FirstAnswers): string {
  const names = (Object.keys(woken) as SampleAppName[]).filter((name) => woken[name].length > 0);
  const rows = names.map((name) => answerRow(sampleApps[name].name, woken[name], bare[name]));
  const peer = emperor.length > 0 ? [answerRow('the same by the Emperor', emperor, bare.uwsgi)] : [];
  const missed = names.filter(
    (name) => ratioOf(woken[name], bare[name], 0.5) > wakeGoal || ratioOf(woken[name], bare[name], 0.99) > wakeGoal,
  );
  return [
    `first answer of a sleeping app, ms, ${woken.http.length} rounds`,
    line('', ['woken p50', 'p99', 'bare p50', 'p99', 'ratio p50', 'p99']),
    ...rows,
    ...peer,
    ...(emperor.length > 0 ? [`woken by tenantd / by the Emperor, p50: ${ratioOf(woken.uwsgi, emperor, 0.5).toFixed(2)}`] : []),
    `goal (ratio <= ${wakeGoal}, p50 and p99): ${missed.length === 0 ? 'met' : `MISSED by ${missed.map((name) => sampleApps[name].name).join(', ')}`}`,
    '',
    '',
  ].join('\n');
}

export function formatMemory(memory: Readonly<Record<string, RunningMemory>>, copies: number): string {
  const toMegabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const rows = Object.entries(memory).map(([name, { bare, host, worker }]) =>
    line(sampleApps[name as SampleAppName].name, [
      ...[bare, worker, host, worker + host].map(toMegabytes),
      ...[((worker + host) / bare).toFixed(2)],
    ]),
  );
  return [
    `memory of a running tenant, PSS MB, ${copies} at once, with its sandboxes`,
    line('', ['bare', 'worker', 'host', 'tenant', 'ratio']),
    ...rows,
    '',
    '',
  ].join('\n');
}

export function formatDeploys({ requests, failures, backwards, deployMs, rollbackMs }: DeployReport): string {
  return [
    `${deployMs.length} deploys and ${rollbackMs.length} rollbacks under load: ${requests} requests, ${failures.length} failed, ${backwards.length} of an older release`,
    `a deploy, with tenantctl: ${describeQuantiles(deployMs)}`,
    `a rollback, with tenantctl: ${describeQuantiles(rollbackMs)}`,
    '',
    '',
  ].join('\n');
}

function answerRow(name: string, woken: readonly number[], bare: readonly number[]): string {
  const figures = [woken, bare].flatMap((values) => [quantile(values, 0.5), quantile(values, 0.99)]).map((ms) => ms.toFixed(0));
  return line(name, [...figures, ...[0.5, 0.99].map((share) => ratioOf(woken, bare, share).toFixed(2))]);
}

function ratioOf(left: readonly number[], right: readonly number[], share: number): number {
  return quantile(left, share) / quantile(right, share);
}

function line(name: string, cells: readonly string[]): string {
  return name.padEnd(nameWidth) + cells.map((cell) => cell.padStart(cellWidth)).join('');
}
