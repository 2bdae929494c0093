import { readdirSync } from 'node:fs';
import { removeRootDirectory } from '../privileged/directories.ts';
import { edgeRole, type EdgeRole } from './edge-master.ts';
import type { Sandbox } from './sandbox-registry.ts';

export interface AdoptedMaster {
  sandbox: Sandbox;
  role: EdgeRole;
}

export interface AdoptedMasters {
  /** The newest first. */
  known: AdoptedMaster[];
  /** Whose record nobody can read. */
  unknown: Sandbox[];
  /**
   * The one to go on with. A daemon may have died while one took another's place: the newest that serves, or else one that was to. All
   * others are to retire: also one that starts may have accepted something by now.
   */
  serves: Sandbox | undefined;
}

/** What a daemon before this one left of the edges. */
export function sortAdopted(sandboxes: readonly Sandbox[]): AdoptedMasters {
  const read = sandboxes.map((sandbox) => ({ sandbox, role: edgeRole.safeParse(sandbox.role).data }));
  const known = read.flatMap(({ sandbox, role }) => (role ? [{ sandbox, role }] : []));
  known.sort((a, b) => b.sandbox.startedAtMs - a.sandbox.startedAtMs);
  const newest = (phase: EdgeRole['phase']): Sandbox | undefined => known.find(({ role }) => role.phase === phase)?.sandbox;
  return {
    known,
    unknown: read.flatMap(({ sandbox, role }) => (role ? [] : [sandbox])),
    serves: newest('serving') ?? newest('starting'),
  };
}

/** Of masters that ended while no daemon was there. */
export function removeOtherFolders(edgeDir: string, known: readonly AdoptedMaster[]): void {
  const names = new Set(known.map(({ role }) => role.name));
  for (const name of readdirSync(edgeDir)) if (!names.has(name)) removeRootDirectory(`${edgeDir}/${name}`);
}
