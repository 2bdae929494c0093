import { closeSync, existsSync, fsyncSync, ftruncateSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';

/** Who has a uid; `app` is '' for the tenant's host. */
export interface GivenUid {
  tenant: string;
  app: string;
  uid: number;
}

/**
 * Every uid that was ever given, in a file beside the database: so that none is given to another, and everybody gets their own
 * again, also when an older database is put in place (Invariant 10). A line is there before its uid is.
 */
export interface UidJournal {
  uidOf(tenant: string, app: string): number | undefined;
  /** Whose it is: the last that it was given to. A tenant that was removed has its under a name that no tenant can have. */
  ownerOf(uid: number): Pick<GivenUid, 'tenant' | 'app'> | undefined;
  /** 0 when none was given. */
  highest(): number;
  /** On the disk when this answers, or it throws and nothing of it is. */
  add(given: readonly GivenUid[]): void;
}

const lineSchema = z.tuple([z.number().int(), z.string(), z.string()]);

export function hasUids(file: string): boolean {
  return existsSync(file) && readGiven(file).length > 0;
}

export function openUidJournal(file: string): UidJournal {
  const owners = new Map<number, GivenUid>();
  const known = new Map<string, number>();
  readGiven(file).forEach(note);

  function note(given: GivenUid): void {
    const before = owners.get(given.uid);
    const key = before && keyOf(before.tenant, before.app);
    if (key !== undefined && known.get(key) === given.uid) known.delete(key);
    owners.set(given.uid, given);
    known.set(keyOf(given.tenant, given.app), given.uid);
  }

  return {
    uidOf: (tenant, app) => known.get(keyOf(tenant, app)),
    ownerOf: (uid) => owners.get(uid),
    highest: () => Math.max(0, ...owners.keys()),
    add(given) {
      const fresh = given.filter(({ tenant, app, uid }) => known.get(keyOf(tenant, app)) !== uid);
      if (fresh.length === 0) return;
      // A line of its own, whatever a power cut left at the end.
      append(file, fresh.map(({ uid, tenant, app }) => `\n${JSON.stringify([uid, tenant, app])}`).join(''));
      fresh.forEach(note);
    },
  };
}

function append(file: string, text: string): void {
  const fd = openSync(file, 'a', 0o600);
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.from(text);
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
      fsyncSync(fd);
    } catch (error) {
      ftruncateSync(fd, size);
      throw error;
    }
  } finally {
    closeSync(fd);
  }
}

/** Half a line is no JSON, and was not told to anybody. */
function readGiven(file: string): GivenUid[] {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text.split('\n').flatMap((line) => {
    const parsed = lineSchema.safeParse(parseJson(line)).data;
    return parsed ? [{ uid: parsed[0], tenant: parsed[1], app: parsed[2] }] : [];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function keyOf(tenant: string, app: string): string {
  return `${tenant}/${app}`;
}
