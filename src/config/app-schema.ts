import { z } from 'zod';
import { commandLine, environment, parseCron, parseRoute, parseUrlPath } from './app-values.ts';
import { insidePath } from './path-values.ts';
import { durationBetween, textAs, wholeNumber } from './values.ts';

export const appKinds = ['node', 'static', 'command'] as const;

export const caps = { routes: 64, workers: 64, schedule: 16 } as const;

const urlPath = textAs(parseUrlPath, 'A path that answers 2xx or 3xx', '/healthz');
const jobName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a name of a-z, 0-9 and "-" that begins with a letter');

export const health = z.strictObject({
  path: urlPath,
  intervalMs: wholeNumber(250, 3_600_000, 'Milliseconds between two questions').default(5_000),
});

export const schedule = z
  .array(z.strictObject({ name: jobName, cron: textAs(parseCron, 'As in crontab', '0 7 * * *'), path: urlPath }))
  .max(caps.schedule);

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
