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

/** With all that it printed; not with what it sent over its other descriptors, which somebody may read later. */
export async function endOf(child: ChildProcess): Promise<void> {
  const printed = child.stdout && new Promise<void>((resolve) => child.stdout?.once('close', resolve));
  const exited = new Promise<boolean>((resolve) => {
    child.once('exit', () => resolve(true));
    child.once('error', () => resolve(false));
  });
  if (await exited) await printed;
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
