import type { Absence, Ledger, RequestRecord } from './ledger.ts';
import type { ChaosResult } from './run.ts';
import type { Failure } from './verdict.ts';

/** Around a failure. */
const surroundingsMs = 2_000;
const mostFailures = 10;
const mostNeighbours = 12;
const logTailCharacters = 3_000;

export function isGood({ verdict, growth, left, complaints }: ChaosResult): boolean {
  return verdict.failures.length + growth.length + left.length + complaints.length === 0;
}

export function formatResult(result: ChaosResult, seed: number): string {
  const { verdict, ledger, growth, left, complaints, after } = result;
  const steps = ledger.steps.filter(({ text }) => text.startsWith('step '));
  const lines = [
    `seed ${seed}: ${steps.length} steps, ${verdict.requests} requests`,
    ...countActions(steps.map(({ text }) => text)),
    `answered by a repetition, or lost, with a killed edge: ${verdict.lostWith['edge-killed']}; with a replaced one: ${verdict.lostWith['edges-replaced']}`,
    `WebSockets closed with a worker that was replaced: ${verdict.closedWebSockets}`,
    `failed while their tenant had no worker because of what was done to it: ${verdict.excused}`,
    `memory, MB (PSS): ${beforeAndAfter(result.before.memoryBytes, after.memoryBytes, (bytes) => (bytes / 1e6).toFixed(1))}`,
    `descriptors: ${beforeAndAfter(result.before.descriptors, after.descriptors, String)}`,
    ...growth.map(({ what, before, after }) => `LEAKED: ${what}: ${before} -> ${after}`),
    ...left.map((what) => `LEFT AFTER THE STOP: ${what}`),
    ...complaints.map((what) => `WRONG: ${what}`),
    ...verdict.failures.slice(0, mostFailures).map((failure) => formatFailure(failure, ledger)),
    ...(isGood(result) ? [] : [`the daemon's last words:\n${result.daemonLog.slice(-logTailCharacters)}`]),
    isGood(result)
      ? 'no request failed that should not, nothing leaked'
      : `FAILED: ${verdict.failures.length} requests; repeat with --seed ${seed}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Of all hosts, and of all workers, together. */
function beforeAndAfter(before: Record<string, number>, after: Record<string, number>, format: (figure: number) => string): string {
  const sums = new Map<string, [number, number]>();
  for (const [index, figures] of [before, after].entries()) {
    for (const [what, figure] of Object.entries(figures)) {
      const kind = what.replace(/^(host|worker) of .*/, '$1s');
      const sum = sums.get(kind) ?? [0, 0];
      sum[index] = (sum[index] ?? 0) + figure;
      sums.set(kind, sum);
    }
  }
  return [...sums].map(([kind, [left, right]]) => `${kind} ${format(left)} -> ${format(right)}`).join(', ');
}

/** The steps among what the daemon logged. */
export function formatTimeline({ ledger, daemonLog, verdict }: ChaosResult): string {
  const steps = ledger.steps.map(({ time, text }) => ({ time, text: `#### ${text}` }));
  const toTime = (atMs: number): string => new Date(performance.timeOrigin + atMs).toISOString();
  const failures = verdict.failures.map(({ record, why }) => ({
    time: toTime(record.sentMs),
    text: `!!!! ${record.tenant} ${describeRequest(record)} ${why}`,
  }));
  const absences = ledger.absences.flatMap(({ tenant, why, fromMs, toMs }) => [
    { time: toTime(fromMs), text: `#### (${tenant} may have no worker: ${why})` },
    ...(toMs === undefined ? [] : [{ time: toTime(toMs), text: `#### (${tenant} has one again, after ${(toMs - fromMs).toFixed(0)} ms)` }]),
  ]);
  const logged = daemonLog.split('\n').map((text) => ({ time: /"time":"([^"]*)"/.exec(text)?.[1] ?? '', text }));
  return [...steps, ...failures, ...absences, ...logged]
    .sort((left, right) => left.time.localeCompare(right.time))
    .map(({ time, text }) => `${time} ${text.replace(`"time":"${time}",`, '')}\n`)
    .join('');
}

function countActions(texts: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    const name = text.replace(/^step \d+: /, '').replace(/, and .*/, '');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort(([left], [right]) => left.localeCompare(right)).map(([name, count]) => `  ${String(count).padStart(4)}  ${name}`);
}

/** With what was done, and asked of the same tenant, around it. */
function formatFailure({ record, why }: Failure, ledger: Ledger): string {
  const isNear = (atMs: number): boolean => atMs > record.sentMs - surroundingsMs && atMs < record.endedMs + surroundingsMs;
  const steps = ledger.steps.filter(({ atMs }) => isNear(atMs)).map(({ atMs, text }) => ({ atMs, text }));
  const absences = ledger.absences.filter(({ tenant, fromMs, toMs }) => tenant === record.tenant && (isNear(fromMs) || isNear(toMs ?? 0)));
  const neighbours = ledger.recent.filter((other) => other.tenant === record.tenant && isNear(other.sentMs)).slice(-mostNeighbours);
  const events = [
    ...steps,
    ...absences.map((absence) => ({ atMs: absence.fromMs, text: describeAbsence(absence, record) })),
    ...neighbours.map((other) => ({ atMs: other.sentMs, text: describeRequest(other) })),
  ];
  return [
    `FAILED: ${record.tenant}, ${why}`,
    ...events
      .sort((left, right) => left.atMs - right.atMs)
      .map(({ atMs, text }) => `  ${(atMs - record.sentMs).toFixed(0).padStart(6)} ms  ${text}`),
  ].join('\n');
}

function describeAbsence({ why, toMs }: Absence, record: RequestRecord): string {
  return `(may have no worker: ${why}; until ${toMs === undefined ? 'now' : `${(toMs - record.sentMs).toFixed(0)} ms`})`;
}

function describeRequest({ way, sentMs, endedMs, lost, fault }: RequestRecord): string {
  const losses = lost.map(({ why, sentMs: from, lostMs }) => `lost after ${(lostMs - from).toFixed(0)} ms: ${why}`);
  return `-> ${[way, `${(endedMs - sentMs).toFixed(0)} ms`, ...losses, fault ?? 'ok'].join(', ')}`;
}
