import { createHash } from 'node:crypto';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import { type EgressLink, isLinkWhole, linksBeginningWith, makeLink, noteOnLink, removeLink } from '../privileged/egress-links.ts';
import {
  closeLines,
  keepLines,
  type EgressTable,
  openLines,
  removeTenantLines,
  tableLines,
  tenantLines,
  type TenantRules,
} from '../privileged/egress-rules.ts';
import { applyLines, type EgressUse, readTable, readUse } from '../privileged/egress-table.ts';
import type { OpenAddresses, TenantEgressNames } from '../protocol/resolver.ts';
import { createEgressDrift } from './egress-drift.ts';
import { createEgressGround } from './egress-ground.ts';
import { type EgressList, portsOf, toEgressList } from './egress-list.ts';
import { EgressOpenings } from './egress-openings.ts';
import { egressPlaces, gateway6Of, placeOf, type TenantPlace } from './egress-places.ts';
import { createEgressQueue } from './egress-queue.ts';
import { addressesToOpen } from './egress-requests.ts';
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
  /** What a tenant's counters came to: they go with its rules. */
  onLastUse?: (tenant: TenantName, use: EgressUse | undefined) => void;
}

/** A tenant that has something open. */
export interface OpenTenant {
  targets: TenantConfig['egress'];
  list: EgressList;
  rules: TenantRules;
  link: EgressLink;
  hasIpv6: boolean;
  openings: EgressOpenings;
}

/** Looks at what the daemon before left; changes nothing. */
export async function openEgress({ machine, config, uidOf, resolver, onLastUse }: EgressOptions): Promise<Egress> {
  const { programs } = machine;
  const places = egressPlaces(config.network.addresses, config.stateDir);
  const inTurn = createTurns();
  const ground = createEgressGround(machine, places, onTableGone);
  const tenants = new Map<TenantName, OpenTenant>();
  const left = await whatIsLeft();
  const untouched = new Set(left.keys());
  const { promise: takenUp, resolve: settle } = Promise.withResolvers<void>();
  touch();
  let use: ReadonlyMap<string, EgressUse> = new Map();
  let reading: Promise<void> | undefined;

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

  function linkOf({ link, address4, address6 }: TenantPlace, { gateway4, pool6 }: EgressTable, network: { path: string }): EgressLink {
    const ipv6 = pool6 === undefined ? undefined : { address: address6, gateway: gateway6Of(places) };
    return { name: link, network: network.path, address4, gateway4, ipv6 };
  }

  async function open(tenant: TenantName, network: { path: string }, targets: TenantConfig['egress']): Promise<OpenTenant> {
    const shared = await ground.table();
    const place = placeOf(places, uidOf(tenant) - config.uids.first);
    const link = linkOf(place, shared, network);
    const list = toEgressList(targets);
    const address6 = link.ipv6?.address;
    const rules: TenantRules = { tenant, link: place.link, address4: place.address4, address6, ...list };
    const before = tenants.get(tenant);
    const openings = before?.openings ?? new EgressOpenings();
    const names = hashOfNames(list);
    const kept = openings.keepOnly((name, port) => portsOf(list, name).includes(port), Date.now());
    const isSameNames = names === (before ? hashOfNames(before.list) : left.get(tenant));
    await applyLines([
      ...tableLines(shared),
      ...tenantLines(shared, rules),
      ...(isSameNames ? keepLines(shared, tenant, kept) : closeLines(shared, tenant, kept)),
    ]);
    if (!(await isLinkWhole(programs, link))) await makeLink(programs, link);
    await noteOnLink(programs, link.name, `${tenant} ${names}`);
    left.delete(tenant);
    return { targets, list, rules, link, openings, hasIpv6: link.ipv6 !== undefined };
  }

  async function close(tenant: TenantName): Promise<void> {
    if (!isThere(tenant)) return;
    const { link: name, ...place } = placeOf(places, uidOf(tenant) - config.uids.first);
    await removeLink(programs, name);
    const last = onLastUse && (await readUse(places.name).catch(() => undefined))?.get(tenant);
    const shared = await ground.table();
    await applyLines([...tableLines(shared), ...removeTenantLines(shared, { tenant, link: name, ...place })]);
    onLastUse?.(tenant, last);
    tenants.delete(tenant);
    left.delete(tenant);
    touch(tenant);
  }

  /** One look for all who ask at the same time. */
  async function lookAtUse(): Promise<void> {
    if (tenants.size + left.size > 0) use = await readUse(places.name).catch(() => use);
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

  /** By the lists of now: they may have changed since it was asked. */
  async function openAll(requests: readonly OpenAddresses[]): Promise<void> {
    const wanted = requests.map((request) => ({ request, addresses: addressesToOpen(tenants.get(request.tenant as TenantName), request) }));
    const shared = await ground.table();
    const lines = wanted.flatMap(({ request, addresses }) => openLines(shared, request.tenant, addresses));
    if (lines.length > 0) await applyLines(lines);
    for (const { request, addresses } of wanted)
      for (const address of addresses) tenants.get(request.tenant as TenantName)?.openings.note(request.name, address, Date.now());
  }

  /** The rules of all are gone, and every link is open: first the table that closes them, then what each has. */
  async function restore(): Promise<void> {
    // What listens for that was itself away for a moment, perhaps.
    if (await readTable(places.name)) return;
    machine.log.warn({ table: places.name }, 'the packet rules were taken away by another program: they are set again');
    await applyLines(tableLines(await ground.table()));
    for (const tenant of tenants.keys()) await mend(tenant);
  }

  async function mend(tenant: TenantName): Promise<void> {
    const known = tenants.get(tenant);
    if (!known) return;
    try {
      await set(tenant, { path: known.link.network }, known.targets);
    } catch (error) {
      // Closed, and looked at again.
      tenants.set(tenant, known);
      left.delete(tenant);
      throw error;
    }
  }

  function onTableGone(): void {
    inTurn(restore).catch((error: unknown) => machine.log.error({ error: messageOf(error) }, 'packet rules could not be set again'));
  }

  const queue = createEgressQueue(openAll, inTurn);
  const drift = createEgressDrift({ programs, places, ground, tenants });

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
    openAddresses: (request) => queue.add(request),
    useOf: (tenant) => (isThere(tenant) ? use.get(tenant) : undefined),
    readUse: () => (reading ??= lookAtUse().finally(() => (reading = undefined))),
    drift: (names) => inTurn(() => drift(names)),
    mend: (tenant) =>
      inTurn(() => {
        ground.forwardAgain();
        return mend(tenant);
      }),
    sweep: (isKnown) =>
      inTurn(async () => {
        for (const tenant of [...left.keys()] as TenantName[]) if (!isKnown(tenant)) await close(tenant);
        if (tenants.size === 0 && left.size === 0) await ground.clear();
      }),
    close: () => inTurn(() => ground.clear()),
  };
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
