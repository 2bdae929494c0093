/**
 * Between the daemon and the resolver of tenants' names. The resolver connects to `resolverPaths.controlSocket` (resolver-paths.ts),
 * and again for ever when that is lost; nothing else can open that directory. On each connection:
 *
 * 1. resolver -> daemon: `hello`.
 * 2. daemon -> resolver: `configure`, then `snapshot-begin`, one `set-tenant` a tenant, `snapshot-end`; later single `configure`,
 *    `set-tenant` and `remove-tenant` as things change. A snapshot that breaks off changes nothing: what was there before stays.
 *    A daemon that was just started may say `set-tenant` of some before it knows all: then the others stay as they were.
 *
 * Before it answers a tenant that has a list, the resolver has the addresses opened (`open-addresses`). It asks for one answer's
 * addresses once, as long as that answer lasts, and not before the daemon said something of the tenant, or all. After `set-tenant`, and after `snapshot-end`, it asks for all of them again: the
 * daemon sends `set-tenant` whenever what was opened may be closed (a new list, rules that were mended).
 */
import { z } from 'zod';
import type { TenantName } from '../base/ids.ts';

/** What the resolver gets as argv[2], as JSON. */
export interface ResolverSettings {
  /** Instead of the one in `resolverPaths`, where there is no sandbox (tests). */
  controlSocket?: string;
}

export interface DnsAddress {
  /** An IP address, IPv6 without brackets. */
  host: string;
  port: number;
}

export interface ResolverConfiguration {
  /** Where tenants ask, by UDP and TCP. One that can't be had yet (the address comes with the first tenant's link) is tried again. */
  listen: readonly DnsAddress[];
  /** The machine's own resolvers, in order. */
  upstreams: readonly DnsAddress[];
}

export interface TenantEgressNames {
  tenant: TenantName;
  /** The source addresses of its packets, as inet_ntop(3) writes them. Packet rules see to it that nobody else can use them. */
  addresses: readonly string[];
  /** Lower case, punycode; `*.` in front of a wildcard. `any`: every public name, and no address is opened for it. */
  names: readonly string[] | 'any';
}

/** Daemon -> resolver: notifications. */
export interface ResolverNotifications {
  configure: ResolverConfiguration;
  'snapshot-begin': Record<string, never>;
  'snapshot-end': Record<string, never>;
  'set-tenant': TenantEgressNames;
  'remove-tenant': { tenant: TenantName };
}

const tenantText = z.string().min(1).max(32);
/** As it was asked for: not checked by anybody. */
const foreignText = z.string().max(320);
const count = z.number().int().nonnegative();

const queryCounters = z.strictObject({
  tenant: tenantText,
  queries: count,
  /** For names that its list does not have. */
  refusedNames: count,
  lastRefusedName: foreignText.optional(),
  /** Answers that were withheld: private addresses, or the machine's own. The last one as `NAME ADDRESS`. */
  refusedAnswers: count,
  lastRefusedAnswer: foreignText.optional(),
  /** Not answered: too many at once. */
  dropped: count,
});
/** Counted since the resolver began. */
export type QueryCounters = z.infer<typeof queryCounters>;

/** Resolver -> daemon: notifications. Checked by the daemon. */
export const resolverEvents = {
  /** First message on every connection. */
  hello: z.strictObject({ version: z.string().max(64) }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']), message: z.string().max(4_096) }),
  /** Of tenants that asked something since the last one; at most once a second. */
  counters: z.strictObject({ tenants: z.array(queryCounters).max(1_000) }),
};

/** Resolver -> daemon: requests. Checked by the daemon; each is answered with null, or an error. */
export const resolverCalls = {
  /**
   * Answered when packets to all of them pass, for at least `ttlSeconds`, on the ports that the list has for the name. An error
   * means that none may be told to the tenant: the name is not on its list, or an address is not a public one.
   */
  'open-addresses': z.strictObject({
    tenant: tenantText,
    name: z.string().min(1).max(253),
    addresses: z.array(z.strictObject({ address: z.union([z.ipv4(), z.ipv6()]), ttlSeconds: z.number().int().min(1).max(3_600) })).max(32),
  }),
};
export type OpenAddresses = z.infer<(typeof resolverCalls)['open-addresses']>;
