import { closeSync, openSync, writeFileSync } from 'node:fs';
import { messageOf, TenantdError } from '../base/errors.ts';
import { systemCallNumbers } from './launch-steps.ts';
import { startHolder } from './namespace-holder.ts';

/**
 * The users of one tenant, and nobody else's, as a user namespace (user_namespaces(7)): the n-th of them has the number n in there. Who works
 * in it can give files from one of them to another, and read what they closed; to all other files, and to the kernel, it is one of them.
 */
export interface Owners {
  /** For `LaunchOptions.inherit`. */
  fd: number;
  uids: readonly number[];
  close(): void;
}

/** A map has at most so many lines (user_namespaces(7)), written at once: a page of them. */
const mostLines = 250;

export async function openOwners({ perl }: { perl: string }, uids: readonly number[]): Promise<Owners> {
  const map = mapOf(uids);
  const holder = await startHolder(perl, `call('unshare', $values[0], 0x10000000);`)
    .make([systemCallNumbers().unshare])
    .catch((error: unknown) => {
      const message = `this machine makes no user namespace, which backups need: ${messageOf(error)}`;
      throw new TenantdError('TENANTD_E_BACKUP', message, 'see sysctl user.max_user_namespaces');
    });
  try {
    for (const file of ['uid_map', 'gid_map']) writeFileSync(`/proc/${holder.pid}/${file}`, map);
    const fd = openSync(`/proc/${holder.pid}/ns/user`, 'r');
    return { fd, uids, close: () => closeSync(fd) };
  } finally {
    holder.release();
  }
}

/** Lines of `inside outside count`; users that follow one another are one line. */
export function mapOf(uids: readonly number[]): string {
  const lines: { inside: number; outside: number; count: number }[] = [];
  for (const [inside, outside] of uids.entries()) {
    if (!Number.isSafeInteger(outside) || outside < 1_000) throw internal(`${outside} is no user of a tenant`);
    const last = lines.at(-1);
    if (last && last.outside + last.count === outside) last.count += 1;
    else lines.push({ inside, outside, count: 1 });
  }
  if (lines.length === 0 || lines.length > mostLines) throw internal(`${uids.length} users of a tenant`);
  return lines.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join('');
}

function internal(what: string): TenantdError {
  return new TenantdError('TENANTD_E_INTERNAL', `no namespace of users is made for ${what}`, 'report this as a fault of tenantd');
}
