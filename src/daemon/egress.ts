import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import { isPublicAddress } from '../base/public-address.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import { type Forwarding, restoreForwarding, turnOnForwarding } from '../privileged/egress-forwarding.ts';
import {
  type EgressLink,
  isLinkWhole,
  linksBeginningWith,
  makeLink,
  noteOnLink,
  removeLink,
  routedBlocks,
} from '../privileged/egress-links.ts';
import {
  closeLines,
  type EgressTable,
  openLines,
  removeTenantLines,
  tableLines,
  tenantLines,
  type TenantRules,
} from '../privileged/egress-rules.ts';
import { applyLines, type EgressUse, readUse, removeTable } from '../privileged/egress-table.ts';
import type { OpenAddresses, TenantEgressNames } from '../protocol/resolver.ts';
import { createEgressDrift } from './egress-drift.ts';
import { type EgressList, portsOf, toEgressList } from './egress-list.ts';
import { EgressOpenings } from './egress-openings.ts';
import { assertFree, egressPlaces, gateway6Of, placeOf, type TenantPlace } from './egress-places.ts';
import { createEgressQueue } from './egress-queue.ts';
import { createTurns } from './in-turn.ts';
import type { Machine } from './machine.ts';
import type { ResolverLink } from './resolver-link.ts';

/**
 * What tenants may reach beyond their own network.
 *
 * Invariants:
 * - A tenant's link is there only beside its rules: those come first, and go last.
 * - What fails leaves the tenant without a link, so with nothing.
 * - The table and the machine's forwarding stay from the first tenant that needs them to the daemon's orderly end.
 */
export interface Egress {
  /** Where tenants ask for names. */
  readonly nameServer: { host: string; port: number };
  /** Settles when nothing is as the daemon before left it. */
  readonly takenUp: Promise<void>;
  /** Something of it was left by the daemon before, or made by this one. */
  isThere(tenant: TenantName): boolean;
  /** Rejects with TENANTD_E_EGRESS; what was open is closed then. */
  set(tenant: TenantName, network: { path: string }, targets: TenantConfig['egress']): Promise<void>;
  remove(tenant: TenantName): Promise<void>;
  /** Rejects when none of the addresses may be told to the tenant. */
  openAddresses(request: OpenAddresses): Promise<void>;
  /** As it was at the last `readUse`. */
  useOf(tenant: TenantName): EgressUse | undefined;
  readUse(): Promise<void>;
  /** What is not as it was set, a sentence each, of each of these tenants that has something. */
  drift(tenants: readonly TenantName[]): Promise<Map<TenantName, string[]>>;
  /** Sets it all again. */
  mend(tenant: TenantName): Promise<void>;
  /** Takes away what is left of tenants that nobody knows. */
  sweep(isKnown: (tenant: TenantName) => boolean): Promise<void>;
  /** When all tenants are gone. */
  close(): Promise<void>;
}

export interface EgressOptions {
  machine: Machine;
  config: Pick<DaemonConfig, 'network' | 'stateDir' | 'uids'>;
  /** Made at the tenant's first use. */
  uidOf: (tenant: TenantName) => number;
  resolver: () => Pick<ResolverLink, 'setTenant' | 'removeTenant'>;
}

/** A tenant that has something open. */
export interface OpenTenant {
  targets: TenantConfig['egress'];
  list: EgressList;
  rules: TenantRules;
  link: EgressLink;
  openings: EgressOpenings;
}

/** A client that was told so may come a while after that. */
const graceSeconds = 60;

