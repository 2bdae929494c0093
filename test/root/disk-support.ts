import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Problem } from '../../src/base/problem.ts';
import type { TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';

/** What a program does of the machine that a daemon runs on, when it is asked to work on a tenant's disk. */
export type Behaviour = 'as-ever' | 'fail' | 'wait-before' | 'wait-after';

/**
 * Programs that can be made to fail, or to wait until they are let go: in the mounts of one daemon alone. With the daemon killed
 * meanwhile, what it was about to do is half done.
 */
export function standInPrograms(programs: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'tenantd-test-programs-'));
  execFileSync('mkfifo', [`${folder}/gate`]);
  const set = (program: string, behaviour: Behaviour): void => writeFileSync(`${folder}/${basename(program)}.does`, `${behaviour}\n`);
  const mounts = programs.map((program) => {
    const name = basename(program);
    copyFileSync(program, `${folder}/${name}.real`);
    set(program, 'as-ever');
    writeFileSync(`${folder}/${name}`, script(folder, name), { mode: 0o755 });
    return `mount --bind ${folder}/${name} ${program}`;
  });
  return {
    wrapper: ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${mounts.join('; ')}; exec "$@"`, 'sh'],
    set,
    /** Until it waits; then `kill` is called, and it is let go. */
    async interrupt(daemon: TestDaemon): Promise<void> {
      await until(() => execFileSync('find', [folder, '-name', '*.waits'], { encoding: 'utf8' }) !== '', 'a program waits', 30_000);
      await daemon.kill();
      for (const program of programs) set(program, 'as-ever');
      execFileSync('sh', ['-c', `echo > ${folder}/gate; rm -f ${folder}/*.waits`]);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

/** Only what is done for a tenant: the daemon tries its programs when it starts. */
function script(folder: string, name: string): string {
  return `#!/bin/sh
real=${folder}/${name}.real
read -r does < ${folder}/${name}.does
case "$*" in */tenants/*) ;; *) [ "$does" = fail ] || exec $real "$@" ;; esac
wait_here() { : > ${folder}/${name}.waits; read -r _ < ${folder}/gate; }
case $does in
  fail) echo 'not on this machine' >&2; exit 1 ;;
  wait-before) wait_here; exec $real "$@" ;;
  wait-after) $real "$@"; code=$?; wait_here; exit $code ;;
esac
exec $real "$@"
`;
}

/** Loop devices of the daemon's images, and mounts of them in the machine's own list. */
export function tracesOf(daemon: TestDaemon): string[] {
  const loops = execFileSync('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE'], { encoding: 'utf8' });
  const mounts = execFileSync('cat', ['/proc/mounts'], { encoding: 'utf8' });
  return [...loops.split('\n'), ...mounts.split('\n')].filter((line) => line.includes(daemon.directory));
}

/** But for what `verify` says of a machine that is made up. */
export async function problemsOf(daemon: TestDaemon, tenant: string): Promise<Problem[]> {
  return (await daemon.tenant(tenant)).problems.filter(({ code }) => code !== 'TENANTD_E_DRIFT');
}

export function imageOf(daemon: TestDaemon, tenant: string): string {
  return `${daemon.directory}/state/tenants/${tenant}/disk.img`;
}

/** `loop3` */
export function deviceOf(daemon: TestDaemon, tenant: string): string {
  const found = execFileSync('losetup', ['--noheadings', '--output', 'NAME', '--associated', imageOf(daemon, tenant)], {
    encoding: 'utf8',
  });
  return basename(found.trim());
}
