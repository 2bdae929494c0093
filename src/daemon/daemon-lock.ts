import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { errnoOf, TenantdError } from '../base/errors.ts';
import { identifyProcess, isSameProcess } from '../privileged/processes.ts';

const lockContent = z.object({ pid: z.number().int(), startTicks: z.number() });

/** One daemon over one run directory. Answers with a function that gives the lock back. */
export function takeDaemonLock(file: string): () => void {
  const holder = readHolder(file);
  if (holder && holder.pid !== process.pid && isSameProcess(holder)) {
    throw new TenantdError(
      'TENANTD_E_ALREADY_RUNNING',
      `tenantd runs already over this configuration, as pid ${holder.pid}`,
      `stop it first: kill ${holder.pid}`,
    );
  }
  const own = identifyProcess(process.pid);
  writeFileSync(`${file}.new`, JSON.stringify(own), { mode: 0o644 });
  renameSync(`${file}.new`, file);
  return () => rmSync(file, { force: true });
}

function readHolder(file: string): z.infer<typeof lockContent> | undefined {
  try {
    return lockContent.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch (error) {
    // No file, or one torn by a crash: then its writer is dead.
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
