import { mkdirSync, readFileSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, TenantdError } from '../base/errors.ts';

/** The files and folders by which the kernel shows control groups. */

export function makeGroup(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** The kernel answers EBUSY until the last process is reaped. */
export async function removeGroups(paths: string[], triesLeft = 200): Promise<void> {
  const busy = paths.filter((path) => !removeGroup(path));
  if (busy.length === 0) return;
  if (triesLeft === 0)
    throw new TenantdError('TENANTD_E_INTERNAL', `still in use: ${busy.join(', ')}`, 'see which processes its cgroup.procs lists');
  await delay(10);
  await removeGroups(busy, triesLeft - 1);
}

function removeGroup(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    if (errnoOf(error) === 'EBUSY') return false;
    throw error;
  }
}

export function groupsIn(path: string | undefined): string[] {
  try {
    return readdirSync(path ?? '', { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

export function isGroup(path: string | undefined): boolean {
  return readNumber(`${path}/cgroup.procs`, 0) >= 0;
}

export function idOf(path: string | undefined): string | undefined {
  return statSync(path ?? '', { bigint: true, throwIfNoEntry: false })?.ino.toString();
}

/** Files that some kernels do not have (swap accounting). */
export function writeOptional(file: string, value: string): void {
  try {
    writeFileSync(file, value);
  } catch {
    // Without the file, or while the other limit is still lower: the limit written after it counts.
  }
}

export function readNumber(file: string, otherwise?: number): number {
  try {
    const text = readFileSync(file, 'utf8');
    return otherwise ?? Number(text);
  } catch {
    return -1; // the group is gone, or was never there
  }
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return 'gone';
  }
}

/** NaN for what is no number: it equals no limit. */
export function toLimit(text: string): number {
  return text === 'max' ? Infinity : Number(text);
}

/** One line a hierarchy, `ID:CONTROLLER,CONTROLLER:PATH`; version 2 has no controllers (cgroups(7)). */
export function groupPathIn(lines: readonly string[], controller: string): string {
  const line = lines.find((candidate) => candidate.split(':', 2)[1]?.split(',').includes(controller));
  return line?.slice(line.indexOf(':', line.indexOf(':') + 1) + 1) ?? '';
}

export function readKeyed(file: string, key: string): number {
  try {
    return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // the group is gone
  }
}
