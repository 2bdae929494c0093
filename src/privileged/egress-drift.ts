import type { NftObject } from './egress-table.ts';

/** What a table's objects say, by what they belong to: a tenant, or '' for what all share. Each as its name and its text. */
export type TableFacts = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Filled by lookups and by packets: their elements come and go. */
const livingSet = /\.(open|used)[46]$/;

/** `tenantOf`: whose link it is. */
export function factsOf(
  objects: readonly (readonly [kind: string, object: NftObject])[],
  tenantOf: (link: string) => string | undefined,
): TableFacts {
  const facts = new Map<string, Map<string, string>>();
  const note = (owner: string, name: string, text: string): void => {
    const own = facts.get(owner) ?? new Map<string, string>();
    facts.set(owner, own.set(name, (own.get(name) ?? '') + text));
  };
  for (const [kind, object] of objects) {
    // The table itself has its name alone.
    if (kind === 'table') continue;
    const name = String(kind === 'rule' ? object['chain'] : object['name']);
    const owner = name.includes('.') ? (name.split('.')[0] ?? '') : '';
    const { handle: _, elem, ...lasting } = object;
    // Where the kernel puts counted connections, and how far a limit is used up, is no part of the rule.
    if (kind === 'rule') note(owner, `rules of ${name}`, JSON.stringify(lasting));
    // What a counter has counted is no part of it either; nft's JSON has it all the same.
    else note(owner, `${kind} ${name}`, kind === 'counter' ? '' : JSON.stringify(lasting));
    if (!Array.isArray(elem) || livingSet.test(name)) continue;
    for (const element of elem.map((one) => JSON.stringify(one)).toSorted()) {
      const link = /"(td[a-z0-9]+)"/.exec(element)?.[1] ?? '';
      note(tenantOf(link) ?? owner, `elements of ${name}`, element);
    }
  }
  return facts;
}

/** A sentence for each thing of the owner that is missing, or not what it should be. */
export function differences(owner: string, wanted: TableFacts, found: TableFacts): string[] {
  const is = found.get(owner) ?? new Map<string, string>();
  const should = wanted.get(owner) ?? new Map<string, string>();
  return [...should.keys(), ...[...is.keys()].filter((name) => !should.has(name))].flatMap((name) => {
    if (!is.has(name)) return [`${name}: missing`];
    if (!should.has(name)) return [`${name}: not of tenantd`];
    return is.get(name) === should.get(name) ? [] : [`${name}: changed`];
  });
}
