import { type Command, InvalidArgumentError } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { LogLinesEvent, LogsResult } from '../protocol/control.ts';
import type { LogLine } from '../protocol/host.ts';
import { connectDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { formatCount } from './quantities.ts';
import { parseLogSource } from './references.ts';
import { type Terminal, writeJson } from './terminal.ts';

interface LogsOptions extends GlobalOptions {
  follow?: boolean;
  lines: number;
}

const maxLines = 10_000;

export function registerLogs(program: Command, surroundings: Surroundings): void {
  program
    .command('logs')
    .description('show what apps print')
    .argument('<tenant[/app]>', 'all apps of a tenant, or one')
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('-n, --lines <count>', 'how many of the last lines to begin with', parseLineCount, 100)
    .addHelpText('after', '\nWith --json and --follow: one JSON object a line,\n{"time","app","worker","line"} or {"dropped"}.')
    .action(async (source: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<LogsOptions>();
      await (options.follow ? followLogs : showLogs)(surroundings, source, options);
    });
}

function parseLineCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count <= maxLines) return count;
  throw new InvalidArgumentError(`It is not a whole number from 0 to ${maxLines}.`);
}

async function showLogs(surroundings: Surroundings, source: string, { config, json, lines }: LogsOptions): Promise<void> {
  const { terminal } = surroundings;
  const params = { ...parseLogSource(source), lines, follow: false };
  const channel = await connectDaemon(surroundings, config, {});
  try {
    const result = (await channel.request('logs', params)) as LogsResult;
    if (json) writeJson(terminal, result);
    else for (const line of result.lines) terminal.writeOut(renderLogLine(line, terminal));
  } finally {
    channel.close();
  }
}

/** Ends well by Ctrl-C only. */
async function followLogs(surroundings: Surroundings, source: string, { config, json, lines }: LogsOptions): Promise<void> {
  const params = { ...parseLogSource(source), lines, follow: true };
  const print = createFollowPrinter(surroundings.terminal, json);
  // New lines can come in one packet with the answer, but belong behind it.
  const { promise: answered, resolve: releaseEvents } = Promise.withResolvers<void>();
  const channel = await connectDaemon(surroundings, config, {
    'log-lines': (event) => answered.then(() => print(event as LogLinesEvent)),
  });
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<'interrupted'>();
  surroundings.terminal.onInterrupt(() => interrupt('interrupted'));
  try {
    const follow = async () => {
      const result = (await channel.request('logs', params)) as LogsResult;
      print({ lines: result.lines, dropped: 0 });
      releaseEvents();
      await channel.closed;
      throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon closed the connection', 'run the command again when the daemon is back');
    };
    await Promise.race([follow(), interrupted]);
  } finally {
    channel.close();
  }
}

function createFollowPrinter(terminal: Terminal, json: boolean | undefined): (event: LogLinesEvent) => void {
  if (json) {
    return ({ lines, dropped }) => {
      for (const line of lines) terminal.writeOut(`${JSON.stringify(line)}\n`);
      if (dropped > 0) terminal.writeOut(`${JSON.stringify({ dropped })}\n`);
    };
  }
  return ({ lines, dropped }) => {
    for (const line of lines) terminal.writeOut(renderLogLine(line, terminal));
    if (dropped > 0) terminal.writeErr(`tenantctl: ${formatCount(dropped, 'line')} left out: they came faster than they were read\n`);
  };
}

/** `time app/worker line`; a worker's id begins with its app's name, which is said once. */
export function renderLogLine({ time, app, worker, line }: LogLine, { paint }: Pick<Terminal, 'paint'>): string {
  const shortWorker = worker.startsWith(`${app}.`) ? worker.slice(app.length + 1) : worker;
  return `${paint('dim', printable(time))} ${paint('bold', printable(`${app}/${shortWorker}`))} ${printable(line)}\n`;
}
