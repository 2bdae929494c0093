import { launchCommand, type LaunchStep } from './launch-steps.ts';
import { type Programs, runProgram } from './programs.ts';

/** A directory that another tenant shares, to be read. */
export interface SharedDirectory {
  /** In the sandbox. */
  target: string;
  /** Of the machine; or below the root of `device`. Every name in it is root's own. */
  path: string;
  /** Of a file system that is mounted in another tenant's mounts already: `/dev/loop3`. */
  device?: string;
}

/** How the devices are mounted before the sandbox has a root of its own, and what is bound then. Both in `scratch`. */
export function shareSteps(shares: readonly SharedDirectory[], scratch: string): LaunchStep[] {
  return shares.flatMap(({ device }, index): LaunchStep[] =>
    device === undefined ? [] : [{ do: 'mount-device', device, directory: deviceDirectory(scratch, index) }],
  );
}

export function shareBinds(shares: readonly SharedDirectory[], scratch: string): { source: string; target: string; access: 'read' }[] {
  return shares.map(({ device, path, target }, index) => ({
    source: device === undefined ? path : deviceDirectory(scratch, index) + path,
    target,
    access: 'read',
  }));
}

function deviceDirectory(scratch: string, index: number): string {
  return `${scratch}/device.${index}`;
}

/** Takes a directory out of a running sandbox. What a process has open in there it keeps until it ends. */
export async function unmountShare(programs: Programs, sandboxPid: number, target: string): Promise<void> {
  const steps: LaunchStep[] = [
    { do: 'enter', namespace: `/proc/${sandboxPid}/ns/mnt` },
    { do: 'unmount', path: target },
  ];
  const [program = '', ...args] = launchCommand(programs.perl, steps, []);
  await runProgram(program, args);
}
