import type { Problem } from '../base/problem.ts';
import { placed, placeOfKey } from './placed.ts';
import type { ValuePath, YamlSource } from './yaml-source.ts';

/** A setting that this version reads but does not carry out: said aloud where dropping it silently would break a promise. */
export interface NotYet {
  path: ValuePath;
  /** A whole sentence: what is the case instead. */
  message: string;
}

export function findNotCarriedOut(source: YamlSource, settings: readonly NotYet[]): Problem[] {
  const fix = 'remove it until a version that carries it out';
  return settings
    .filter(({ path }) => isGiven(source.value, path))
    .map(({ path, message }) => placed({ code: 'TENANTD_E_NOT_SUPPORTED', message, fix }, placeOfKey(source, path)));
}

/** An empty list sets nothing. */
function isGiven(value: unknown, path: ValuePath): boolean {
  const [step, ...rest] = path;
  if (step === undefined) return !(Array.isArray(value) && value.length === 0);
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return false;
  return isGiven((value as Record<string | number, unknown>)[step], rest);
}
