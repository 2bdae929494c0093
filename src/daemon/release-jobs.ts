import { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import type { AppName, TenantName } from '../base/ids.ts';
import { commandLine, environment } from '../config/app-values.ts';
import type { AppManifest } from '../config/app-manifest.ts';
import { type AppAnswer, parseManifestAnswer } from '../config/manifest-answer.ts';
import { shorten } from '../config/quote.ts';
import type { Bind } from '../privileged/sandbox-arguments.ts';
import type { JobRequest } from '../protocol/job.ts';
import { baseEnvironment, type Machine, programBinds, programCommand } from './machine.ts';
import { jobRole, readCapped } from './manifests.ts';
import type { Sandbox } from './sandbox-registry.ts';

/** Jobs on releases run as the app's user, outside of its tenant's limits: what serves must not have less for them. */
export interface ReleaseJobs {
  start(order: ReleaseJobOrder, withDuplex?: boolean): Promise<Sandbox>;
  /** What a job answered; it ran on what a tenant, or anybody, made. Throws TENANTD_E_RELEASE for what can be no release. */
  read(sandbox: Sandbox, order: Pick<ReleaseJobOrder, 'tenant' | 'app'>): Promise<ReleaseAnswer>;
  run(order: ReleaseJobOrder): Promise<ReleaseAnswer>;
  /** Another sandbox of a release, which is to end with these. */
  begin(starting: () => Promise<Sandbox>): Promise<Sandbox>;
  /** Ends all that were started; no more are. */
  close(): Promise<void>;
}

export interface ReleaseJobOrder {
  tenant: TenantName;
  app: AppName;
  uid: number;
  request: JobRequest;
  binds: readonly Bind[];
  mounts?: { path: string };
}

export type ReleaseAnswer = z.infer<typeof answerSchema> & AppAnswer;

const group = 'releases';
const limits = { memoryBytes: 512 << 20, cpu: 1, processes: 64 };
const heapMegabytes = 256;
const timeLimitMs = 15 * 60_000;
const outputLimitBytes = 2 << 20;

const names = z.array(z.string().max(1_000)).max(1_000);
const count = z.int().min(0);

const answerSchema = z.object({
  fault: z.strictObject({ message: z.string(), fix: z.string() }).exactOptional(),
  size: z.strictObject({ bytes: z.int().min(0), files: z.int().min(0) }).exactOptional(),
  changes: z
    .strictObject({
      ...{ added: names, changed: names, removed: names },
      counts: z.strictObject({ added: count, changed: count, removed: count }),
    })
    .exactOptional(),
  apps: z.unknown().optional(),
  build: z.strictObject({ command: commandLine, env: environment }).exactOptional(),
});

export function createReleaseJobs(machine: Machine): ReleaseJobs {
  const running = new Set<Sandbox>();
  const beginning = new Set<Promise<Sandbox>>();
  let isClosed = false;

  async function begin(starting: () => Promise<Sandbox>): Promise<Sandbox> {
    if (isClosed) throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon stops', 'try again when it is back');
    const begun = starting();
    beginning.add(begun);
    try {
      const sandbox = await begun;
      running.add(sandbox);
      void sandbox.exited.finally(() => running.delete(sandbox));
      return sandbox;
    } finally {
      beginning.delete(begun);
    }
  }

  async function start({ tenant, app, uid, request, binds, mounts }: ReleaseJobOrder, withDuplex = false): Promise<Sandbox> {
    const number = process.hrtime.bigint().toString(36);
    const starting = (): Promise<Sandbox> => {
      machine.groups?.setShare(group, 1);
      return machine.registry.start(
        {
          ...{ id: `r.${tenant}.${number}`, uid, gid: uid, hostname: app, env: { ...baseEnvironment, HOME: '/tmp' } },
          binds: [...programBinds(machine), ...binds],
          ...{ tmpBytes: 4 << 20, tmpInodes: 1_000, workingDirectory: '/' },
          command: programCommand('job', request, [`--max-old-space-size=${heapMegabytes}`]),
        },
        {
          ...{ network: 'empty', outOfMemoryScore: 900, output: 'pipe', inherit: [], withDuplex },
          ...(mounts && { mounts }),
          group: { tenant: group, member: `r.${number}`, limits },
        },
        jobRole,
      );
    };
    const sandbox = await begin(starting);
    const timer = setTimeout(() => void sandbox.stop(0), timeLimitMs);
    void sandbox.exited.finally(() => clearTimeout(timer));
    return sandbox;
  }

  async function read(sandbox: Sandbox, { tenant, app }: Pick<ReleaseJobOrder, 'tenant' | 'app'>): Promise<ReleaseAnswer> {
    const output = await readCapped(sandbox.stdout, outputLimitBytes);
    const { exitCode } = await sandbox.exited;
    if (exitCode !== 0) throw jobFailed(`it ended with code ${exitCode}: ${shorten(output.slice(-500), 500)}`);
    return parseAnswer(output, tenant, app);
  }

  return {
    start,
    read,
    run: async (order) => read(await start(order), order),
    begin,
    async close() {
      isClosed = true;
      await Promise.allSettled(beginning);
      await Promise.all([...running].map((sandbox) => sandbox.stop(0)));
      await machine.groups?.removeTenant(group);
    },
  };
}

function parseAnswer(output: string, tenant: TenantName, app: AppName): ReleaseAnswer {
  const json = parseJson(output);
  const { success, data } = answerSchema.safeParse(json);
  if (!success) throw jobFailed('it gave no valid answer');
  if (data.fault) throw new TenantdError('TENANTD_E_RELEASE', shorten(data.fault.message, 500), shorten(data.fault.fix, 500));
  const [answer] = parseManifestAnswer({ apps: data.apps ?? {} }, tenant, [app], () => 'app.yaml').values();
  return { ...data, problems: [], ...answer };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function jobFailed(why: string): TenantdError {
  return new TenantdError(
    'TENANTD_E_JOB_FAILED',
    `a job on the release failed: ${why}`,
    'try it again, and look into the log of the daemon',
  );
}

/** Throws what is wrong with it in the words of its first problem. */
export function manifestOf({ manifest, problems }: AppAnswer): AppManifest {
  if (manifest) return manifest;
  const [first, ...others] = problems;
  if (!first) throw jobFailed('it told nothing of the manifest');
  const place = [first.file, first.line, first.column].filter((part) => part !== undefined).join(':');
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw new TenantdError(first.code, `${place}: ${first.message}${more}`, first.fix);
}
