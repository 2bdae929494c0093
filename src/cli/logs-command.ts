import { type Command, InvalidArgumentError } from 'commander';
import { TenantdError } from '../base/errors.ts';
import { connectDaemon } from './control-client.ts';
import { followLogs } from './log-follower.ts';
import { accessLogs, appLogs, type LogEvent, type LogKind, type LogQuestion } from './log-kinds.ts';
import { parseMoment } from './parse-moment.ts';
import type { GlobalOptions, Surroundings } from './program.ts';
import { parseLogSource } from './references.ts';
import type { Terminal } from './terminal.ts';

interface LogsOptions extends GlobalOptions {
  access?: boolean;
  follow?: boolean;
  lines?: number;
  since?: string;
  until?: string;
}

const maxLines = 10_000;
const defaultLines = 100;
/** Requests of two edges that write one file are out of order by about a second. */
const overlapMs = 2_000;

export function registerLogs(program: Command, surroundings: Surroundings): void {
  const parseTime = (text: string): string => parseMoment(text, surroundings.now());
  program
    .command('logs')
    .description('show what apps print, or the requests they got')
    .argument('<tenant[/app]>', 'all apps of a tenant, or one')
    .option('--access', 'show the requests that came in for them')
    .option('-f, --follow', 'go on with new lines until Ctrl-C, also over restarts of the daemon')
    .option('-n, --lines <count>', 'the last lines to begin with (default: 100, or all with --since)', parseLineCount)
    .option('--since <time>', '10m, 2h, 3d ago; today, yesterday; 2026-11-21T10:00', parseTime)
    .option('--until <time>', 'as --since', parseTime)
    .addHelpText('after', jsonHelp)
    .action(async (source: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<LogsOptions>();
      await (options.access ? print(accessLogs, surroundings, source, options) : print(appLogs, surroundings, source, options));
    });
}

const jsonHelp = `
With --json: {"lines","dropped"}; with --follow as well: one JSON object a line,
{"time","position","app","worker","line"} or {"dropped"}. With --access lines
are {"time","client","method","host","path","status","bytesIn","bytesOut","ms",
"appMs","requestId","app","release","protocol","tls","outcome"}, or
{"time","dropped"} where requests were not logged. Queries of addresses are
never logged. A line's position counts up by one in its app's log: what is
missing was left out.

Example: tenantctl logs -f --since 10m acme/site`;

async function print<Line>(kind: LogKind<Line>, surroundings: Surroundings, source: string, options: LogsOptions): Promise<void> {
  const { config, json, follow, since, until, lines = since === undefined ? defaultLines : undefined } = options;
  if (follow && until !== undefined)
    throw new TenantdError('TENANTD_E_USAGE', '--follow has no end: not with --until', 'leave one of both out');
  const question = {
    ...parseLogSource(source),
    ...(lines !== undefined && { lines }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
  if (follow) return followLogs(surroundings, { kind, question, config, json });
  const show = (json ? jsonPrinter : textPrinter)(kind, surroundings.terminal);
  for await (const event of readLogs(kind, surroundings, question, config)) show.event(event);
  show.end();
}

function parseLineCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count <= maxLines) return count;
  throw new InvalidArgumentError(`It is not a whole number from 0 to ${maxLines}.`);
}

/** Page after page, up to what is there now. */
async function* readLogs<Line>(
  kind: LogKind<Line>,
  surroundings: Surroundings,
  question: LogQuestion,
  config: string,
): AsyncGenerator<LogEvent<Line>> {
  const until = question.until ?? new Date(surroundings.now()).toISOString();
  const { lines: _, ...rest } = question;
  const place = kind.place(question);
  let left = question.lines ?? Infinity;
  const channel = await connectDaemon(surroundings, config, {});
  try {
    for (let asked: object = question, isNew = true; ; asked = { ...rest, until, ...place.onward(isNew ? overlapMs : 0) }) {
      const answer = (await channel.request(kind.method, { ...asked, follow: false })) as LogEvent<Line>;
      const lines = place.note(answer).slice(0, left);
      left -= lines.length;
      yield { ...answer, lines };
      if (left <= 0 || !kind.hasMore(answer, question) || (lines.length === 0 && !isNew)) return;
      isNew = lines.length > 0;
    }
  } finally {
    channel.close();
  }
}

interface LogPrinter<Line> {
  event(event: LogEvent<Line>): void;
  end(): void;
}

function textPrinter<Line>({ render }: LogKind<Line>, terminal: Terminal): LogPrinter<Line> {
  return {
    event({ lines }) {
      for (const line of lines) terminal.writeOut(render(line, terminal));
    },
    end() {},
  };
}

/** One document, written as it comes: it may be larger than memory. */
function jsonPrinter<Line>(_: LogKind<Line>, terminal: Terminal): LogPrinter<Line> {
  let before = '{\n  "lines": [';
  let droppedLines = 0;
  return {
    event({ lines, dropped = 0 }) {
      droppedLines += dropped;
      for (const line of lines) {
        terminal.writeOut(`${before}\n    ${JSON.stringify(line)}`);
        before = ',';
      }
    },
    end() {
      terminal.writeOut(before === ',' ? '\n  ],' : `${before}],`);
      terminal.writeOut(`\n  "dropped": ${droppedLines}\n}\n`);
    },
  };
}
