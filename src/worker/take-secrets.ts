import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import { decodeHandOver } from '../protocol/hand-over.ts';

export interface SecretsSite {
  /** The pipe that they come on; closed afterwards, for the app must not find it. */
  fd: number;
  /** In memory; each becomes a file in it. */
  directory: string;
  /** For a Node app, whose environment is set inside of it: the kernel shows only the one it was started with. */
  setVariable?: (name: string, value: string) => void;
}

/** Before anything of the app is loaded. Throws when they did not come whole: an app with half of them must not start. */
export function takeSecrets({ fd, directory, setVariable }: SecretsSite): void {
  const bytes = readFileSync(fd);
  closeSync(fd);
  const secrets = decodeHandOver(bytes);
  if (!secrets) throw new Error('tenantd: the secrets of this worker did not arrive whole');
  for (const { name, value } of secrets) {
    writeFileSync(`${directory}/${name}`, value, { flag: 'wx', mode: 0o400 });
    setVariable?.(name, value.toString());
  }
  bytes.fill(0);
}
