import { messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';

/** An isolation layer (DESIGN: user, root, processes, syscalls, network, resources, disk) that this machine could not give, and why. */
export interface MissingLayer {
  layer: string;
  reason: string;
}

export interface LayerProblems {
  problems: Problem[];
  blocking: boolean;
  /** Missing, and allowed to be. */
  waived: MissingLayer[];
}

/** Without these a tenant still has a user and a root of its own; without the others there is no sandbox at all. */
const waivableLayers = new Set(['syscalls', 'network', 'resources', 'disk']);

/** Problems of every tenant for what the machine lacks; with `blocking`, no tenant may start (Invariant 5). */
export function layerProblems(missing: readonly MissingLayer[], without: readonly string[]): LayerProblems {
  const problems = missing.map(({ layer, reason }): Problem =>
    isWaived(layer, without)
      ? {
          code: 'TENANTD_E_LAYER_WAIVED',
          message: `runs without the layer "${layer}": ${reason}`,
          fix: 'mend the machine, then take it out of isolation.without',
        }
      : {
          code: 'TENANTD_E_LAYER_MISSING',
          message: `the layer "${layer}" can not be had: ${reason}`,
          fix: `mend the machine, or name "${layer}" in isolation.without of tenantd.yaml`,
        },
  );
  const waived = missing.filter(({ layer }) => isWaived(layer, without));
  return { problems, blocking: waived.length < missing.length, waived };
}

function isWaived(layer: string, without: readonly string[]): boolean {
  return waivableLayers.has(layer) && without.includes(layer);
}

/** Runs a probe of one layer; its failure is a missing layer, not an error. */
export async function probeLayer<Result>(
  layer: string,
  missing: MissingLayer[],
  probe: () => Result | Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await probe();
  } catch (error) {
    missing.push({ layer, reason: messageOf(error) });
    return undefined;
  }
}
