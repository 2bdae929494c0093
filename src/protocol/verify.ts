/** What `tenantctl verify` and `tenantctl doctor` answer (INTERFACE 2). */

/** One promise, and what was found. */
export interface Check {
  /** '' for the parts of tenantd itself. */
  tenant: string;
  /** A name of `isolationLayers`. */
  layer: string;
  /** `user.capabilities`, `probe.mount`: the same for every sandbox. */
  id: string;
  /** Which sandbox: `worker site.x3k9ab`, `host`; '' when it is about the whole tenant. */
  subject: string;
  expected: string;
  actual: string;
  ok: boolean;
  /** Where the fact was read: a file of the kernel, or a probe's errno. Never the configuration. */
  source: string;
  /** The operator lets this machine do without the layer (`isolation.without`): not ok, and no failure of `verify`. */
  waived?: true;
}

export interface VerifyResult {
  /** Every check is ok, or waived. */
  ok: boolean;
  checks: Check[];
  /** When it was found: ISO 8601, UTC. */
  time: string;
  version: string;
  host: string;
  kernel: string;
  /** SHA-256 of what was to be compared with: of the daemon's configuration for '', of the tenant's in force otherwise. */
  configurations: Record<string, string>;
}

/** While `verify` runs. */
export interface VerifyProgressEvent {
  /** Sandboxes with probes in them. */
  done: number;
  total: number;
}

/** `missing`: no tenant can run without it. `degraded`: something is worse without it. */
export type MachineVerdict = 'ok' | 'degraded' | 'missing';

/** One thing that a machine offers, or does not. */
export interface MachineCheck {
  /** `kernel.version`, `network.nftables`. */
  id: string;
  verdict: MachineVerdict;
  /** As it was found. */
  found: string;
  /** What is worse without it; '' when it is there. */
  effect: string;
  fix: string;
}

export interface DoctorResult {
  /** Nothing that is needed is missing. */
  ok: boolean;
  checks: MachineCheck[];
  time: string;
  version: string;
  host: string;
}
