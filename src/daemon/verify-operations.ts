import { createHash } from 'node:crypto';
import { hostname, release } from 'node:os';
import type { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { controlCalls } from '../protocol/control.ts';
import type { Check, VerifyProgressEvent, VerifyResult } from '../protocol/verify.ts';
import type { Caller } from './control-server.ts';
import type { Tenant } from './tenant.ts';
import { isFailure } from './verify-drift.ts';
import type { Verifier } from './verify-passes.ts';
import type { ProbeRunner } from './verify-probes.ts';

type Params = z.infer<typeof controlCalls.verify>;

/** `verify`: what is read back from the kernel, then what was tried from inside. */
export function createVerifyOperations(parts: {
  verifier: Verifier;
  probes: ProbeRunner;
  config: () => DaemonConfig;
  tenantOf: (name: string) => Tenant;
  tenants: () => Tenant[];
}) {
  const { verifier, probes, tenantOf, tenants, config } = parts;
  /** Tenants whose people have it run. */
  const underWay = new Set<string>();

  /** One look is taken at a time, and attacks take the machine's cores: of one tenant's people nobody waits behind more than one. */
  async function verifyInTurn(params: Params, caller: Caller): Promise<VerifyResult> {
    const { who } = caller;
    if (who.role === 'operator') return verify(params, caller);
    if (underWay.has(who.tenant))
      throw new TenantdError('TENANTD_E_BUSY', `${who.tenant} is being verified already`, 'wait until that has ended');
    underWay.add(who.tenant);
    try {
      return await verify(params, caller);
    } finally {
      underWay.delete(who.tenant);
    }
  }

  async function verify({ tenant: name, passive = false }: Params, { channel }: Caller): Promise<VerifyResult> {
    const only = name === undefined ? undefined : tenantOf(name);
    const wanted = only ? [only] : tenants();
    const checks = await verifier.look(only?.name);
    const progress = (done: number, total: number): void => {
      const event: VerifyProgressEvent = { done, total };
      channel.notify('verify-progress', event);
    };
    if (!passive) checks.push(...(await probes.run(wanted, progress)));
    return {
      ok: !checks.some(isFailure),
      checks: checks.sort(byTenant),
      time: new Date().toISOString(),
      ...{ version, host: hostname(), kernel: release() },
      configurations: {
        '': hashOf(config()),
        ...Object.fromEntries(wanted.map((tenant) => [tenant.name, hashOf(tenant.picture.desired()?.config)])),
      },
    };
  }

  return { verify: verifyInTurn };
}

/** Stable within: what is of one sandbox stays together. */
function byTenant(a: Check, b: Check): number {
  if (a.tenant === b.tenant) return 0;
  return a.tenant < b.tenant ? -1 : 1;
}

function hashOf(configuration: unknown): string {
  const text = JSON.stringify(configuration ?? null, (_, value: unknown) => (value instanceof Map ? [...value] : value));
  return createHash('sha256').update(text).digest('hex');
}
