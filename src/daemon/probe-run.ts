import { randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { type ProbeInput, type ProbeResult, type Probe, probeProgram, probesRefused } from '../protocol/probes.ts';
import { probes } from '../protocol/probe-list.ts';
import type { Machine } from './machine.ts';
import type { Sandbox } from './sandbox-registry.ts';
import type { Twin } from './twin.ts';

export const probeRole = { role: 'probes' } as const;

const timeLimitMs = 20_000;
const outputLimitBytes = 64 << 10;
/** A command line has room for so many of each. */
const mostOfEach = 40;
/** Pids up to this one may be those of the sandbox itself, in which case an attack would meet its own process. */
const ownPids = 4_096;

/** A tenant's end of its way out, where it has one (privileged/egress-links). */
const wayOut = 'eth0';

/** Attacks a sandbox made like that of an app, or of a tenant's user, and judges how each attempt ended. */
export async function runProbes(machine: Machine, twin: Twin, input: ProbeInput): Promise<ProbeResult[]> {
  const usable = { ...input, pids: input.pids.filter((pid) => pid > ownPids) };
  const chosen = probes.filter(({ safe, needs }) => safe === 'live' && (needs === undefined || usable[needs].length > 0));
  const sandbox = await startProbes(machine, twin, probeArguments(usable), chosen);
  const timer = setTimeout(() => void sandbox.stop(0), timeLimitMs);
  const output = await readCapped(sandbox.stdout);
  const { exitCode } = await sandbox.exited.finally(() => clearTimeout(timer));
  const silence = exitCode === probesRefused ? 'refused to run: no sandbox with a network of its own' : 'no answer';
  return judgeProbes(chosen, output, silence);
}

function startProbes(machine: Machine, twin: Twin, words: string[], chosen: readonly Probe[]): Promise<Sandbox> {
  const marker = randomBytes(8).toString('hex');
  const number = process.hrtime.bigint().toString(36);
  const environment = Object.keys(twin.spec.env).map((name) => `environment=${name}`);
  const { perl, script } = probeProgram;
  return machine.registry.start(
    {
      ...twin.spec,
      id: `p.${twin.group}.${number}`,
      env: { ...twin.spec.env, [probeProgram.marker]: marker },
      command: [perl, script, `marker=${marker}`, ...words, ...environment, '--', ...chosen.map(({ id }) => id)],
    },
    {
      ...twin.launch,
      outOfMemoryScore: 900,
      output: 'pipe',
      inherit: [],
      group: { tenant: twin.group, member: `p.${number}` },
    },
    probeRole,
  );
}

/** What `probes.pl` is told, in its words. */
export function probeArguments(input: ProbeInput): string[] {
  const words: Record<string, readonly (string | number)[]> = {
    'machine-network': [readlinkSync('/proc/self/ns/net')],
    file: input.files,
    folder: input.folders,
    pid: input.pids,
    uid: input.uids,
    unix: input.unixSockets,
    abstract: input.abstractSockets,
    port: input.loopbackPorts,
    endpoint: input.endpoints.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: input.namespaces,
    word: input.words,
    interface: [...input.interfaces, wayOut],
    environment: input.environment,
  };
  return Object.entries(words).flatMap(([key, values]) => values.slice(0, mostOfEach).map((value) => `${key}=${value}`));
}

/** What comes out of a sandbox is data: an answer that is missing, double or unreadable is a failed check. */
export function judgeProbes(chosen: readonly Probe[], output: string, silence = 'no answer'): ProbeResult[] {
  const answers = Map.groupBy(
    output.split('\n').map((line) => line.split('\t')),
    ([id = '']) => id,
  );
  return chosen.map((probe) => {
    const found = answers.get(probe.id) ?? [];
    const outcome = found.length > 1 ? 'answered more than once' : readable(found[0]?.[1] ?? silence);
    const { id, layer, attack, expected } = probe;
    return { id, layer, attack, expected: expected.join(' or '), outcome, ok: isDenied(probe, outcome) };
  });
}

function isDenied({ expected }: Probe, outcome: string): boolean {
  return outcome.split(',').every((part) => expected.includes(part));
}

function readable(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, 200);
}

async function readCapped(stream: NodeJS.ReadableStream | null): Promise<string> {
  let output = '';
  for await (const chunk of stream ?? []) if (output.length < outputLimitBytes) output += String(chunk);
  return output;
}
