import type { ChildProcess } from 'node:child_process';
import { Duplex, type Stream } from 'node:stream';
import type { LaunchOptions } from './sandboxes.ts';

/** From 3 on: the command's own, in the order that `LaunchOptions` says; then those for bubblewrap, which closes them. */
export function describeDescriptors(
  { ownSocket, withDuplex, inherit, handOver }: LaunchOptions,
  status: number,
  filter: number | undefined,
) {
  const first = ownSocket ? (['ignore'] as const) : withDuplex ? (['pipe'] as const) : [];
  const own = [...first, ...inherit, ...(handOver ? (['pipe'] as const) : [])];
  const argumentsFd = 3 + own.length;
  return {
    stdio: [...own, 'pipe' as const, status, ...(filter === undefined ? [] : [filter])],
    handOverFd: argumentsFd - 1,
    argumentsFd,
    statusFd: argumentsFd + 1,
    filterFd: filter === undefined ? undefined : argumentsFd + 2,
  };
}

/**
 * `printed`: nothing has its output open any more, so that all of it came; not what it sent over its other descriptors, which somebody may
 * read later. What a command leaves behind may print for ever: only its end is its end.
 */
export function endOf(child: ChildProcess): { exited: Promise<void>; printed: Promise<void> } {
  const closed = new Promise<void>((resolve) => {
    if (child.stdout) child.stdout.once('close', resolve);
    else resolve();
  });
  const began = new Promise<boolean>((resolve) => {
    child.once('exit', () => resolve(true));
    child.once('error', () => resolve(false));
  });
  return { exited: began.then(() => {}), printed: began.then((hasBegun) => (hasBegun ? closed : undefined)) };
}

/** It may die before it has read all: then it says why in its complaints. */
export function handTo(stream: Stream | null | undefined, content: string | Buffer): void {
  if (!(stream instanceof Duplex)) return;
  stream.on('error', () => {});
  stream.end(content, () => {
    // Secrets, it may be: not to be left in memory until somebody collects them.
    if (typeof content !== 'string') content.fill(0);
    stream.destroy();
  });
}
