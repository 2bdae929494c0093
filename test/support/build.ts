import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const serviceUser = 'tenantd-edge';

/** Once before the tests that run built code: they test what is in the tree now. Afterwards the machine has the users it had. */
export default function build(): () => void {
  execFileSync(process.execPath, [new URL('../../scripts/build.ts', import.meta.url).pathname], { stdio: 'inherit' });
  const hadServiceUser = hasUser(serviceUser);
  return () => {
    if (!hadServiceUser && hasUser(serviceUser)) execFileSync('userdel', [serviceUser]);
  };
}

function hasUser(name: string): boolean {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .some((line) => line.startsWith(`${name}:`));
}
