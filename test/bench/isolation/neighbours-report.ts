import type { Outcomes } from './mischiefs.ts';
import type { LoadFigures } from './steady-load-process.ts';

export interface Round {
  mischief: string;
  /** The good tenant's page, then its notes. */
  before: LoadFigures[];
  during: LoadFigures[];
  outcomes: Outcomes;
  /** Of anything of the good tenant. */
  restarts: number;
  /** Of the bad one, afterwards. */
  problems: string[];
}

const goal = 2;

/** Of several rounds of a mischief, the medians; errors and outcomes are summed up. */
export function formatRounds(rounds: readonly Round[]): string {
  const names = [...new Set(rounds.map(({ mischief }) => mischief))];
  const rows = names.map((name) =>
    rowOf(
      name,
      rounds.filter(({ mischief }) => mischief === name),
    ),
  );
  const cells = [
    ['page: p50, p99 before', 'during', 'ratio', 'note: p99 before', 'during', 'ratio', 'faults'],
    ...rows.map((row) => row.cells),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  const nameWidth = Math.max(...names.map(({ length }) => length));
  const line = (name: string, values: string[], outcome: string): string =>
    `${name.padEnd(nameWidth)}  ${values.map((value, column) => value.padStart(widths[column] ?? 0)).join('  ')}  ${outcome}`.trimEnd();
  const [head = [], ...body] = cells;
  const missed = rows.filter(({ pageRatio, faults }) => pageRatio > goal || faults > 0).length;
  return [
    `milliseconds; ratio: of the p99; 180 pages and 20 notes (written and synced) a second`,
    line('', head, 'what the bad one met'),
    ...body.map((values, index) => line(names[index] ?? '', values, rows[index]?.outcome ?? '')),
    `goal: no fault, and the page's p99 within ${goal}x: ${missed === 0 ? 'met' : `MISSED in ${missed} of ${rows.length}`}`,
    '',
  ].join('\n');
}

function rowOf(name: string, rounds: readonly Round[]): { cells: string[]; outcome: string; pageRatio: number; faults: number } {
  const median = (pick: (round: Round) => number): number => medianOf(rounds.map(pick));
  const figure =
    (when: 'before' | 'during', target: number, key: 'p50Ms' | 'p99Ms') =>
    (round: Round): number =>
      round[when][target]?.[key] ?? NaN;
  const ratio = (target: number): number =>
    median((round) => figure('during', target, 'p99Ms')(round) / figure('before', target, 'p99Ms')(round));
  const both = (when: 'before' | 'during'): string =>
    `${median(figure(when, 0, 'p50Ms')).toFixed(2)} ${median(figure(when, 0, 'p99Ms'))
      .toFixed(1)
      .padStart(5)}`;
  const faults = rounds.reduce((sum, round) => sum + round.restarts + errorsOf([...round.before, ...round.during]), 0);
  const cells = [
    both('before'),
    both('during'),
    ratio(0).toFixed(1),
    median(figure('before', 1, 'p99Ms')).toFixed(1),
    median(figure('during', 1, 'p99Ms')).toFixed(1),
    ratio(1).toFixed(1),
    String(faults),
  ];
  return { cells, outcome: describe(rounds.at(-1)), pageRatio: ratio(0), faults };
}

function errorsOf(figures: readonly LoadFigures[]): number {
  return figures.flatMap(({ errors }) => Object.values(errors)).reduce((sum, count) => sum + count, 0);
}

function describe(round: Round | undefined): string {
  const outcomes = Object.entries(round?.outcomes ?? {}).map(([what, count]) => `${what} ${count.toLocaleString('en')}`);
  return [...outcomes, ...(round?.problems ?? [])].join(', ');
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[sorted.length >> 1] ?? NaN;
}
