/** Of values in any order; 0.5 is the median. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function describeQuantiles(values: readonly number[], digits = 0): string {
  return `p50 ${quantile(values, 0.5).toFixed(digits)} ms, p99 ${quantile(values, 0.99).toFixed(digits)} ms`;
}