/** Looks at what the daemon before left; changes nothing. */
export async function openEgress({ machine, config, uidOf, resolver }: EgressOptions): Promise<Egress> {
  const { programs, paths } = machine;
  const places = egressPlaces(config.network.addresses, config.stateDir);
  const inTurn = createTurns();
  const tenants = new Map<TenantName, OpenTenant>();
  const left = await whatIsLeft();
  const untouched = new Set(left.keys());
  const { promise: takenUp, resolve: settle } = Promise.withResolvers<void>();
  touch();
  let use: ReadonlyMap<string, EgressUse> = new Map();
  let forwarding: Forwarding | undefined;

  /** By tenant, which names its link was made for; '' for one that has rules alone. */
  async function whatIsLeft(): Promise<Map<string, string>> {
    const links = await linksBeginningWith(programs, places.linkPrefix);
    const ruled = await readUse(places.name).catch(() => new Map<string, EgressUse>());
    return new Map([
      ...[...ruled.keys()].map((tenant) => [tenant, ''] as const),
      ...links.map(({ note }) => note.split(' ') as [string, string]),
    ]);
  }

  function touch(tenant = ''): void {
    untouched.delete(tenant);
    if (untouched.size === 0) settle();
  }

  async function table(): Promise<EgressTable> {
    if (!forwarding) {
      assertFree(places, await routedBlocks(programs, places.linkPrefix));
      forwarding = turnOnForwarding(paths.forwardingFile);
      machine.log.info({ ...forwarding }, 'the machine forwards packets of tenants');
    }
    return { ...places, pool6: forwarding.ipv6 ? places.pool6 : undefined, guarded: forwarding.guarded };
  }

  function linkOf({ link, address4, address6 }: TenantPlace, { gateway4, pool6 }: EgressTable, network: { path: string }): EgressLink {
    const ipv6 = pool6 === undefined ? undefined : { address: address6, gateway: gateway6Of(places) };
    return { name: link, network: network.path, address4, gateway4, ipv6 };
  }

  async function open(tenant: TenantName, network: { path: string }, targets: TenantConfig['egress']): Promise<OpenTenant> {
    const shared = await table();
    const place = placeOf(places, uidOf(tenant) - config.uids.first);
    const link = linkOf(place, shared, network);
    const list = toEgressList(targets);
    const address6 = link.ipv6?.address;
    const rules: TenantRules = { tenant, link: place.link, address4: place.address4, address6, ...list };
    const before = tenants.get(tenant);
    const openings = before?.openings ?? new EgressOpenings();
    const names = hashOfNames(list);
    const kept = openings.keepOnly((name, port) => portsOf(list, name).includes(port), Date.now());
    const opened = kept.filter(({ seconds }) => seconds > 0);
    const isSameNames = names === (before ? hashOfNames(before.list) : left.get(tenant));
    await applyLines([
      ...tableLines(shared),
      ...tenantLines(shared, rules),
      ...(isSameNames ? openLines(shared, tenant, opened) : closeLines(shared, tenant, kept)),
    ]);
    if (!(await isLinkWhole(programs, link))) await makeLink(programs, link);
    await noteOnLink(programs, link.name, `${tenant} ${names}`);
    left.delete(tenant);
    return { targets, list, rules, link, openings };
  }

  async function close(tenant: TenantName): Promise<void> {
    if (!isThere(tenant)) return;
    const { link: name, ...place } = placeOf(places, uidOf(tenant) - config.uids.first);
    await removeLink(programs, name);
    const shared = await table();
    await applyLines([...tableLines(shared), ...removeTenantLines(shared, { tenant, link: name, ...place })]);
    tenants.delete(tenant);
    left.delete(tenant);
    touch(tenant);
  }

  function isThere(tenant: TenantName): boolean {
    return tenants.has(tenant) || left.has(tenant);
  }

  async function set(tenant: TenantName, network: { path: string }, targets: TenantConfig['egress']): Promise<void> {
    try {
      const opened = await open(tenant, network, targets);
      tenants.set(tenant, opened);
      await tellResolver(tenant, opened);
    } catch (error) {
      tenants.delete(tenant);
      left.set(tenant, '');
      await removeLink(programs, placeOf(places, uidOf(tenant) - config.uids.first).link);
      throw toEgressError(error);
    } finally {
      touch(tenant);
    }
  }

  async function tellResolver(tenant: TenantName, { list, rules }: OpenTenant): Promise<void> {
    const names: TenantEgressNames['names'] = list.anyPublic ? 'any' : [...new Set(list.names.map(({ host }) => host))];
    if (names.length > 0) await resolver().setTenant({ tenant, addresses: [rules.address4], names });
    else await resolver().removeTenant(tenant);
  }

  const queue = createEgressQueue(async (opened) => {
    const shared = await table();
    await applyLines(opened.flatMap(({ tenant, addresses }) => openLines(shared, tenant, addresses)));
  }, inTurn);
  const drift = createEgressDrift({ programs, places, table, tenants });

  return {
    nameServer: { host: places.gateway4, port: places.dnsPort },
    takenUp,
    isThere,
    set: (tenant, network, targets) => inTurn(() => set(tenant, network, targets)),
    remove: (tenant) =>
      inTurn(async () => {
        await close(tenant).catch((error: unknown) => {
          throw toEgressError(error);
        });
        await resolver().removeTenant(tenant);
      }),
    async openAddresses({ tenant, name, addresses }) {
      const known = tenants.get(tenant as TenantName);
      if (known?.list.anyPublic) return;
      const ports = known ? portsOf(known.list, name) : [];
      if (!known || ports.length === 0)
        throw new TenantdError('TENANTD_E_DENIED', `${tenant} may not reach ${name}`, 'list it in tenant.yaml');
      const other = addresses.find(({ address }) => !isPublicAddress(address));
      if (other)
        throw new TenantdError('TENANTD_E_DENIED', `${name} has the address ${other.address}, which is not public`, 'list it as a block');
      const { ipv6 } = known.link;
      const wanted = addresses
        .filter(({ address }) => ipv6 !== undefined || !address.includes(':'))
        .flatMap(({ address, ttlSeconds }) => ports.map((port) => ({ address, port, seconds: ttlSeconds + graceSeconds })));
      if (wanted.length > 0) await queue.add({ tenant, addresses: wanted });
      for (const opening of wanted) known.openings.note(name, opening, Date.now());
    },
    useOf: (tenant) => (isThere(tenant) ? use.get(tenant) : undefined),
    async readUse() {
      if (tenants.size + left.size > 0) use = await readUse(places.name).catch(() => use);
    },
    drift: (names) => inTurn(() => drift(names)),
    mend: (tenant) =>
      inTurn(async () => {
        const known = tenants.get(tenant);
        if (known) await set(tenant, { path: known.link.network }, known.targets);
      }),
    sweep: (isKnown) =>
      inTurn(async () => {
        for (const tenant of [...left.keys()] as TenantName[]) if (!isKnown(tenant)) await close(tenant);
        if (tenants.size === 0 && left.size === 0) await closeAll();
      }),
    close: () => inTurn(closeAll),
  };

  async function closeAll(): Promise<void> {
    if (!existsSync(paths.forwardingFile)) return;
    await removeTable(places.name);
    forwarding = undefined;
    restoreForwarding(paths.forwardingFile);
  }
}

/** What is open for a tenant's names after the daemon's restart is for these alone. */
function hashOfNames({ names }: EgressList): string {
  return createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 16);
}

function toEgressError(error: unknown): TenantdError {
  if (error instanceof TenantdError) return error;
  const lines = messageOf(error).split('\n');
  const reason = lines.find((line) => line !== '' && !line.startsWith('Command failed'));
  return new TenantdError('TENANTD_E_EGRESS', `it reaches nothing: ${reason?.slice(0, 500) ?? ''}`, 'see tenantctl doctor', {
    cause: error,
  });
}
