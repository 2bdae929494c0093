import { messageOf } from '../base/errors.ts';
import type { AppName } from '../base/ids.ts';
import type { ProbeResult } from '../protocol/probes.ts';
import type { Check } from '../protocol/verify.ts';
import type { LayerProblems } from './layers.ts';
import { runProbes } from './probe-run.ts';
import type { Tenant } from './tenant.ts';
import { type Decoys, openDecoys, type TargetParts, targetsFor } from './verify-targets.ts';

/** Attacks on purpose, out of sandboxes made like those of the tenants: one for each app that runs, and one for the tenant's user. */
export interface ProbeRunner {
  run(tenants: readonly Tenant[], progress: (done: number, total: number) => void): Promise<Check[]>;
}

interface Attack {
  tenant: Tenant;
  app: AppName | undefined;
}

/** More would only wait for the cores of a small machine, which its tenants need. */
const attacksAtOnce = 2;

export function createProbeRunner(parts: TargetParts & { layers: LayerProblems }): ProbeRunner {
  const isWaived = (layer: string): boolean => parts.layers.waived.some((missing) => missing.layer === layer);

  async function attack({ tenant, app }: Attack, decoys: Decoys): Promise<Check[]> {
    const subject = app === undefined ? 'its user' : `app ${app}`;
    try {
      const { spec, ...twin } = tenant.twinOf(app);
      // Not in a folder of the tenant's own, which it may have closed.
      const target = { ...twin, spec: { ...spec, workingDirectory: '/' } };
      const results = await runProbes(parts.machine, target, targetsFor(parts, tenant, decoys));
      return results.map((result) => toCheck(tenant.name, subject, result, isWaived(result.layer)));
    } catch (error) {
      const failed = { tenant: tenant.name, layer: 'root', id: 'probe.sandbox', subject, expected: 'attacks refused' };
      return [{ ...failed, actual: `no sandbox to attack from: ${messageOf(error)}`, ok: false, source: 'the start of a sandbox' }];
    }
  }

  return {
    async run(tenants, progress) {
      const waiting = tenants.flatMap(attacksOn);
      const total = waiting.length;
      const found: Check[][] = [];
      const decoys = await openDecoys();
      const work = async (): Promise<void> => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          found.push(await attack(next, decoys));
          progress(found.length, total);
        }
      };
      try {
        await Promise.all(Array.from({ length: attacksAtOnce }, work));
      } finally {
        decoys.close();
      }
      return found.flat();
    },
  };
}

/** A tenant of which nothing runs has nothing to be attacked. */
function attacksOn(tenant: Tenant): Attack[] {
  if (!tenant.host.isAlive() || !tenant.picture.desired()) return [];
  const apps = new Set(tenant.workers.all().map(({ app }) => app));
  return [undefined, ...apps].map((app) => ({ tenant, app }));
}

function toCheck(tenant: string, subject: string, { id, layer, attack, expected, outcome, ok }: ProbeResult, isWaived: boolean): Check {
  const check = { tenant, layer, id: `probe.${id}`, subject, expected, actual: outcome, ok, source: `errno of a probe that ${attack}` };
  return ok || !isWaived ? check : { ...check, waived: true };
}
