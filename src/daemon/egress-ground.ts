import { existsSync } from 'node:fs';
import { type Forwarding, isForwarding, restoreForwarding, turnOnForwarding } from '../privileged/egress-forwarding.ts';
import { routedBlocks } from '../privileged/egress-links.ts';
import type { EgressTable } from '../privileged/egress-rules.ts';
import { removeTable } from '../privileged/egress-table.ts';
import { type TableWatch, watchTable } from '../privileged/egress-watch.ts';
import { assertFree, type EgressPlaces } from './egress-places.ts';
import type { Machine } from './machine.ts';

/** What all tenants' ways out need of the machine: from the first one to the daemon's orderly end. */
export interface EgressGround {
  /** Has the machine forward packets, once. Throws TENANTD_E_EGRESS where another network has the addresses. */
  table(): Promise<EgressTable>;
  /** Somebody may have turned it off. */
  isForwarding(): boolean;
  forwardAgain(): void;
  /** Also takes away what the daemon before left. */
  clear(): Promise<void>;
}

/** `onTableGone`: another program took the table away. */
export function createEgressGround({ programs, paths, log }: Machine, places: EgressPlaces, onTableGone: () => void): EgressGround {
  const file = paths.forwardingFile;
  let forwarding: Forwarding | undefined;
  let watch: TableWatch | undefined;

  return {
    async table() {
      if (!forwarding) {
        assertFree(places, await routedBlocks(programs, places.linkPrefix));
        forwarding = turnOnForwarding(file);
        watch ??= watchTable(programs, places.name, onTableGone);
        log.info({ ...forwarding }, 'the machine forwards packets of tenants');
      }
      return { ...places, pool6: forwarding.ipv6 ? places.pool6 : undefined, guarded: forwarding.guarded };
    },
    isForwarding: () => forwarding !== undefined && isForwarding(forwarding),
    forwardAgain() {
      if (forwarding) forwarding = turnOnForwarding(file);
    },
    async clear() {
      watch?.close();
      watch = undefined;
      forwarding = undefined;
      if (!existsSync(file)) return;
      await removeTable(places.name);
      restoreForwarding(file);
    },
  };
}
