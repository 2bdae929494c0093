import { z } from 'zod';
import { commandLine, environment, parseRoute, parseUrlPath } from './app-values.ts';
import { insidePath } from './path-values.ts';
import { parseCron, parseTimezone } from './schedule-values.ts';
import { durationBetween, textAs, wholeNumber } from './values.ts';

export const appKinds = ['node', 'static', 'command'] as const;

export const caps = { routes: 64, workers: 64, schedule: 16, noWake: 16 } as const;

const urlPath = textAs(parseUrlPath, 'A path that answers 2xx or 3xx', '/healthz');
const jobName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a name of a-z, 0-9 and "-" that begins with a letter');

export const health = z.strictObject({
  path: urlPath,
  intervalMs: wholeNumber(250, 3_600_000, 'Milliseconds between two questions').default(5_000),
  timeoutMs: wholeNumber(100, 60_000, 'Milliseconds that an answer may take; 5000 when absent').exactOptional(),
  failures: wholeNumber(1, 20, 'Without a good answer so often in a row, a worker is replaced; 3 when absent').exactOptional(),
});

export const mostScheduleMs = 86_400_000;

/** What app.yaml and a manifest say alike. */
export const scheduleKeys = {
  name: jobName,
  cron: textAs(parseCron, 'As in crontab: minute, hour, day of month, month, day of week', '0 7 * * *'),
  path: textAs(parseUrlPath, 'Asked for by GET at these times', '/jobs/digest'),
  overlap: z.enum(['skip', 'allow']).default('skip').meta({ description: 'When the last run still goes on' }),
  missed: z.enum(['skip', 'run']).default('skip').meta({ description: 'When tenantd was not there at the time; run: once, afterwards' }),
  timezone: textAs(parseTimezone, 'Of the times in `cron`', 'Europe/Berlin').prefault('UTC'),
};

/** A schedule's name is what its history is kept under. */
export function refuseSameNames(schedules: readonly { name: string }[], context: z.core.$RefinementCtx): void {
  const names = schedules.map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    context.addIssue({ code: 'custom', path: [index, 'name'], message: 'must have a name of its own', params: { fix: 'rename it' } });
  }
}

const scheduleTimeout = durationBetween('1s', '24h', 'How long a run may take').prefault('5m');
const schedule = z
  .array(z.strictObject({ ...scheduleKeys, timeout: scheduleTimeout }))
  .max(caps.schedule)
  .superRefine(refuseSameNames);

const agentPart = z.string().regex(/^[ -~]{1,64}$/, 'must be 1 to 64 plain characters of a `user-agent`');

export const noWake = z.strictObject({
  paths: z.array(urlPath).max(caps.noWake).default([]).meta({ description: 'Whole paths; answered 200 while it sleeps' }),
  agents: z.array(agentPart).max(caps.noWake).default([]).meta({ description: 'Parts of the user-agent; answered 503 while it sleeps' }),
});

export const workerCount = wholeNumber(1, caps.workers, 'Processes of this app');
export const workerRange = z
  .strictObject({ min: wholeNumber(0, caps.workers, 'At least; 0 lets it sleep').default(1), max: workerCount })
  .superRefine(({ min, max }, context) => {
    if (min > max) context.addIssue({ code: 'custom', message: 'must not have a `min` over its `max`', params: { fix: 'swap the two' } });
  });

/** app.yaml (INTERFACE 3). */
export const appSchema = z
  .strictObject({
    kind: z.enum(appKinds).exactOptional().meta({ description: 'Guessed when absent' }),
    entry: insidePath('node: the module to start', 'server.js').exactOptional(),
    command: commandLine.exactOptional().meta({ description: 'command: the program and its arguments' }),
    root: insidePath('static: the folder to serve', 'public').exactOptional(),
    routes: z
      .array(textAs(parseRoute, 'host/path', 'acme.example/api'))
      .min(1)
      .max(caps.routes)
      .exactOptional()
      .meta({ description: 'Default: every domain of the tenant at "/" when it has one app' }),
    workers: z.union([workerCount.transform((count) => ({ min: count, max: count })), workerRange]).prefault(1),
    health: health.exactOptional(),
    idle: z.union([z.literal('never'), durationBetween('1s', '24d', 'How long without a request before it sleeps')]).exactOptional(),
    noWake: noWake.exactOptional().meta({ description: 'Requests that neither wake it nor keep it awake' }),
    env: environment.default({}),
    build: commandLine.exactOptional().meta({ description: 'Run once for each release' }),
    drain: durationBetween('0s', '10m', 'How long open requests may go on when a worker is stopped').prefault('30s'),
    startTimeout: durationBetween('1s', '10m', 'How long a worker may take until it listens').prefault('30s'),
    compress: z.boolean().default(false).meta({ description: 'Compress text answers' }),
    sandbox: z.enum(['default', 'strict']).default('default').meta({ description: "strict: Node's permission model besides" }),
    schedule: schedule.default([]),
  })
  .meta({ title: 'app.yaml', description: 'One app of a tenant of tenantd' });

export type AppFile = z.infer<typeof appSchema>;
