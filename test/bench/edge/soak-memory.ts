import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../support/until.ts';

/** Of all processes of an edge together. */
export interface MemorySample {
  pssBytes: number;
  rssBytes: number;
  /** V8's heap after a full collection: what is alive. */
  heapBytes: number;
  /** Buffers and what else lies outside V8's heap. */
  externalBytes: number;
  descriptors: number;
}

/**
 * Runs in the edge. `--require`, since a module of ours would have to be compiled there. What has a native half is freed a turn after
 * the collection that found it, and may hold others: hence several.
 */
const probe = `
const { renameSync, writeFileSync } = require('node:fs');
const { setTimeout } = require('node:timers/promises');
process.on('SIGUSR2', async () => {
  for (let time = 0; time < 5; time++) {
    gc();
    await setTimeout(20);
  }
  writeFileSync(process.pid + '.new', JSON.stringify(process.memoryUsage()));
  renameSync(process.pid + '.new', process.pid + '.memory');
});
`;

/** Options of node with which an edge can be sampled; its working directory is `folder`. */
export function probeOptions(folder: string): string[] {
  const file = join(folder, 'probe.cjs');
  writeFileSync(file, probe);
  return ['--expose-gc', '--require', file];
}

/** Each process collects its garbage first, so that what is left is held by something. */
export async function sampleMemory(folder: string, pids: readonly number[]): Promise<MemorySample> {
  const samples = await Promise.all(pids.map((pid) => sampleProcess(folder, pid)));
  const sum = (name: keyof MemorySample): number => samples.reduce((total, sample) => total + sample[name], 0);
  return {
    pssBytes: sum('pssBytes'),
    rssBytes: sum('rssBytes'),
    heapBytes: sum('heapBytes'),
    externalBytes: sum('externalBytes'),
    descriptors: sum('descriptors'),
  };
}

async function sampleProcess(folder: string, pid: number): Promise<MemorySample> {
  const file = join(folder, `${pid}.memory`);
  writeFileSync(file, '');
  process.kill(pid, 'SIGUSR2');
  await until(() => readFileSync(file, 'utf8') !== '', `process ${pid} tells its memory`);
  const { heapUsed, external } = JSON.parse(readFileSync(file, 'utf8')) as NodeJS.MemoryUsage;
  return { ...residentOf(pid), heapBytes: heapUsed, externalBytes: external };
}

/** Without a collection before: as it stands. */
export function residentOf(pid: number): Pick<MemorySample, 'pssBytes' | 'rssBytes' | 'descriptors'> {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1]) * 1024;
  return { pssBytes: bytes('Pss'), rssBytes: bytes('Rss'), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}
