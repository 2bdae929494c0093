import { messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import { waivableLayers } from '../config/daemon-schema.ts';

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
          fix: waivableLayers.includes(layer)
            ? `mend the machine, or name "${layer}" in isolation.without of tenantd.yaml`
            : 'mend the machine',
        },
  );
  const waived = missing.filter(({ layer }) => isWaived(layer, without));
  return { problems, blocking: waived.length < missing.length, waived };
}

function isWaived(layer: string, without: readonly string[]): boolean {
  return waivableLayers.includes(layer) && without.includes(layer);
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
