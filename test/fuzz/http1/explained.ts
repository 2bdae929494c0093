import type { Reading } from './reading.ts';

interface RefusedRule {
  name: string;
  why: string;
  /** Our reason. */
  fault: string;
  fits?: (text: string) => boolean;
}

interface AcceptedRule {
  name: string;
  why: string;
  /** What llhttp says. */
  fault: RegExp;
  fits?: (text: string, ours: Reading, theirs: Reading) => boolean;
}

export const refusedByUsAlone: readonly RefusedRule[] = [];
export const acceptedByUsAlone: readonly AcceptedRule[] = [];
