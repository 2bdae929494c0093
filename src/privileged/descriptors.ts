import { closeSync, readdirSync, readFileSync } from 'node:fs';

const closeOnExec = 0o2000000;

/**
 * Closes what the daemon's own parent left open, once, at the daemon's start: bubblewrap passes every descriptor without
 * FD_CLOEXEC on to the tenant. Node opens its own with FD_CLOEXEC, so what lacks it is foreign. Returns how many were closed.
 */
export function closeInheritedDescriptors(): number {
  const foreign = readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => fd > 2 && !isCloseOnExec(fd));
  for (const fd of foreign) closeSync(fd);
  return foreign.length;
}

function isCloseOnExec(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) !== 0;
  } catch {
    return true; // the descriptor of the listing itself: gone by now
  }
}
