import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const serviceUsers = ['tenantd-edge', 'tenantd-certs'];

/** Once before the tests that run built code: they test what is in the tree now. Afterwards the machine has the users it had. */
export default function build(): () => void {
  execFileSync(process.execPath, [new URL('../../scripts/build.ts', import.meta.url).pathname], { stdio: 'inherit' });
  const added = serviceUsers.filter((user) => !hasUser(user));
  return () => {
    for (const user of added) if (hasUser(user)) execFileSync('userdel', [user]);
  };
}

function hasUser(name: string): boolean {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .some((line) => line.startsWith(`${name}:`));
}
