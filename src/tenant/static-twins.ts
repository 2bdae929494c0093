import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Coding, codings } from '../http1/accept-encoding.ts';
import { type FileBelow, findFileBelow } from './static-path.ts';

/** A file that holds another one's content, compressed before. */
export interface Twin extends FileBelow {
  coding: Coding;
}

const suffixes: Record<Coding, string> = { zstd: '.zst', br: '.br', gzip: '.gz' };

/**
 * The files beside one that may be served in its place; the same rules hold for where they are. One that is older than the file is
 * left out: the file was changed, and what it was before is worse than more bytes.
 */
export async function findTwins(root: string, file: FileBelow): Promise<Twin[]> {
  const twins = await Promise.all(codings.map((coding) => findTwin(root, file, coding)));
  return twins.filter((twin) => twin !== undefined);
}

async function findTwin(root: string, file: FileBelow, coding: Coding): Promise<Twin | undefined> {
  const path = file.path + suffixes[coding];
  // Mostly there is none. In a folder that was looked at a moment ago this costs less than a hundredth of an answer's time.
  if (!existsSync(join(root, path))) return undefined;
  const found = await findFileBelow(root, path);
  return found && found.modifiedAtMs >= file.modifiedAtMs ? { ...found, coding } : undefined;
}
