import { execFileSync } from 'node:child_process';

/** Once before the tests that run built code: they test what is in the tree now. */
export default function build(): void {
  execFileSync(process.execPath, [new URL('../../scripts/build.ts', import.meta.url).pathname], { stdio: 'inherit' });
}
