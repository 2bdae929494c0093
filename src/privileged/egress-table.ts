import { type EgressTable, objectNames, tableLines } from './egress-rules.ts';
import { feedProgram, findOptionalProgram } from './programs.ts';

export interface EgressUse {
  /** Through the rules, headers included. */
  bytesOut: number;
  bytesIn: number;
  /** Packets. */
  refused: number;
}

/** One object of nft(8)'s JSON: a rule, a set, a counter. */
export type NftObject = Readonly<Record<string, unknown>>;

/** One transaction: all of it, or nothing. Rejects with nft(8)'s words. */
export async function applyLines(lines: readonly string[]): Promise<void> {
  await feedProgram(nftProgram(), ['-f', '-'], `${lines.join('\n')}\n`);
}

/** Every object of the table, each with its kind; undefined when there is none. Counters' and elements' figures are left out. */
export async function readTable(name: string): Promise<[kind: string, object: NftObject][] | undefined> {
  return listed(['-s', 'list', 'table', 'inet', name]);
}

/** The objects that these lines would make on a machine without any: read from a network that is gone right after. */
export async function readWanted(
  unshare: string,
  sh: string,
  table: EgressTable,
  lines: readonly string[],
): Promise<[string, NftObject][]> {
  const script = '"$1" -f - && exec "$1" -j -s list table inet "$2"';
  const text = await feedProgram(
    unshare,
    ['--net', '--', sh, '-c', script, 'sh', nftProgram(), table.name],
    `${[...tableLines(table), ...lines].join('\n')}\n`,
  );
  return parse(text);
}

/** Of all tenants; empty when there is no table. */
export async function readUse(name: string): Promise<Map<string, EgressUse>> {
  const counters = (await listed(['list', 'counters', 'table', 'inet', name])) ?? [];
  const figures = new Map(counters.map(([, { name: counter, bytes, packets }]) => [String(counter), { bytes, packets }]));
  const figure = (counter: string, unit: 'bytes' | 'packets'): number => Number(figures.get(counter)?.[unit] ?? 0);
  const tenants = new Set([...figures.keys()].map((counter) => counter.split('.')[0] ?? ''));
  return new Map(
    [...tenants].map((tenant) => {
      const { sent, received, refused } = objectNames(tenant);
      return [tenant, { bytesOut: figure(sent, 'bytes'), bytesIn: figure(received, 'bytes'), refused: figure(refused, 'packets') }];
    }),
  );
}

export async function removeTable(name: string): Promise<void> {
  await applyLines([`add table inet ${name}`, `delete table inet ${name}`]);
}

/** Undefined when there is no such table. */
async function listed(words: readonly string[]): Promise<[string, NftObject][] | undefined> {
  try {
    return parse(await feedProgram(nftProgram(), ['-j', ...words], ''));
  } catch (error) {
    if (error instanceof Error && error.message.includes('No such file or directory')) return undefined;
    throw error;
  }
}

function parse(text: string): [string, NftObject][] {
  const { nftables } = JSON.parse(text) as { nftables: Record<string, NftObject>[] };
  return nftables.flatMap((entry) => Object.entries(entry)).filter(([kind]) => kind !== 'metainfo');
}

/** Throws TENANTD_E_PROGRAM_MISSING. */
export function nftProgram(): string {
  return findOptionalProgram('nft', 'nftables');
}
