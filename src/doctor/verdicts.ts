import { messageOf, TenantdError } from '../base/errors.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { MachineCheck } from '../protocol/verify.ts';

/** What the checks are made for. */
export interface Examination {
  isRoot: boolean;
  /** As tenantd.yaml has it, or as it is without one. */
  config: DaemonConfig;
  /** An empty folder of our own, for what is tried; only with root. */
  directory: string;
}

/** One thing to look at, or to try. */
export interface Inspection {
  id: string;
  /** Needs root to be tried; others are told so. */
  needsRoot?: true;
  /** What is worse, or impossible, without it. */
  effect: string;
  fix: string;
  /** Answers with what was found; throws, or says how bad it is, when it is not there. */
  look: (examination: Examination) => Found | Promise<Found>;
  /** What it means when `look` throws. */
  otherwise: 'missing' | 'degraded';
}

/** A text is fine. */
export type Found = string | { verdict: 'missing' | 'degraded'; found: string; fix?: string; effect?: string };

export async function inspect(
  { id, needsRoot, effect, fix, look, otherwise }: Inspection,
  examination: Examination,
): Promise<MachineCheck> {
  if (needsRoot && !examination.isRoot) {
    return {
      id,
      verdict: 'degraded',
      found: 'not tried: that takes root',
      effect: 'nobody knows whether it works here',
      fix: 'sudo tenantctl doctor',
    };
  }
  try {
    const found = await look(examination);
    if (typeof found === 'string') return { id, verdict: 'ok', found, effect: '', fix: '' };
    return { id, effect, fix, ...found };
  } catch (error) {
    const known = error instanceof TenantdError ? error.fix : fix;
    return { id, verdict: otherwise, found: firstLines(messageOf(error)), effect, fix: known };
  }
}

/** Programs say much when they fail. */
function firstLines(text: string): string {
  return text.trim().split('\n').slice(0, 3).join('; ').slice(0, 300);
}
