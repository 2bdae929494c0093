import { z } from 'zod';
import { appKinds, caps, health, noWake, mostScheduleMs, refuseSameNames, scheduleKeys, workerRange } from './app-schema.ts';
import { commandLine, environment, parseUrlPath } from './app-values.ts';
import { parseDomainName } from './domain-name.ts';
import { insidePath } from './path-values.ts';
import { textAs, wholeNumber } from './values.ts';

const durationMs = (most: number): z.ZodInt => wholeNumber(0, most, 'Milliseconds');

export const scheduleSpec = z.strictObject({ ...scheduleKeys, timeoutMs: wholeNumber(1_000, mostScheduleMs, 'Milliseconds') });

/** What is to be asked of an app, and when. */
export type ScheduleSpec = z.infer<typeof scheduleSpec>;

/** A manifest as a whole, as JSON: 64 of them fit into what a job may print. */
export const maxManifestCharacters = 12_000;

/**
 * A manifest with everything decided. The job that read it ran on a tenant's files, so the daemon takes nothing of it on trust:
 * the same rules as for the file are checked again, strictly.
 */
export const appManifestSchema = z
  .strictObject({
    kind: z.enum(appKinds),
    /** node: a file, relative to the app's folder. */
    entry: insidePath('', 'server.js').exactOptional(),
    /** command: a program and its arguments. */
    command: commandLine.exactOptional(),
    /** static: a folder, relative to the app's folder. */
    root: insidePath('', 'public').exactOptional(),
    routes: z
      .array(z.strictObject({ host: textAs(parseDomainName, '', 'acme.example'), path: textAs(parseUrlPath, '', '/api') }))
      .min(1)
      .max(caps.routes)
      .exactOptional(),
    workers: workerRange,
    health: health.exactOptional(),
    /** Absent: as the tenant says. */
    idleMs: z.union([z.literal('never'), durationMs(24 * 86_400_000)]).exactOptional(),
    noWake: noWake.exactOptional(),
    env: environment,
    build: commandLine.exactOptional(),
    drainMs: durationMs(600_000),
    startTimeoutMs: durationMs(600_000),
    compress: z.boolean(),
    sandbox: z.enum(['default', 'strict']),
    schedule: z.array(scheduleSpec).max(caps.schedule).superRefine(refuseSameNames),
  })
  .superRefine((manifest, context) => {
    const wanted = startKeyOf[manifest.kind];
    if (manifest[wanted] === undefined) context.addIssue({ code: 'custom', message: `a manifest of kind ${manifest.kind} has ${wanted}` });
    if (manifest.sandbox === 'strict' && manifest.kind !== 'node') context.addIssue({ code: 'custom', message: 'only Node can be strict' });
    if (manifest.kind === 'static' && manifest.schedule.length > 0)
      context.addIssue({ code: 'custom', message: 'a static app has no schedules' });
    if (JSON.stringify(manifest).length > maxManifestCharacters) context.addIssue({ code: 'custom', message: 'the manifest is too large' });
  });

export type AppManifest = z.infer<typeof appManifestSchema>;

/** The key that says what to start or serve. */
export const startKeyOf = { node: 'entry', command: 'command', static: 'root' } as const;
