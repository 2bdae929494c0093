import { randomBytes } from 'node:crypto';
import { ensureDirectory } from './directories.ts';
import { type Programs, runProgram } from './programs.ts';

/** FIFOs of root's own in a directory of root's own. By mkfifo(1), for Node has no such call: many at once, since it takes longer than a FIFO. */
export async function makePipes({ mkfifo }: Pick<Programs, 'mkfifo'>, directory: string, count: number): Promise<string[]> {
  ensureDirectory(directory, { uid: 0, gid: 0, mode: 0o700 });
  const names = Array.from({ length: count }, () => `${directory}/${randomBytes(6).toString('hex')}`);
  await runProgram(mkfifo, ['-m', '0600', ...names]);
  return names;
}
