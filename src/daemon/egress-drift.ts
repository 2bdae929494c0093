import type { TenantName } from '../base/ids.ts';
import { differences, factsOf, type TableFacts } from '../privileged/egress-drift.ts';
import { isLinkWhole } from '../privileged/egress-links.ts';
import { tenantLines, type TenantRules } from '../privileged/egress-rules.ts';
import { readTable, readWanted } from '../privileged/egress-table.ts';
import type { Programs } from '../privileged/programs.ts';
import type { OpenTenant } from './egress.ts';
import type { EgressGround } from './egress-ground.ts';
import type { EgressPlaces } from './egress-places.ts';

export interface DriftParts {
  programs: Programs;
  places: EgressPlaces;
  ground: Pick<EgressGround, 'table' | 'isForwarding'>;
  tenants: ReadonlyMap<TenantName, OpenTenant>;
}

/** Compares what the kernel has with what it makes of the same rules elsewhere: neither our words for them nor nft's count. */
export function createEgressDrift({ programs, places, ground, tenants }: DriftParts) {
  const wanted = new WeakMap<TenantRules, TableFacts>();

  async function learnWanted(opened: readonly OpenTenant[]): Promise<void> {
    const unknown = opened.filter(({ rules }) => !wanted.has(rules));
    if (unknown.length === 0) return;
    const shared = await ground.table();
    const lines = unknown.flatMap(({ rules }) => tenantLines(shared, rules));
    const facts = factsOf(await readWanted(programs.unshare, programs.sh, shared, lines), tenantOf);
    for (const { rules } of unknown) wanted.set(rules, new Map([...facts].filter(([owner]) => owner === '' || owner === rules.tenant)));
  }

  function tenantOf(link: string): string | undefined {
    return [...tenants.values()].find(({ rules }) => rules.link === link)?.rules.tenant;
  }

  return async (names: readonly TenantName[]): Promise<Map<TenantName, string[]>> => {
    const opened = names.flatMap((name) => tenants.get(name) ?? []);
    if (opened.length === 0) return new Map();
    await learnWanted(opened);
    const found = factsOf((await readTable(places.name)) ?? [], tenantOf);
    const all = new Map<TenantName, string[]>();
    for (const { rules, link } of opened) {
      const own = wanted.get(rules) ?? new Map();
      const faults = [...differences('', own, found), ...differences(rules.tenant, own, found)];
      if (!(await isLinkWhole(programs, link))) faults.push(`link ${link.name}: missing, or without its addresses or routes`);
      if (!ground.isForwarding()) faults.push('forwarding: turned off');
      all.set(rules.tenant as TenantName, faults);
    }
    return all;
  };
}
