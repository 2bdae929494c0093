import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
}

export function profileOptions(folder: string): string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=250'];
}

/** Where the busiest of the profiled processes spent its time, most first, as shares of the time that it was not idle. */
export function formatProfiles(folder: string, lines = 40): string {
  const files = readdirSync(folder).map((name) => join(folder, name));
  const profiles = files.map((file) => selfTimes(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile));
  const [busiest] = profiles.toSorted((left, right) => right.busyUs - left.busyUs);
  if (!busiest) throw new Error('no profile was written');
  const top = [...busiest.times].sort(([, left], [, right]) => right - left).slice(0, lines);
  return top.map(([name, timeUs]) => `${((100 * timeUs) / busiest.busyUs).toFixed(1).padStart(6)} %  ${name}`).join('\n');
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): { busyUs: number; times: Map<string, number> } {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '';
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  for (const name of ['(idle)', '(root)']) times.delete(name);
  return { times, busyUs: times.values().reduce((total, timeUs) => total + timeUs, 0) };
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  return url === '' ? name : `${name}  ${url.startsWith('node:') ? url : basename(url)}:${lineNumber + 1}`;
}
