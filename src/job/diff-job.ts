import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import type { FileChanges } from '../protocol/proposal-calls.ts';
import { ReleaseFault } from './release-rules.ts';

const maxNames = 500;
const maxNameCharacters = 300;
/** As many as a release may have, twice. */
const maxEntries = 600_000;
const pieceBytes = 256 << 10;

/** What is in `after` and not in `before`, what is another, and what is gone; folders count only as what is in them. */
export function diffFolders(before: string, after: string, ignored: readonly string[]): FileChanges {
  const changes: FileChanges = { added: [], changed: [], removed: [], counts: { added: 0, changed: 0, removed: 0 } };
  const seen = { entries: 0 };
  const note = (kind: 'added' | 'changed' | 'removed', name: string): void => {
    changes.counts[kind] += 1;
    if (changes[kind].length < maxNames) changes[kind].push(name.slice(0, maxNameCharacters));
  };
  for (const name of filesIn(before, ignored, seen)) {
    const then = statOf(`${after}/${name}`);
    if (!then || then.isDirectory()) note('removed', name);
    else if (!isSame(`${before}/${name}`, `${after}/${name}`, then)) note('changed', name);
  }
  for (const name of filesIn(after, [], seen)) {
    const now = ignored.includes(name.split('/', 1)[0] ?? '') ? undefined : statOf(`${before}/${name}`);
    if (!now || now.isDirectory()) note('added', name);
  }
  return changes;
}

/** In order, by one folder after the other. */
function* filesIn(root: string, ignored: readonly string[], seen: { entries: number }): Generator<string> {
  const waiting = [''];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const entries = readdirSync(`${root}/${folder}`, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if ((seen.entries += 1) > maxEntries) throw new ReleaseFault('there are too many files to compare', 'deploy fewer');
      if (folder === '' && ignored.includes(name)) continue;
      if (entry.isDirectory()) waiting.push(name);
      else yield name;
    }
  }
}

/** Undefined also where a file stands in a folder's place. */
function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function isSame(before: string, after: string, then: Stats): boolean {
  const now = lstatSync(before);
  if (now.isSymbolicLink() || then.isSymbolicLink())
    return now.isSymbolicLink() && then.isSymbolicLink() && readlinkSync(before) === readlinkSync(after);
  // What may be run is another file than what may not.
  if (!now.isFile() || !then.isFile() || now.size !== then.size || (now.mode & 0o111) !== (then.mode & 0o111)) return false;
  return hasSameBytes(before, after);
}

function hasSameBytes(before: string, after: string): boolean {
  const files = [openSync(before, 'r'), openSync(after, 'r')] as const;
  const [left, right] = [Buffer.alloc(pieceBytes), Buffer.alloc(pieceBytes)];
  try {
    for (;;) {
      const [a, b] = [readSync(files[0], left), readSync(files[1], right)];
      if (a !== b || !left.subarray(0, a).equals(right.subarray(0, b))) return false;
      if (a === 0) return true;
    }
  } finally {
    for (const file of files) closeSync(file);
  }
}
