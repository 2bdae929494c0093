// What carries out tenants' lists, alone, in the network namespace that this process is started in. Its first argument says where.
import { mkdirSync } from 'node:fs';
import { type Egress, openEgress } from '../../src/daemon/egress.ts';
import type { Machine } from '../../src/daemon/machine.ts';
import { createPaths } from '../../src/daemon/paths.ts';
import { findPrograms } from '../../src/privileged/programs.ts';

export interface EgressCall {
  method: 'set' | 'remove' | 'openAddresses' | 'drift' | 'mend' | 'sweep' | 'close';
  parameters: unknown[];
}

export type EgressAnswer = { result: unknown } | { error: string };

export function openTestEgress(directory: string): Promise<Egress> {
  const runDir = `${directory}/run`;
  mkdirSync(runDir, { recursive: true });
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const paths = createPaths({ tenantsDir: `${directory}/tenants`, stateDir: `${directory}/state`, runDir, logDir: `${directory}/logs` });
  const uids = { first: 100_000, count: 65_536 };
  const known = new Map<string, number>();
  return openEgress({
    // Nothing else of the machine is used for it.
    machine: { programs: findPrograms(), paths, log } as unknown as Machine,
    config: { network: { addresses: '10.213.0.0/16', resolvers: [] }, stateDir: paths.stateDir, uids },
    uidOf(tenant) {
      // The same for the same name, also in the next process.
      const uid = known.get(tenant) ?? uids.first + Number(/\d*$/.exec(tenant)?.[0] ?? 0);
      known.set(tenant, uid);
      return uid;
    },
    resolver: () => ({ setTenant: async () => {}, removeTenant: async () => {} }),
  });
}

if (import.meta.main) {
  const egress = await openTestEgress(process.argv[2] ?? '');
  process.on('message', (call: EgressCall) => void answer(call));
  process.send?.({ result: 'ready' } satisfies EgressAnswer);

  async function answer({ method, parameters }: EgressCall): Promise<void> {
    process.send?.(await carryOut(method, parameters));
  }

  async function carryOut(method: EgressCall['method'], parameters: unknown[]): Promise<EgressAnswer> {
    try {
      // No function comes over a channel between processes.
      const values = method === 'sweep' ? [() => false] : parameters;
      const result = await (egress[method] as (...values: unknown[]) => Promise<unknown>)(...values);
      return { result: result instanceof Map ? Object.fromEntries(result) : result };
    } catch (error) {
      return { error: error instanceof Error ? `${'code' in error ? String(error.code) : ''} ${error.message}` : String(error) };
    }
  }
}
