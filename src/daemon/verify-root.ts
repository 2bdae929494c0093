import { type MountFacts, placeOf } from '../privileged/facts-mounts.ts';
import type { Descriptor } from '../privileged/facts-process.ts';
import type { SandboxPromise } from './sandbox-promise.ts';
import { type Finding, judge, listOr } from './verify-finding.ts';

/** bwrap(1) makes these itself: devices, a terminal's when there is one, and covers of what a /proc could be written by. */
const madeByBubblewrap = /^\/$|^\/dev\/(?:null|zero|full|random|urandom|tty|pts|console)$|^\/proc\/(?:sys|sysrq-trigger|irq|bus)$/;
/** Ours over bubblewrap's: terminals, and what it makes read-only where root could write it. */
const hidesBubblewraps = new Set(['/dev/pts', '/proc/sysrq-trigger']);
/** What is not the sandbox's to write, though it is not mounted read-only: the kernel decides there. */
const decidedByKernel = /^\/proc$|^\/dev\/(?:null|zero|full|random|urandom|tty|pts|console)$/;

/** The mounts of a sandbox, as /proc/PID/mountinfo shows them. `around`: those it was made in, where its sources are. */
export function checkMounts(pid: number, promise: SandboxPromise, mounts: readonly MountFacts[], around: readonly MountFacts[]): Finding[] {
  const source = `/proc/${pid}/mountinfo`;
  return [checkTargets(promise, mounts, source), checkOptions(promise, mounts, source), checkData(promise, mounts, around, source)];
}

function checkTargets({ mounts: promised }: SandboxPromise, mounts: readonly MountFacts[], source: string): Finding {
  const asked = new Set(promised.map(({ target }) => target));
  const targets = mounts.map(({ target }) => target);
  // Also one over one that is promised: it hides what is.
  const isHiding = (target: string, index: number): boolean =>
    targets.slice(0, index).filter((other) => other === target).length > (hidesBubblewraps.has(target) ? 1 : 0);
  const isStrange = (target: string, index: number): boolean =>
    isHiding(target, index) || (!asked.has(target) && !madeByBubblewrap.test(target));
  const needed = ['/', ...promised.filter(({ optional }) => !optional).map(({ target }) => target)];
  const wrong = [
    ...targets.filter(isStrange).map((target) => `${target} was mounted`),
    ...needed.filter((target) => !targets.includes(target)).map((target) => `${target} is gone`),
  ];
  return judge('root', 'mounts', wrong.length === 0, {
    expected: 'what it was made of, and no more',
    actual: listOr(wrong, `${mounts.length} mounts, each of them known`),
    source,
  });
}

function checkOptions({ writable }: SandboxPromise, mounts: readonly MountFacts[], source: string): Finding {
  const mayWrite = ({ target }: MountFacts): boolean =>
    decidedByKernel.test(target) || writable.some((promised) => promised.target === target);
  const lacking = mounts.flatMap((mount) => {
    const { target, options } = mount;
    const isDevice = target.startsWith('/dev/') && target !== '/dev/shm';
    const wanted = ['nosuid', ...(isDevice ? [] : ['nodev']), ...(mayWrite(mount) ? [] : ['ro'])];
    const absent = wanted.filter((option) => !options.has(option));
    return absent.length === 0 ? [] : [`${target} without ${absent.join(', ')}`];
  });
  const written = mounts.filter(({ target, options }) => options.has('rw') && !decidedByKernel.test(target));
  const show = (targets: readonly { target: string }[]): string =>
    `nosuid, nodev, ro but for ${targets.map(({ target }) => target).join(' ')}`;
  return judge('root', 'options', lacking.length === 0, { expected: show(writable), actual: listOr(lacking, show(written)), source });
}

/** What it can write and keep is the folder that it was given: the same folder of the same file system. */
function checkData({ writable }: SandboxPromise, mounts: readonly MountFacts[], around: readonly MountFacts[], source: string): Finding {
  const places = writable.flatMap(({ target, source: from }) => {
    const mount = mounts.findLast((candidate) => candidate.target === target);
    const wanted = from === undefined ? undefined : placeOf(from, around);
    return mount && wanted ? [{ target, wanted, mount }] : [];
  });
  const isSame = ({ wanted, mount }: (typeof places)[number]): boolean => wanted.device === mount.device && wanted.root === mount.root;
  const show = (pick: (place: (typeof places)[number]) => { device: string; root: string }): string =>
    places.map((place) => `${place.target} is ${pick(place).device} ${pick(place).root}`).join(', ') || 'none';
  return judge('root', 'data', places.every(isSame), {
    expected: show(({ wanted }) => wanted),
    actual: show(({ mount }) => mount),
    source,
  });
}

/**
 * What a process has open lies in a sandbox of its tenant: nothing of the machine was handed to it by oversight. `isGiven`: a
 * pipe that was handed over on purpose, by its path.
 */
export function checkDescriptors(
  pid: number,
  descriptors: readonly Descriptor[],
  { mountIds, isGiven }: { mountIds: ReadonlySet<string>; isGiven: (path: string) => boolean },
): Finding {
  const isForeign = ({ target, mountId }: Descriptor): boolean =>
    isFile(target) && !mountIds.has(mountId) && target !== '/dev/null' && !isGiven(target);
  const foreign = descriptors.filter(isForeign).map(({ fd, target }) => `${fd} is ${target}`);
  return judge('root', 'descriptors', foreign.length === 0, {
    expected: 'none into the machine',
    actual: listOr(foreign, `none of ${descriptors.length} into the machine`),
    source: `/proc/${pid}/fd`,
  });
}

/** Sockets, pipes, memory and the like have no path. */
function isFile(target: string): boolean {
  return target.startsWith('/') && !/^\/(?:memfd:|dev\/zero \(deleted\)|\[|anon_inode)/.test(target);
}
