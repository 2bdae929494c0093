import { type Command, InvalidArgumentError } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { ScheduleHistoryResult, ScheduleListResult, ScheduleRunResult } from '../protocol/schedule-calls.ts';
import { callDaemon } from './control-client.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { parseAppReference, parseLogSource } from './references.ts';
import { renderHistory, renderRun, renderSchedules } from './schedule-text.ts';
import { layoutOf, writeJson } from './terminal.ts';

/** A run may take a day; the daemon ends the wait for one that nobody tells of. */
const runTimeoutMs = 26 * 3_600_000;
const mostRuns = 1_600;

const runHelp = `
Wakes the app if it sleeps, and waits until its answer is there. The times of
the schedule stay as they are. Exit code 1 unless it went well.

Example: tenantctl schedule run acme/site digest`;

export function registerSchedule(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const schedule = program.command('schedule').description('show or run what apps are asked for at set times');
  registerList(schedule, surroundings);
  registerRun(schedule, surroundings, setExitCode);
  registerHistory(schedule, surroundings);
}

function registerList(schedule: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  schedule
    .command('list')
    .description('show schedules: when each is next, and how its last run went')
    .argument('[tenant[/app]]', 'of one tenant, or one of its apps (default: all)')
    .addHelpText('after', '\nExample: tenantctl schedule list acme')
    .action(async (reference: string | undefined, _options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const target = reference === undefined ? {} : parseLogSource(reference);
      const result = (await callDaemon(surroundings, config, 'schedule-list', target)) as ScheduleListResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderSchedules(result.schedules, layoutOf(surroundings)));
    });
}

function registerRun(schedule: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const { terminal } = surroundings;
  schedule
    .command('run')
    .description('run a schedule now')
    .argument('<tenant/app>', 'the app')
    .argument('<name>', 'the name of the schedule')
    .option('--no-wait', 'do not wait until it has ended')
    .addHelpText('after', runHelp)
    .action(async (reference: string, name: string, _options: object, command: Command) => {
      const { config, json, wait } = command.optsWithGlobals<GlobalOptions & { wait: boolean }>();
      const target = { ...parseAppReference(reference), name: parseScheduleName(name, reference) };
      const ask = () => callDaemon(surroundings, config, 'schedule-run', { ...target, wait }, runTimeoutMs);
      const { run } = (await withProgress(terminal, () => `${name} runs`, ask)) as ScheduleRunResult;
      if (json) writeJson(terminal, { tenant: target.tenant, app: target.app, ...run });
      else terminal.writeOut(renderRun(target, run, layoutOf(surroundings)));
      if (wait ? run.outcome !== 'done' : run.outcome === 'skipped') setExitCode(1);
    });
}

function registerHistory(schedule: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  schedule
    .command('history')
    .description('show how runs went, the newest first; the last hundred of each schedule are kept')
    .argument('<tenant/app>', 'the app')
    .argument('[name]', 'one of its schedules (default: all)')
    .option('-n, --runs <number>', 'how many', parseCount, 20)
    .addHelpText('after', '\nExample: tenantctl schedule history acme/site digest')
    .action(async (reference: string, name: string | undefined, _options: object, command: Command) => {
      const { config, json, runs } = command.optsWithGlobals<GlobalOptions & { runs: number }>();
      const target = { ...parseAppReference(reference), ...(name !== undefined && { name: parseScheduleName(name, reference) }) };
      const result = (await callDaemon(surroundings, config, 'schedule-history', { ...target, runs })) as ScheduleHistoryResult;
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderHistory(target, result.runs, layoutOf(surroundings)));
    });
}

/** A name that no schedule can have is answered like one that the app has not. */
function parseScheduleName(text: string, reference: string): string {
  if (/^[a-z][a-z0-9-]{0,31}$/.test(text)) return text;
  const message = `${reference} has no schedule ${JSON.stringify(text)}`;
  throw new TenantdError('TENANTD_E_NO_SUCH_SCHEDULE', message, `tenantctl schedule list ${reference}`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= mostRuns) return count;
  throw new InvalidArgumentError(`give a number from 1 to ${mostRuns}`);
}
