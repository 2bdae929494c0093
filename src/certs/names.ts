import type { TenantName } from '../base/ids.ts';
import type { NameRecord } from './records.ts';
import { registrableDomainOf } from './registrable-domain.ts';
import { jitterOf, type Validity } from './renewal-time.ts';

/** What is kept in memory of a certificate; chain and key stay on disk. */
export interface CertificateSummary extends Validity {
  /** An ACME directory's URL, or `localIssuer`. */
  from: string;
  issuer: string;
  ariId?: string | undefined;
}

export interface NameEntry {
  readonly name: string;
  readonly domain: string;
  /** Of its renewals. */
  readonly jitter: number;
  tenant: TenantName;
  /** False while work on a name that nobody wants any more comes to its end. */
  wanted: boolean;
  /** Its records were read from disk. */
  loaded: boolean;
  phase: 'idle' | 'checking' | 'ordering';
  /** Goes first when it is due. */
  hinted: boolean;
  /** Due now, whatever it has. */
  forced: boolean;
  /** Tries in a row that failed by no fault of the name's: not kept on disk. */
  outsideFailures: number;
  record: NameRecord;
  certificate: CertificateSummary | undefined;
}

export interface NameChanges {
  added: NameEntry[];
  removed: NameEntry[];
}

const maxNames = 100_000;
/** As the configuration's domains; it is a file's name, too. */
const namePattern = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/**
 * Which names are wanted, by whom.
 *
 * Invariants:
 * - A snapshot takes effect as a whole, at its end; one that breaks off changes nothing.
 * - A name has one entry as long as somebody works on it, whoever wants it meanwhile.
 * - A name that moves between tenants is never lost: only the tenant that has it now can give it up.
 */
export class Names {
  readonly entries = new Map<string, NameEntry>();
  private incoming: Map<TenantName, readonly string[]> | undefined = undefined;

  beginSnapshot(): void {
    this.incoming = new Map();
  }

  abandonSnapshot(): void {
    this.incoming = undefined;
  }

  endSnapshot(): NameChanges {
    const wanted = this.incoming ?? new Map<TenantName, readonly string[]>();
    this.incoming = undefined;
    const tenants = new Set([...wanted.keys(), ...[...this.entries.values()].map(({ tenant }) => tenant)]);
    // Those that get names first: what moves on is not removed and added again.
    const inOrder = [...tenants].sort((a, b) => Number(wanted.has(b)) - Number(wanted.has(a)));
    const changes = inOrder.map((tenant) => this.replace(tenant, wanted.get(tenant) ?? []));
    return { added: changes.flatMap(({ added }) => added), removed: changes.flatMap(({ removed }) => removed) };
  }

  set(tenant: TenantName, names: readonly string[]): NameChanges {
    if (!this.incoming) return this.replace(tenant, names);
    this.incoming.set(tenant, names);
    return { added: [], removed: [] };
  }

  ofTenant(tenant: string): NameEntry[] {
    return this.wanted().filter((entry) => entry.tenant === tenant);
  }

  wanted(): NameEntry[] {
    return [...this.entries.values()].filter(({ wanted }) => wanted);
  }

  find(name: string): NameEntry | undefined {
    const entry = this.entries.get(name);
    return entry?.wanted ? entry : undefined;
  }

  /** Of an entry that nobody wants, when the work on it ended. */
  forget(entry: NameEntry): void {
    if (!entry.wanted && this.entries.get(entry.name) === entry) this.entries.delete(entry.name);
  }

  private replace(tenant: TenantName, names: readonly string[]): NameChanges {
    const listed = new Set(names.filter(isName));
    const removed = this.ofTenant(tenant).filter(({ name }) => !listed.has(name));
    for (const entry of removed) {
      entry.wanted = false;
      if (entry.phase === 'idle') this.forget(entry);
    }
    const added = [...listed].flatMap((name) => this.add(tenant, name) ?? []);
    return { added, removed };
  }

  /** Undefined when nothing is new. */
  private add(tenant: TenantName, name: string): NameEntry | undefined {
    const known = this.entries.get(name);
    if (known) {
      const isNew = !known.wanted || known.tenant !== tenant;
      Object.assign(known, { wanted: true, tenant });
      return isNew ? known : undefined;
    }
    if (this.entries.size >= maxNames) return undefined;
    const entry = makeEntry(tenant, name);
    this.entries.set(name, entry);
    return entry;
  }
}

export function isName(name: string): boolean {
  return name.length <= 253 && namePattern.test(name);
}

function makeEntry(tenant: TenantName, name: string): NameEntry {
  return {
    ...{ name, tenant, domain: registrableDomainOf(name), jitter: jitterOf(name) },
    ...{ wanted: true, loaded: false, phase: 'idle', hinted: false, forced: false, outsideFailures: 0 },
    record: { name, failures: 0 },
    certificate: undefined,
  };
}
