import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from '../support/client.ts';
import { repositoryPath, type TestDaemon } from '../support/test-daemon.ts';

export const oddFiles = repositoryPath('test/fixtures/apps/keeps-odd-files');

/** A file with a passphrase, below the daemon's folder. */
export function passphraseFile(daemon: TestDaemon, text = 'correct horse battery staple'): string {
  const file = `${daemon.directory}/passphrase-${text.length}`;
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}

export async function ask(daemon: TestDaemon, host: string, path = '/'): Promise<string> {
  const { status, text } = await request(daemon.port, { host, path });
  return status === 200 ? text : `${status} ${text}`;
}

/** All that a backup or restore could leave: names below the daemon's own folders, loop devices of its images, users. */
export function leftovers(daemon: TestDaemon, tenant: string): string[] {
  const { directory, tenantsDir, userPrefix } = daemon;
  const names = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
  const loops = names('/sys/block')
    .filter((name) => name.startsWith('loop') && existsSync(`/sys/block/${name}/loop/backing_file`))
    .map((name) => readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim());
  return [
    ...names(`${directory}/state/snapshots`),
    ...names(`${directory}/state/tenants`).filter((name) => name === tenant),
    ...names(tenantsDir).filter((name) => name === tenant || name.startsWith('.')),
    ...loops.filter((file) => file.startsWith(`${directory}/state/snapshots/`) || file.includes(`/tenants/${tenant}/`)),
    ...readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`${userPrefix}${tenant}:`)),
    ...readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${directory}/state/snapshot`)),
  ];
}
