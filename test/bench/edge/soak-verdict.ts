import type { MemorySample } from './soak-memory.ts';

export const maxGrowth = 0.1;
const judged = { pssBytes: 'PSS', heapBytes: 'live heap', externalBytes: 'external', descriptors: 'descriptors' } as const;

export interface Verdict {
  flat: boolean;
  lines: string[];
}

/**
 * Flat: in each figure the median of the last third of the samples is at most a tenth over that of the middle third. The first third
 * is the warm-up: code is compiled, pools and tables find their size.
 */
export function judge(samples: readonly MemorySample[]): Verdict {
  const third = Math.floor(samples.length / 3);
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(-third)];
  const figures = Object.entries(judged).map(([name, title]) => {
    const of = (part: readonly MemorySample[]): number => median(part.map((sample) => sample[name as keyof typeof judged]));
    const growth = of(last) / of(middle) - 1;
    return { flat: growth <= maxGrowth, text: `${title} ${growth < 0 ? '' : '+'}${(100 * growth).toFixed(1)} %` };
  });
  return { flat: figures.every(({ flat }) => flat), lines: figures.map(({ flat, text }) => `${flat ? 'flat ' : 'GROWS'}  ${text}`) };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? NaN;
}
