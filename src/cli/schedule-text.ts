import type { ScheduleInfo, ScheduleRun, ScheduleRunOutcome } from '../protocol/schedule-calls.ts';
import { printable } from './printable.ts';
import { formatDistance, formatDuration } from './quantities.ts';
import type { Paint, TextLayout } from './terminal.ts';
import { type Row, renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

interface AppTarget {
  tenant: string;
  app: string;
}

const listHeads = ['SCHEDULE', 'NEXT', 'LAST', 'OUTCOME', 'WHEN'] as const;
const historyHeads = ['SCHEDULE', 'DUE (UTC)', 'BECAUSE', 'OUTCOME', 'TOOK', 'ANSWER'] as const;
const outcomeColumn = 3;
const indent = '  ';
/** What is longer has a line of its own. */
const widestWhen = 20;

/** A table of all, by app. */
export function renderSchedules(schedules: readonly ScheduleInfo[], layout: TextLayout): string {
  if (schedules.length === 0) return 'There are no schedules: `schedule` in an app.yaml makes them.\n';
  const rows = schedules.map((schedule, index) => listRow(schedule, schedules[index - 1], layout));
  return `${renderTable(listHeads, rows, { ...layout, indent }).join('\n')}\n`;
}

function listRow(schedule: ScheduleInfo, before: ScheduleInfo | undefined, { width, nowMs, paint }: TextLayout): Row {
  const { tenant, app, name, next, last, open } = schedule;
  const shown = open[0] ?? last;
  const when = printable(schedule.timezone === 'UTC' ? schedule.cron : `${schedule.cron}, ${schedule.timezone}`);
  const isSameApp = before?.tenant === tenant && before.app === app;
  return {
    above: isSameApp ? [] : [paint('bold', `${printable(tenant)}/${printable(app)}`)],
    cells: [
      printable(name),
      next === undefined ? 'stopped' : formatDistance(Date.parse(next), nowMs),
      shown ? formatDistance(Date.parse(shown.startedAt ?? shown.dueAt), nowMs) : '',
      shown?.outcome ?? '',
      when.length > widestWhen ? '' : when,
    ],
    paintCell: paintOutcome(paint, shown?.outcome),
    details: when.length > widestWhen ? wrapText(when, width, `${indent}${indent}`) : [],
  };
}

/** Each run's detail, where there is one, on lines below it. */
export function renderHistory(
  { tenant, app, name }: AppTarget & { name?: string },
  runs: readonly ScheduleRun[],
  layout: TextLayout,
): string {
  const whose = `${printable(tenant)}/${printable(app)}${name === undefined ? '' : ` ${printable(name)}`}`;
  if (runs.length === 0) return `${whose}: nothing has run yet\n`;
  const rows = runs.map((run) => historyRow(run, layout));
  return `${renderTable(historyHeads, rows, { ...layout, indent: '' }).join('\n')}\n`;
}

function historyRow({ schedule, dueAt, cause, outcome, durationMs, status, detail }: ScheduleRun, { width, paint }: TextLayout): Row {
  return {
    cells: [
      printable(schedule),
      dueAt.slice(0, 19).replace('T', ' '),
      causeWords[cause],
      outcome,
      durationMs === undefined ? '' : formatMs(durationMs),
      status === undefined ? '' : String(status),
    ],
    paintCell: paintOutcome(paint, outcome),
    details: detail === undefined ? [] : wrapText(printable(detail), width, indent),
  };
}

const causeWords = { time: 'time', missed: 'missed', manual: 'by hand' } as const;

/** `acme/site digest: done in 1.2 s, answered 200` */
export function renderRun({ tenant, app }: AppTarget, run: ScheduleRun, { width }: TextLayout): string {
  const { schedule, outcome, durationMs, status, detail } = run;
  const took = durationMs === undefined ? '' : ` in ${formatMs(durationMs)}`;
  const more = detail ?? (status === undefined ? '' : `answered ${status}`);
  const text = `${tenant}/${app} ${schedule}: ${outcome}${took}${more === '' ? '' : `, ${more}`}`;
  return `${wrapText(printable(text), width).join('\n')}\n`;
}

/** What is short counts in a run. */
function formatMs(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  return durationMs < 10_000 ? `${(durationMs / 1_000).toFixed(1)} s` : formatDuration(durationMs);
}

function paintOutcome(paint: Paint, outcome: ScheduleRunOutcome | undefined): (text: string, column: number) => string {
  const style = outcome && outcomeStyles[outcome];
  return (text, column) => (column === outcomeColumn && style ? paint(style, text) : text);
}

const outcomeStyles: Partial<Record<ScheduleRunOutcome, 'green' | 'red' | 'yellow'>> = {
  ...{ done: 'green', failed: 'red', timeout: 'red', lost: 'red' },
  ...{ running: 'yellow', waiting: 'yellow', skipped: 'yellow', missed: 'yellow' },
};
