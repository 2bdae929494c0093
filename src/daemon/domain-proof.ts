import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import type { CertsLink } from './certs-link.ts';
import type { Store } from './store.ts';

/** The operator is taken at its word; who comes with a token has to show that a name is its tenant's. */
export interface DomainProofs {
  /** What is wrong with each name, a problem for each that is not to be had. */
  judge(tenant: TenantName, names: readonly string[]): Promise<Problem[]>;
}

/** Each is a question to resolvers, which may take seconds. */
const maxNames = 100;
const atOnce = 16;

export function createDomainProofs(parts: {
  certs: Pick<CertsLink, 'request'> | undefined;
  store: Pick<Store, 'domainOwners' | 'domainProofs'>;
}): DomainProofs {
  const { certs, store } = parts;

  /** Undefined when it is there. */
  async function findFault(name: string, value: string): Promise<string | undefined> {
    if (!certs) throw new TenantdError('TENANTD_E_NO_HTTPS', 'names are looked up only where https is configured', operatorFix);
    try {
      const { texts } = await certs.request('find-texts', { name });
      return texts.includes(value) ? undefined : '';
    } catch (error) {
      return `: ${messageOf(error)}`;
    }
  }

  async function judgeName(tenant: TenantName, name: string): Promise<Problem | undefined> {
    const record = { name: `_tenantd.${bareOf(name)}`, value: store.domainProofs.valueOf(tenant) };
    const fault = await findFault(record.name, record.value);
    if (fault === undefined) return undefined;
    return {
      code: 'TENANTD_E_DOMAIN_PROOF',
      message: `nothing in the DNS shows yet that "${name}" is ${tenant}'s${fault}`,
      fix: `set this record, and try again in some minutes: ${record.name} TXT "${record.value}"`,
    };
  }

  return {
    async judge(tenant, names) {
      if (names.length > maxNames) throw tooMany();
      const owners = store.domainOwners();
      const entangled = names.filter((name) => isEntangled(name, tenant, owners));
      if (entangled.length > 0) return entangled.map(entangledProblem);
      const problems: Problem[] = [];
      for (let at = 0; at < names.length; at += atOnce) {
        const judged = await Promise.all(names.slice(at, at + atOnce).map((name) => judgeName(tenant, name)));
        problems.push(...judged.filter((problem) => problem !== undefined));
      }
      return problems;
    },
  };
}

/** Below a name that another tenant has, or a wildcard over one: who has the DNS of both may be the same, or not. */
export function isEntangled(name: string, tenant: TenantName, owners: ReadonlyMap<string, TenantName>): boolean {
  const isAnothers = (other: string): boolean => (owners.get(other) ?? tenant) !== tenant;
  const above = namesAbove(name);
  if (above.some((other) => isAnothers(other) || isAnothers(`*.${other}`))) return true;
  return name.startsWith('*.') && [...owners].some(([other, owner]) => owner !== tenant && other.endsWith(name.slice(1)));
}

/** `b.example` and `example` of `a.b.example` and of `*.b.example`. */
function namesAbove(name: string): string[] {
  const labels = name.split('.').slice(1);
  return labels.map((_, index) => labels.slice(index).join('.'));
}

/** RFC 8555, 8.4 has it so, too: a wildcard is proved by the name that it is over. */
function bareOf(name: string): string {
  return name.replace(/^\*\./, '');
}

const operatorFix = 'ask the operator of the machine to add it';

function entangledProblem(name: string): Problem {
  return {
    code: 'TENANTD_E_DOMAIN_PROOF',
    message: `"${name}" is below a domain of another tenant, or over one`,
    fix: operatorFix,
  };
}

function tooMany(): TenantdError {
  const message = `more than ${maxNames} names can not be proved at once`;
  return new TenantdError('TENANTD_E_TOO_MANY', message, `add ${maxNames} at a time, or ask the operator of the machine`);
}
