import type { CaaRecord } from './dns-lookup.ts';

export interface CaaSet {
  /** Where in the tree the records stand. */
  at: string;
  records: readonly CaaRecord[];
}

/** RFC 8659, 3: the first non-empty set from the name up to the top. */
export async function findCaa(name: string, lookUp: (name: string) => Promise<CaaRecord[]>): Promise<CaaSet | undefined> {
  const labels = name.replace(/^\*\./, '').split('.');
  for (let index = 0; index < labels.length; index += 1) {
    const at = labels.slice(index).join('.');
    const records = await lookUp(at);
    if (records.length > 0) return { at, records };
  }
  return undefined;
}

const knownTags = new Set(['issue', 'issuewild', 'iodef', 'issuemail', 'contactemail', 'contactphone', 'issuevmc']);

/**
 * RFC 8659, 4: whether a CA that goes by one of `identities` may issue. A CA that names none is not judged: it will check itself.
 * A set with neither `issue` nor `issuewild` forbids nothing; a critical property that nobody knows forbids all.
 */
export function permitsCa({ records }: CaaSet, isWildcard: boolean, identities: readonly string[]): boolean {
  if (identities.length === 0) return true;
  if (records.some(({ critical, tag }) => critical && !knownTags.has(tag))) return false;
  const valuesOf = (wanted: string): string[] => records.filter(({ tag }) => tag === wanted).map(({ value }) => value);
  const wild = isWildcard ? valuesOf('issuewild') : [];
  const values = wild.length > 0 ? wild : valuesOf('issue');
  if (values.length === 0) return true;
  const permitted = new Set(values.map((value) => (value.split(';', 1)[0] ?? '').trim().toLowerCase()));
  return identities.some((identity) => permitted.has(identity.toLowerCase()));
}
