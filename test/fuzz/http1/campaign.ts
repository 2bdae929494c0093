import { readFileSync } from 'node:fs';
import { checkStream } from './check-stream.ts';
import { type Material, mutate } from './mutations.ts';
import { Random } from './random.ts';
import type { Stream } from './reading.ts';
import { shrink } from './shrink.ts';

export interface Failure {
  difference: string;
  kind: Stream['kind'];
  toHead: boolean;
  /** As short as it could be made. */
  text: string;
}

/**
 * Cases one after another, each made of the seed and its number alone.
 *
 * Invariant: `failures` has one example of each difference, `counts` every case that was run.
 */
export class Campaign {
  readonly counts = new Map<string, number>();
  readonly failures = new Map<string, Failure>();
  cases = 0;
  private readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }

  run(cases: number): void {
    for (const end = this.cases + cases; this.cases < end; this.cases++) this.runOne(new Random(this.seed + this.cases * 7_919));
  }

  /** The seeds themselves, unchanged. */
  runSeeds(): void {
    for (const kind of ['request', 'response'] as const) {
      for (const text of materials[kind].seeds)
        for (const toHead of [false, true]) this.check({ kind, text, toHead }, new Random(this.seed));
    }
  }

  private runOne(random: Random): void {
    const kind = random.below(5) < 3 ? 'request' : 'response';
    const material = materials[kind];
    const text = mutate(random.pick(material.seeds), random, material);
    if (text !== '') this.check({ kind, text, toHead: kind === 'response' && random.chance(6) }, random);
  }

  private check(stream: Stream, random: Random): void {
    const { rule, difference } = checkStream(stream, random);
    const name = `${stream.kind}: ${rule ?? difference}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    if (difference === undefined || this.failures.has(name)) return;
    const fails = (text: string): boolean => checkStream({ ...stream, text }, new Random(1)).difference === difference;
    this.failures.set(name, { difference, kind: stream.kind, toHead: stream.toHead, text: shrink(stream.text, fails) });
  }
}

/** The corpus, as lists of text in JSON: editors and formatters leave its odd bytes alone there. */
function loadMaterial(kind: Stream['kind']): Material {
  const load = (name: string): string[] => JSON.parse(readFileSync(new URL(`../corpus/${name}.json`, import.meta.url), 'utf8')) as string[];
  return { seeds: load(`${kind}s`), tokens: load('tokens'), lines: load(`${kind}-lines`) };
}

const materials = { request: loadMaterial('request'), response: loadMaterial('response') };
