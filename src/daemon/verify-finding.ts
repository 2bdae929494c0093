import type { isolationLayers } from '../config/daemon-schema.ts';
import type { Check } from '../protocol/verify.ts';

export type Layer = (typeof isolationLayers)[number];

/** A check, but for whose it is. */
export type Finding = Omit<Check, 'tenant' | 'subject' | 'layer' | 'waived'> & { layer: Layer };

/** What is promised, what is there, and where that was read. */
export function compare(layer: Layer, id: string, expected: string, actual: string, source: string): Finding {
  return { layer, id: `${layer}.${id}`, expected, actual, ok: expected === actual, source };
}

/** As `compare`, where what is right has more than one form: `actual` then is the fact itself. */
export function judge(layer: Layer, id: string, isOk: boolean, finding: Pick<Finding, 'expected' | 'actual' | 'source'>): Finding {
  return { layer, id: `${layer}.${id}`, ...finding, ok: isOk };
}

/** Of many of a kind, the first that is not as expected speaks for all. */
export function judgeAll<Item>(
  layer: Layer,
  id: string,
  items: readonly Item[],
  look: {
    expected: string;
    actual: (item: Item) => string;
    /** Default: `actual` is what was expected. */
    isOk?: (item: Item) => boolean;
    name: (item: Item) => string;
    source: (item: Item) => string;
  },
): Finding[] {
  const { expected, actual, isOk = (item) => actual(item) === expected } = look;
  const [first] = items;
  if (first === undefined) return [];
  const wrong = items.find((item) => !isOk(item));
  const shown = wrong ?? first;
  const of = wrong === undefined ? '' : ` (${look.name(wrong)})`;
  return [judge(layer, id, wrong === undefined, { expected, actual: `${actual(shown)}${of}`, source: look.source(shown) })];
}

export function listOr(items: readonly string[], otherwise: string): string {
  const most = 8;
  const shown = items.slice(0, most).join(', ');
  if (items.length > most) return `${shown} and ${items.length - most} more`;
  return shown || otherwise;
}
