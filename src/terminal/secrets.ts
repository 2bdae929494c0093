import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import { decodeHandOver } from '../protocol/hand-over.ts';

/**
 * Puts the app's secrets where its workers have them as files, in memory. Not into the environment: what is started with one there
 * shows it in /proc.
 */
export function takeSecrets(fd: number, directory: string): void {
  const secrets = decodeHandOver(readFileSync(fd));
  closeSync(fd);
  if (!secrets) throw new Error('the secrets did not arrive whole');
  for (const { name, value } of secrets) writeFileSync(`${directory}/${name}`, value, { flag: 'wx', mode: 0o400 });
}
