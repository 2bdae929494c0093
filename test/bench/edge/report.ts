import type { BenchCase } from './cases.ts';
import { type ProxyName, proxyNames } from './proxy.ts';
import type { CaseResult, Run } from './run-case.ts';

/** Ratios are taken to these. */
const yardsticks = ['nginx', 'caddy', 'http-proxy'] as const satisfies ProxyName[];

interface Row {
  proxy: ProxyName;
  cells: string[];
}

const columns = ['CPU us', 'sys %', 'spread', 'req/s', 'p50 ms', 'p99 ms', 'peak MB', 'x nginx', 'x Caddy', 'x http-p'];

export function formatCase(bench: BenchCase, result: CaseResult): string {
  const rows = rowsOf(bench, result);
  const line = (name: string, cells: string[]): string =>
    name.padEnd(10) +
    cells
      .map((cell) => cell.padStart(9))
      .join('')
      .trimEnd();
  return [
    `${bench.id}: ${bench.title}`,
    line(ratiosOf(bench), columns),
    ...rows.map(({ proxy, cells }) => line(proxy, cells)),
    ...result.failures.map(({ proxy, message }) => `${proxy}: FAILED: ${message}`),
    ...notesOf(bench, result),
    '',
  ].join('\n');
}

export function formatMarkdown(bench: BenchCase, result: CaseResult): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `**${bench.title}**`,
    '',
    line([ratiosOf(bench), ...columns]),
    line(['---', ...columns.map(() => '--:')]),
    ...rowsOf(bench, result).map(({ proxy, cells }) => line([proxy, ...cells])),
    '',
  ].join('\n');
}

/** Stands in the corner of the table: what the last columns are ratios of. */
function ratiosOf({ measure }: BenchCase): string {
  return measure === 'cpu' ? 'x: CPU' : 'x: req/s';
}

function rowsOf(bench: BenchCase, result: CaseResult): Row[] {
  return proxyNames.flatMap((proxy) => {
    const runs = runsOf(result, proxy);
    if (runs.length === 0) return bench.proxies.includes(proxy) ? [] : [{ proxy, cells: ['n/a'] }];
    return [{ proxy, cells: cellsOf(bench, result, runs, proxy) }];
  });
}

function cellsOf(bench: BenchCase, result: CaseResult, runs: Run[], proxy: ProxyName): string[] {
  const cpu = runs.map(cpuUs);
  const median = medianOf(cpu);
  const figure = (pick: (run: Run) => number, digits: number): string => medianOf(runs.map(pick)).toFixed(digits);
  return [
    median.toFixed(1),
    figure((run) => (100 * run.systemUs) / cpuUs(run), 0),
    `${((100 * (Math.max(...cpu) - Math.min(...cpu))) / median).toFixed(0)}%`,
    figure((run) => run.requestsPerSecond, 0),
    figure((run) => run.p50Ms, 2),
    figure((run) => run.p99Ms, 2),
    (Math.max(...runs.map((run) => run.peakMemoryBytes)) / 1e6).toFixed(1),
    ...yardsticks.map((yardstick) => ratioOf(bench, result, proxy, yardstick)?.toFixed(2) ?? '-'),
  ];
}

/** The median of each round's ratio: what disturbs the machine for longer than a round cancels out. */
function ratioOf(bench: BenchCase, result: CaseResult, proxy: ProxyName, yardstick: ProxyName): number | undefined {
  const figure = bench.measure === 'cpu' ? cpuUs : (run: Run): number => run.requestsPerSecond;
  const theirs = runsOf(result, yardstick);
  const ratios = runsOf(result, proxy).flatMap((run) => {
    const other = theirs.find(({ round }) => round === run.round);
    return other ? [figure(run) / figure(other)] : [];
  });
  return ratios.length === 0 ? undefined : medianOf(ratios);
}

function notesOf(bench: BenchCase, result: CaseResult): string[] {
  const goals = yardsticks.flatMap((yardstick) => {
    const goal = bench.goals[yardstick];
    const ratio = ratioOf(bench, result, 'tenantd', yardstick);
    if (goal === undefined || ratio === undefined) return [];
    const isMet = bench.measure === 'cpu' ? ratio <= goal : ratio >= goal;
    return [`${isMet ? 'met' : 'MISSED'}: ${ratio.toFixed(2)}x ${yardstick} (goal ${bench.measure === 'cpu' ? '<=' : '>='} ${goal})`];
  });
  const logs = Object.entries(result.logBytesPerRequest).map(([proxy, bytes]) => `${proxy} ${bytes.toFixed(0)}`);
  return [
    ...(goals.length > 0 ? [`goals ${goals.join(', ')}`] : []),
    `bytes of access log a request (warm-up included): ${logs.join(', ')}`,
  ];
}

function runsOf({ runs }: CaseResult, proxy: ProxyName): Run[] {
  return runs.filter((run) => run.proxy === proxy);
}

function cpuUs({ userUs, systemUs }: Run): number {
  return userUs + systemUs;
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
