import { isHostName } from '../dns/names.ts';
import type { QueryCounters, TenantEgressNames } from '../protocol/resolver.ts';
import type { Lookup } from './lookups.ts';
import { QueryBudget } from './query-budget.ts';

/** Never on the internet (RFC 6761, RFC 6762, RFC 7686, RFC 8375, and ICANN's `internal`): what answers is in the operator's network. */
const privateSuffixes = ['localhost', 'local', 'internal', 'home.arpa', 'onion', 'invalid'];

/** The daemon refused, or is away for long: a tenant that asks all the time must not keep it busy. */
const pauseAfterFailureMs = 1_000;

/** A tenant as the resolver knows it. */
export class ClientTenant {
  readonly name: string;
  readonly budget: QueryBudget;
  readonly counters: QueryCounters;
  private settings: TenantEgressNames;
  private exact: ReadonlySet<string> = new Set();
  private opened = new WeakMap<Lookup, Promise<boolean>>();

  constructor(settings: TenantEgressNames, nowMs: () => number) {
    this.name = settings.tenant;
    this.budget = new QueryBudget(nowMs);
    this.counters = { tenant: settings.tenant, queries: 0, refusedNames: 0, refusedAnswers: 0, dropped: 0 };
    this.settings = settings;
    this.update(settings);
  }

  get addresses(): readonly string[] {
    return this.settings.addresses;
  }

  /** Every name is its business, and every public address open to it. */
  get isOpen(): boolean {
    return this.settings.names === 'any';
  }

  /** The packet rules may be new: what was opened is opened again. */
  update(settings: TenantEgressNames): void {
    this.settings = settings;
    this.exact = new Set(settings.names === 'any' ? [] : settings.names);
    this.opened = new WeakMap();
  }

  mayAsk(name: string): boolean {
    if (!isHostName(name)) return false;
    return this.isOpen ? isPublicName(name) : this.exact.has(name) || this.hasWildcardOver(name);
  }

  /** Once for each lookup, while it lasts; again when it failed, after a pause. */
  async openOnce(lookup: Lookup, open: () => Promise<boolean>): Promise<boolean> {
    const { opened } = this;
    const known = opened.get(lookup);
    if (known) return known;
    if (!this.budget.mayOpen()) return false;
    const opening = open();
    opened.set(lookup, opening);
    const isOpen = await opening;
    if (!isOpen) setTimeout(() => opened.delete(lookup), pauseAfterFailureMs);
    return isOpen;
  }

  private hasWildcardOver(name: string): boolean {
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) if (this.exact.has(`*${name.slice(dot)}`)) return true;
    return false;
  }
}

function isPublicName(name: string): boolean {
  return name.includes('.') && !privateSuffixes.some((suffix) => name === suffix || name.endsWith(`.${suffix}`));
}
