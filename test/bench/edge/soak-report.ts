import type { MemorySample } from './soak-memory.ts';

export interface PhaseResult extends MemorySample {
  phase: number;
  /** Since the first phase began. */
  seconds: number;
  requestsPerSecond: number;
}

export const columns = ['phase', 'seconds', 'req/s', 'PSS MB', 'RSS MB', 'heap MB', 'external MB', 'descriptors'].map(cell).join('');

export function formatPhase({ phase, seconds, requestsPerSecond, ...sample }: PhaseResult): string {
  const sizes = [sample.pssBytes, sample.rssBytes, sample.heapBytes, sample.externalBytes].map((bytes) => (bytes / 1e6).toFixed(2));
  return [`${phase}`, seconds.toFixed(0), requestsPerSecond.toFixed(0), ...sizes, `${sample.descriptors}`].map(cell).join('');
}

function cell(text: string): string {
  return text.padStart(12);
}
