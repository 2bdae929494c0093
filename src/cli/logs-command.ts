import { type Command, InvalidArgumentError } from 'commander';
import { TenantdError } from '../base/errors.ts';
import type { AccessRecord } from '../protocol/access.ts';
import type { LogLine } from '../protocol/host.ts';
import { renderAccessRecord } from './access-text.ts';
import { connectDaemon } from './control-client.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { formatCount } from './quantities.ts';
import { parseLogSource } from './references.ts';
import { type Terminal, writeJson } from './terminal.ts';

interface LogsOptions extends GlobalOptions {
  access?: boolean;
  follow?: boolean;
  lines: number;
}

/** What is the same for each kind of log. */
interface LogEvent<Line> {
  lines: Line[];
  dropped: number;
}

interface LogKind<Line> {
  method: 'logs' | 'access-logs';
  /** What tells of new lines. */
  event: 'log-lines' | 'access-lines';
  render: (line: Line, terminal: Pick<Terminal, 'paint'>) => string;
}

const appLogs: LogKind<LogLine> = { method: 'logs', event: 'log-lines', render: renderLogLine };
const accessLogs: LogKind<AccessRecord> = { method: 'access-logs', event: 'access-lines', render: renderAccessRecord };

const maxLines = 10_000;

export function registerLogs(program: Command, surroundings: Surroundings): void {
  program
    .command('logs')
    .description('show what apps print, or the requests they got')
    .argument('<tenant[/app]>', 'all apps of a tenant, or one')
    .option('--access', 'show the requests that came in for them')
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('-n, --lines <count>', 'how many of the last lines to begin with', parseLineCount, 100)
    .addHelpText('after', jsonHelp)
    .action(async (source: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<LogsOptions>();
      await (options.access ? print(accessLogs, surroundings, source, options) : print(appLogs, surroundings, source, options));
    });
}

const jsonHelp = `
With --json and --follow: one JSON object a line, {"time","app","worker",
"line"} or {"dropped"}; with --access {"time","client","method","host","path",
"status","bytesIn","bytesOut","ms","appMs","requestId","app","release",
"protocol","tls","outcome"}, or {"time","dropped"} where requests were not
logged. Queries of addresses are never logged.

Example: tenantctl logs -f acme/site`;

function print<Line>(kind: LogKind<Line>, surroundings: Surroundings, source: string, options: LogsOptions): Promise<void> {
  return (options.follow ? followLogs : showLogs)(kind, surroundings, source, options);
}

function parseLineCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count <= maxLines) return count;
  throw new InvalidArgumentError(`It is not a whole number from 0 to ${maxLines}.`);
}

async function showLogs<Line>(
  { method, render }: LogKind<Line>,
  surroundings: Surroundings,
  source: string,
  { config, json, lines }: LogsOptions,
): Promise<void> {
  const { terminal } = surroundings;
  const params = { ...parseLogSource(source), lines, follow: false };
  const channel = await connectDaemon(surroundings, config, {});
  try {
    const result = (await channel.request(method, params)) as { lines: Line[] };
    if (json) writeJson(terminal, result);
    else for (const line of result.lines) terminal.writeOut(render(line, terminal));
  } finally {
    channel.close();
  }
}

/** Ends well by Ctrl-C only. */
async function followLogs<Line>(
  kind: LogKind<Line>,
  surroundings: Surroundings,
  source: string,
  { config, json, lines }: LogsOptions,
): Promise<void> {
  const params = { ...parseLogSource(source), lines, follow: true };
  const show = createFollowPrinter(kind, surroundings.terminal, json);
  // New lines can come in one packet with the answer, but belong behind it.
  const { promise: answered, resolve: releaseEvents } = Promise.withResolvers<void>();
  const channel = await connectDaemon(surroundings, config, {
    [kind.event]: (event: unknown) => answered.then(() => show(event as LogEvent<Line>)),
  });
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<'interrupted'>();
  surroundings.terminal.onInterrupt(() => interrupt('interrupted'));
  try {
    const follow = async () => {
      const result = (await channel.request(kind.method, params)) as { lines: Line[] };
      show({ lines: result.lines, dropped: 0 });
      releaseEvents();
      await channel.closed;
      throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon closed the connection', 'run the command again when the daemon is back');
    };
    await Promise.race([follow(), interrupted]);
  } finally {
    channel.close();
  }
}

function createFollowPrinter<Line>(
  { render }: LogKind<Line>,
  terminal: Terminal,
  json: boolean | undefined,
): (event: LogEvent<Line>) => void {
  if (json) {
    return ({ lines, dropped }) => {
      for (const line of lines) terminal.writeOut(`${JSON.stringify(line)}\n`);
      if (dropped > 0) terminal.writeOut(`${JSON.stringify({ dropped })}\n`);
    };
  }
  return ({ lines, dropped }) => {
    for (const line of lines) terminal.writeOut(render(line, terminal));
    if (dropped > 0) terminal.writeErr(`tenantctl: ${formatCount(dropped, 'line')} left out: they came faster than they were read\n`);
  };
}

/** `time app/worker line`; a worker's id begins with its app's name, which is said once. */
export function renderLogLine({ time, app, worker, line }: LogLine, { paint }: Pick<Terminal, 'paint'>): string {
  const shortWorker = worker.startsWith(`${app}.`) ? worker.slice(app.length + 1) : worker;
  return `${paint('dim', printable(time))} ${paint('bold', printable(`${app}/${shortWorker}`))} ${printable(line)}\n`;
}
