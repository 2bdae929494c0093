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
  /** What that device is of: by the time that it is mounted, its number may be another image's. */
  image?: string;
}

/** What is done before the sandbox has a root of its own, and what is bound then. Both in `scratch`. */
export function shareSteps(shares: readonly SharedDirectory[], scratch: string): LaunchStep[] {
  return shares.flatMap(({ device, image, path }, index): LaunchStep[] => {
    const directory = shareDirectory(scratch, index);
    if (device === undefined || image === undefined) return [{ do: 'show-foreign', source: path, directory }];
    const mounted = `${scratch}/device.${index}`;
    return [
      { do: 'mount-device', device, image, directory: mounted },
      { do: 'show-foreign', source: mounted + path, directory },
    ];
  });
}

export function shareBinds(shares: readonly SharedDirectory[], scratch: string): { source: string; target: string; access: 'read' }[] {
  return shares.map(({ target }, index) => ({ source: shareDirectory(scratch, index), target, access: 'read' }));
}

function shareDirectory(scratch: string, index: number): string {
  return `${scratch}/share.${index}`;
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
