import type { Problem } from '../base/problem.ts';
import type { ValuePath, YamlSource } from './yaml-source.ts';

type Place = Pick<Problem, 'file' | 'line' | 'column' | 'tenant' | 'app'>;

/** A problem, and where it is. */
export function placed(problem: Problem, place: Place): Problem {
  return { ...problem, ...place };
}

/** The value at `path`. */
export function placeOf(source: YamlSource, path: ValuePath): Place {
  return { file: source.file, ...source.positionOf(path) };
}

/** The key of the value at `path`. */
export function placeOfKey(source: YamlSource, path: ValuePath): Place {
  return { file: source.file, ...source.positionOfKey(path) };
}
