import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, TenantdError } from '../base/errors.ts';
import { type Programs, runProgram } from './programs.ts';

/** useradd(8) of Debian: a user name has at most 32 characters. */
const maxUserNameLength = 32;
const namePattern = /^[a-z_][a-z0-9_-]{0,31}$/;

export interface UnixUser {
  name: string;
  uid: number;
  gid: number;
}

/** `tnt-acme`; a name that would be too long is cut and ends in a hash of the whole. */
export function userNameOf(prefix: string, tenant: string): string {
  const name = `${prefix}${tenant}`;
  if (name.length <= maxUserNameLength) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${name.slice(0, maxUserNameLength - 9)}-${hash}`;
}

/** Reads /etc/passwd, which is root's own. */
export function findUser(by: { name: string } | { uid: number }): UnixUser | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === undefined || uid === undefined || gid === undefined) continue;
    if ('name' in by ? name === by.name : Number(uid) === by.uid) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function findGroup(name: string): number | undefined {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(':')[2]);
}

/** A user of that name and uid, without password, shell or home, in a group of its own with the same number. */
export async function makeUser(programs: Programs, name: string, uid: number): Promise<UnixUser> {
  if (!namePattern.test(name) || !Number.isSafeInteger(uid) || uid < 1000) {
    throw new TenantdError(
      'TENANTD_E_USER',
      `${name} (${uid}) is no user name and uid for a tenant`,
      'see userPrefix and uids in tenantd.yaml',
    );
  }
  const present = findUser({ name });
  if (present) return assertFits(present, uid);
  // The daemon may have been killed between the two.
  const group = findGroup(name);
  if (group === undefined) await runUserTool(programs.groupadd, ['--gid', String(uid), name]);
  else assertFits({ name, uid: group, gid: group }, uid);
  await runUserTool(programs.useradd, userOptions(name, ['--uid', String(uid), '--gid', String(uid)]));
  return { name, uid, gid: uid };
}

/** Of a tenant that is gone: with its group, and whatever useradd(8) wrote for it besides. */
export async function removeUser(programs: Programs, name: string): Promise<void> {
  if (findUser({ name })) await runUserTool(programs.userdel, [name]);
  if (findGroup(name) !== undefined) await runUserTool(programs.groupdel, [name]);
}

/** A system user for one of tenantd's own processes, at a uid of the distribution's choice. */
export async function makeServiceUser(programs: Programs, name: string): Promise<UnixUser> {
  const present = findUser({ name });
  if (present) return present;
  await runUserTool(programs.useradd, userOptions(name, ['--system', '--user-group']));
  const made = findUser({ name });
  if (!made) throw new TenantdError('TENANTD_E_USER', `useradd made no user ${name}`, 'look at /etc/passwd');
  return made;
}

function userOptions(name: string, options: string[]): string[] {
  // --no-log-init: lastlog is indexed by uid and would grow to gigabytes in appearance.
  return ['--no-log-init', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', ...options, name];
}

function assertFits(present: UnixUser, uid: number): UnixUser {
  if (present.uid === uid) return present;
  const message = `the Unix user ${present.name} exists with uid ${present.uid}, not ${uid}`;
  throw new TenantdError(
    'TENANTD_E_USER',
    message,
    `choose another userPrefix in tenantd.yaml, or remove the user: userdel ${present.name}`,
  );
}

/** Both tools lock /etc/passwd and give up at once when somebody else holds the lock. */
async function runUserTool(program: string, args: string[], triesLeft = 20): Promise<void> {
  try {
    await runProgram(program, args);
  } catch (error) {
    if (!messageOf(error).includes('cannot lock') || triesLeft <= 0) {
      throw new TenantdError('TENANTD_E_USER', messageOf(error).trim(), 'see that /etc/passwd and /etc/group can be written', {
        cause: error,
      });
    }
    await delay(100);
    await runUserTool(program, args, triesLeft - 1);
  }
}
