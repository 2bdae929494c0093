import { statSync } from 'node:fs';
import type { z } from 'zod';
import { TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { addDomains, type DomainEdit, removeDomains } from '../config/edit-tenant-domains.ts';
import { readPlainFile } from '../config/plain-file.ts';
import { limits } from '../config/scan.ts';
import { replaceFile } from '../privileged/operator-files.ts';
import type { controlCalls } from '../protocol/control.ts';
import type { DomainChangeResult } from '../protocol/certificate-calls.ts';
import type { Audited } from './audited.ts';
import type { Caller, ControlOperations } from './control-server.ts';
import type { DomainProofs } from './domain-proof.ts';
import type { createTurns } from './in-turn.ts';
import type { Paths } from './paths.ts';
import type { Store } from './store.ts';
import type { Tenant } from './tenant.ts';

export interface DomainOperationParts {
  paths: Paths;
  store: Pick<Store, 'domainOwners'>;
  audited: Audited;
  proofs: DomainProofs;
  tenantOf: (name: string) => Tenant;
  refresh: (tenant: TenantName) => Promise<void>;
  /** With all else that writes the operator's files. */
  inTurn: ReturnType<typeof createTurns>;
}

type Change = z.infer<(typeof controlCalls)['domain-add']>;
type Edit = (text: string, names: readonly string[], place: { file: string; tenant: TenantName }) => DomainEdit;

/**
 * Changes of the operator's files, one after the other: each is written whole, and read back as if the operator had written it.
 * One that would be a problem is refused, and changes nothing.
 */
export function createDomainOperations(parts: DomainOperationParts): Pick<ControlOperations, 'domain-add' | 'domain-remove'> {
  const { paths, store, audited, inTurn } = parts;

  async function tryEdit(tenant: TenantName, names: readonly string[], edit: Edit): Promise<{ file: string; edited: DomainEdit }> {
    const file = `${paths.tenantDirOf(tenant)}/tenant.yaml`;
    const { text, problem } = await readPlainFile(file, { maxBytes: limits.fileBytes });
    return { file, edited: problem ? { problems: [problem] } : edit(text, names, { file, tenant }) };
  }

  /** `foreseen`: what was looked at before its turn came. */
  async function carryOut(tenant: Tenant, names: readonly string[], edit: Edit, foreseen: readonly string[]): Promise<DomainChangeResult> {
    const { file, edited } = await tryEdit(tenant.name, names, edit);
    if (edited.text === undefined) throw refusal(edited.problems);
    const { text, changed, unchanged } = edited;
    // One that was there then, and was taken away meanwhile, was not proved.
    if (!changed.every((name) => foreseen.includes(name)))
      throw new TenantdError(
        'TENANTD_E_BUSY',
        `the domains of ${tenant.name} were changed at the same time`,
        'look at them, and try again',
      );
    if (changed.length > 0) {
      const { uid, gid, mode } = statSync(file);
      replaceFile(file, text, { uid, gid, mode: mode & 0o777 });
      await parts.refresh(tenant.name);
    }
    return { changed, unchanged, problems: [...(tenant.picture.desired()?.problems ?? [])] };
  }

  function operation(action: 'domain-add' | 'domain-remove', edit: Edit) {
    return async ({ tenant: name, names, dryRun = false }: Change, { actor, who }: Caller): Promise<DomainChangeResult> => {
      const tenant = parts.tenantOf(name);
      const foreseen = foresee((await tryEdit(tenant.name, names, edit)).edited);
      // Before its turn: other people's name servers take their time.
      const needsProof = action === 'domain-add' && who.role !== 'operator';
      const unproved = needsProof ? await parts.proofs.judge(tenant.name, foreseen.changed) : [];
      if (dryRun) return { ...foreseen, problems: [...foreseen.problems, ...unproved] };
      const look = (): unknown => ({ domains: tenant.picture.desired()?.config.domains.length ?? 0, names });
      return inTurn(() =>
        audited({ tenant: tenant.name, action, actor, look }, async () => {
          if (unproved.length > 0) throw refusal(unproved);
          return carryOut(tenant, names, edit, foreseen.changed);
        }),
      );
    };
  }

  /** A name that another tenant has would only become a problem of this one. */
  const addFree: Edit = (text, names, place) => {
    const edited = addDomains(text, names, place);
    const owners = store.domainOwners();
    const taken = (edited.text === undefined ? [] : edited.changed).filter((name) => (owners.get(name) ?? place.tenant) !== place.tenant);
    return taken.length > 0 ? { problems: taken.map((name) => takenProblem(name, place.file)) } : edited;
  };

  return { 'domain-add': operation('domain-add', addFree), 'domain-remove': operation('domain-remove', removeDomains) };
}

function foresee(edited: DomainEdit): DomainChangeResult {
  if (edited.text === undefined) return { changed: [], unchanged: [], problems: edited.problems };
  return { changed: edited.changed, unchanged: edited.unchanged, problems: [] };
}

function takenProblem(name: string, file: string): Problem {
  return { code: 'TENANTD_E_DOMAIN_TAKEN', message: `another tenant has the domain "${name}"`, fix: 'remove it there first', file };
}

function refusal(problems: readonly Problem[]): TenantdError {
  const [first] = problems;
  const list = (parts: string[]): string => [...new Set(parts)].join('; ');
  const message = list(problems.map((problem) => problem.message));
  return new TenantdError(first?.code ?? 'TENANTD_E_INTERNAL', message, list(problems.map(({ fix }) => fix)));
}
