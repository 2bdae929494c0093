import { TenantdError } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import type { Channel } from '../protocol/channel.ts';
import type { DomainChangeResult } from '../protocol/certificate-calls.ts';
import { withProgress } from './progress.ts';
import { formatCount } from './quantities.ts';
import type { Terminal } from './terminal.ts';

export interface DomainChange {
  method: 'domain-add' | 'domain-remove';
  tenant: string;
  names: readonly string[];
  dryRun: boolean;
}

/** What the daemon takes at once, and does as a whole or not at all. */
const batchSize = 1_000;
/** Answered when it has been carried out. */
const timeoutMs = 150_000;

/** More than one batch is tried without effect first: what can be refused is refused before anything is written. */
export async function changeDomains(channel: Channel, change: DomainChange, terminal: Terminal): Promise<DomainChangeResult> {
  const { names, dryRun } = change;
  const batches = Array.from({ length: Math.ceil(names.length / batchSize) }, (_, index) =>
    names.slice(index * batchSize, (index + 1) * batchSize),
  );
  if (batches.length > 1 && !dryRun) {
    const { problems } = await sendBatches(channel, batches, { ...change, dryRun: true }, terminal);
    if (problems[0]) throw refused(problems[0], problems.length);
  }
  return sendBatches(channel, batches, change, terminal);
}

async function sendBatches(
  channel: Channel,
  batches: readonly (readonly string[])[],
  change: DomainChange,
  terminal: Terminal,
): Promise<DomainChangeResult> {
  const results: DomainChangeResult[] = [];
  for (const [index, names] of batches.entries()) {
    const done = index * batchSize;
    try {
      results.push(
        await withProgress(
          terminal,
          () => progressOf(change, done),
          () => sendBatch(channel, names, change),
        ),
      );
    } catch (error) {
      throw done > 0 && !change.dryRun ? afterSome(error, change, done) : error;
    }
  }
  return {
    changed: results.flatMap(({ changed }) => changed),
    unchanged: results.flatMap(({ unchanged }) => unchanged),
    problems: distinct(results.flatMap(({ problems }) => problems)),
  };
}

async function sendBatch(
  channel: Channel,
  names: readonly string[],
  { method, tenant, dryRun }: DomainChange,
): Promise<DomainChangeResult> {
  const params = { tenant, names, ...(dryRun && { dryRun }) };
  return (await channel.request(method, params, timeoutMs)) as DomainChangeResult;
}

function progressOf({ method, names, tenant, dryRun }: DomainChange, done: number): string {
  const [verb, to] = method === 'domain-add' ? ['adding', 'to'] : ['removing', 'from'];
  const count = names.length > batchSize ? `, ${done} of ${names.length} done` : '';
  return `${dryRun ? 'checking' : verb} ${formatCount(names.length, 'domain')} ${dryRun ? 'of' : to} ${tenant}${count}`;
}

function refused({ code, message, fix }: Problem, count: number): TenantdError {
  const more = count > 1 ? `; and ${formatCount(count - 1, 'more problem')}, which --dry-run shows` : '';
  return new TenantdError(code, message + more, fix);
}

/** The batches before it stay: they are in use by now. */
function afterSome(error: unknown, { names }: DomainChange, done: number): unknown {
  if (!(error instanceof TenantdError)) return error;
  const message = `${error.message} (the first ${done} of ${names.length} names are done)`;
  return new TenantdError(error.code, message, error.fix, { cause: error });
}

/** Each batch's answer has the problems of the whole tenant. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}
