import { z } from 'zod';
import { type ErrorCode, errorCodes } from '../base/error-codes.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { type AppManifest, appManifestSchema } from './app-manifest.ts';
import { maxToldProblems } from './cap-problems.ts';
import { placed } from './placed.ts';
import { shorten } from './quote.ts';

export interface AppAnswer {
  manifest?: AppManifest;
  problems: Problem[];
}

/** Those of one file, and what was found beside it. */
export const maxAppProblems = maxToldProblems + 5;

const problem = z.strictObject({
  code: z.enum(Object.keys(errorCodes) as ErrorCode[]),
  message: z.string().max(2_000),
  fix: z.string().max(2_000),
  line: z.int().positive().exactOptional(),
  column: z.int().positive().exactOptional(),
  file: z.string().exactOptional(),
  app: z.string().exactOptional(),
});

const appAnswer = z.strictObject({
  manifest: appManifestSchema.exactOptional(),
  problems: z.array(problem).max(maxAppProblems),
});

const answerSchema = z.strictObject({ apps: z.record(z.string(), z.unknown()) });

/**
 * What a manifest job answered (ManifestJobResult), checked: it ran on a tenant's files. An answer for an app is taken or
 * refused as a whole. Tenant, app and file are what the daemon knows (`fileOf`), never what was answered, and texts are
 * freed of control characters.
 */
export function parseManifestAnswer(
  answer: unknown,
  tenant: TenantName,
  apps: readonly AppName[],
  fileOf: (app: AppName) => string,
): Map<AppName, AppAnswer> {
  const parsed = answerSchema.safeParse(answer);
  const answers = parsed.success ? parsed.data.apps : {};
  return new Map(
    apps.map((app) => [app, parseOne(Object.hasOwn(answers, app) ? answers[app] : undefined, { tenant, app, file: fileOf(app) })]),
  );
}

function parseOne(answer: unknown, place: { tenant: TenantName; app: AppName; file: string }): AppAnswer {
  const parsed = appAnswer.safeParse(answer);
  if (!parsed.success) {
    const message = 'the job that reads the manifest gave no valid answer';
    return {
      problems: [{ code: 'TENANTD_E_JOB_FAILED', message, fix: 'run `tenantctl reload`, and look into the log of the daemon', ...place }],
    };
  }
  const { manifest, problems } = parsed.data;
  const told = problems.map((given) => placed(printable(given), place));
  return { ...(manifest && { manifest }), problems: told };
}

function printable(problem: Problem): Problem {
  return { ...problem, message: shorten(problem.message, 500), fix: shorten(problem.fix, 500) };
}
