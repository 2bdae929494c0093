/**
 * Between the daemon and `certs`. `certs` connects to `certsPaths.controlSocket` (certs-paths.ts), and again for ever when that
 * is lost; nothing else can open that directory. On each connection:
 *
 * 1. certs -> daemon: `hello`.
 * 2. daemon -> certs: `configure`, then `snapshot-begin`, one `set-names` a tenant, `snapshot-end`; later single `configure`,
 *    `set-names` and `remove-tenant` as things change. A snapshot that breaks off changes nothing: what was wanted before stays.
 * 3. certs -> daemon, after `snapshot-end`: every certificate that it has for a wanted name (`set-certificate`), then
 *    `certificates-complete`, then changes as they come. States are reported all the time (`report`).
 *
 * The daemon passes `set-certificate` on to the edges as `set-certificate` of edge.ts and need not keep it: `resend` makes certs
 * begin again with step 3. While it builds a snapshot for the edges it should hold `snapshot-end` back until
 * `certificates-complete`, or a while: edges forget the certificates that were not set before it.
 *
 * Names for which the daemon has the tenant's own certificate are left out of `set-names`.
 */
import { z } from 'zod';
import type { TenantName } from '../base/ids.ts';

/** What `certs` gets as argv[2], as JSON. Nothing secret: secrets come by `configure`. */
export interface CertsSettings {
  /** Instead of those in `certsPaths`, where there is no sandbox (tests). */
  controlSocket?: string;
  stateDir?: string;
}

export type AddressChallenge = 'http-01' | 'tls-alpn-01';

export interface AcmeDirectory {
  url: string;
  /** External account binding (RFC 8555, 7.3.4): key id, and the MAC key in base64url. */
  eab?: { keyId: string; macKey: string };
  /** Of the CA's certificate profiles, the one to order. Ignored where the CA does not offer it. */
  profile?: string;
}

/** Dynamic DNS updates (RFC 2136), signed by TSIG (RFC 8945) with hmac-sha256. */
export interface Rfc2136 {
  /** `address:port` of the zone's primary server; IPv6 in brackets. */
  server: string;
  /** The zone to update; when absent it is found by asking `server` for the SOA record. */
  zone?: string;
  keyName: string;
  /** In base64, as BIND's `tsig-keygen` prints it. */
  keySecret: string;
}

export interface AcmeConfiguration {
  /** In order of preference: the next one is tried when one can't or won't. */
  directories: readonly AcmeDirectory[];
  email?: string;
  /** PEM: whom to trust for the directories, besides the usual roots. With it they count as private CAs, asked for `.internal` names too. */
  caPem?: string;
  /** `address` or `address:port`; empty: the system's. */
  resolvers: readonly string[];
  /** What a domain must point to; empty: the machine's own public addresses, and no check where it has none. */
  publicAddresses: readonly string[];
  /** In order of preference; only those whose port the edges listen on. Empty: dns-01 alone. */
  challenges: readonly AddressChallenge[];
  /** A program and its first arguments; `present|cleanup _acme-challenge.NAME VALUE` is added. No shell. */
  dnsHook?: readonly string[];
  /** Goes before `dnsHook`. */
  rfc2136?: Rfc2136;
}

/** So many new orders in any time of that length, counted on disk: neither a restart nor a crash gives more. */
export interface OrderBudget {
  orders: number;
  windowMs: number;
}

/** Budgets of ACME orders; certificates of the local CA have none. */
export interface CertificateBudgets {
  perTenant: OrderBudget;
  /** `example.com` for all names below it, of all tenants. First orders alone: CAs do not count renewals here either. */
  perRegistrableDomain: OrderBudget;
  total: OrderBudget;
  /** Names that are worked on at once, of which one tenant gets at most half. */
  concurrentNames: number;
}

export interface CertsConfiguration {
  /** Absent: the local CA. */
  acme?: AcmeConfiguration;
  /** Absent: `defaultBudgets`. */
  budgets?: CertificateBudgets;
}

/** Below the limits that Let's Encrypt has: 300 orders in 3 hours an account, 50 certificates in 7 days a registrable domain. */
export const defaultBudgets: CertificateBudgets = {
  perTenant: { orders: 100, windowMs: 3 * 3_600_000 },
  perRegistrableDomain: { orders: 45, windowMs: 7 * 86_400_000 },
  total: { orders: 270, windowMs: 3 * 3_600_000 },
  concurrentNames: 16,
};

/** Daemon -> certs: notifications. */
export interface CertsNotifications {
  /** Replaces the configuration before. What is issued stays; a certificate of the local CA is replaced when ACME is configured. */
  configure: CertsConfiguration;
  'snapshot-begin': Record<string, never>;
  'snapshot-end': Record<string, never>;
  /** All names of one tenant: lower case, punycode, `*.` in front of a wildcard. Replaces what it had. */
  'set-names': { tenant: TenantName; names: readonly string[] };
  'remove-tenant': { tenant: TenantName };
  /** An edge saw a handshake for this name and had no certificate. It goes first when it is due; a name that nobody listed starts nothing. */
  'handshake-without-certificate': { name: string };
  /** Step 3 again. */
  resend: Record<string, never>;
}

/** Daemon -> certs: requests. */
export interface CertsRequests {
  /**
   * Try now: names that are failing or set aside, and, with `force`, those that are fine too. Budgets hold all the same. Answers
   * with the names that were made due; `name` absent means all names of the tenant.
   */
  renew: { params: { tenant: TenantName; name?: string; force: boolean }; result: { names: string[] } };
  /** Looks the name up in the DNS now; takes up to some ten seconds. Works for names that nobody listed, too. */
  'check-name': { params: { name: string }; result: NameCheck };
  /** The TXT records of a name; none when there is none. At most 64 of them. */
  'find-texts': { params: { name: string }; result: { texts: string[] } };
  /** In order of name; with `next`, ask again with `after: next`. */
  list: { params: { tenant?: TenantName; after?: string }; result: { names: NameStatus[]; next?: string } };
  /** Deletes what is kept of names that nobody wants. Answers with those that are still worked on: ask again. */
  'forget-names': { params: { names: readonly string[] }; result: { busy: string[] } };
  /** Makes the local CA if there is none yet. */
  'local-ca': { params: Record<string, never>; result: LocalCaInfo };
}

const nameText = z.string().min(1).max(253);
const sentence = z.string().max(2_048);
const timeMs = z.number().int().nonnegative();
const tenantText = z.string().min(1).max(32);

/**
 * - `waiting`: for its turn, a budget, a CA that answers, or its next try; `message` says which.
 * - `checking`: asking the DNS whether the name points here.
 * - `ordering`: the CA has the order. `renewing`: the same while a certificate is there.
 * - `issued`: nothing to do before `nextTryMs`.
 * - `failed`: the last try failed, the next one is at `nextTryMs`.
 * - `set-aside`: it failed so often that it is tried again when its DNS records change, or on request.
 */
const nameState = z.enum(['waiting', 'checking', 'ordering', 'issued', 'renewing', 'failed', 'set-aside']);
export type NameState = z.infer<typeof nameState>;

const nameStatus = z.strictObject({
  tenant: tenantText,
  name: nameText,
  state: nameState,
  /** Plain words: what goes on, or why there is no certificate yet. */
  message: sentence,
  /** Of the certificate that is served now. */
  issuer: z.string().max(512).optional(),
  notBeforeMs: timeMs.optional(),
  notAfterMs: timeMs.optional(),
  nextTryMs: timeMs.optional(),
  failures: z.number().int().nonnegative(),
  lastError: sentence.optional(),
  /** Something that the tenant's people should read now, as a problem of the tenant; nothing otherwise. */
  problem: z.strictObject({ kind: z.enum(['no-certificate', 'expires', 'expired']), message: sentence, fix: sentence }).optional(),
});
export type NameStatus = z.infer<typeof nameStatus>;

const dnsRecord = z.strictObject({ name: nameText, type: z.enum(['A', 'AAAA', 'CNAME', 'CAA', 'TXT']), value: z.string().max(1_024) });
export type DnsRecord = z.infer<typeof dnsRecord>;

const nameCheck = z.strictObject({
  name: nameText,
  /** `unknown`: the resolvers did not answer, or it is not known what the name should point to. */
  verdict: z.enum(['points-here', 'behind-proxy', 'elsewhere', 'no-records', 'forbidden-by-caa', 'loop', 'unknown']),
  /** One of these must be found: empty where the machine's public addresses are not known. */
  expected: z.array(dnsRecord).max(128),
  found: z.array(dnsRecord).max(128),
  /** What the verdict means and what to do, a sentence each. */
  findings: z.array(sentence).max(16),
});
export type NameCheck = z.infer<typeof nameCheck>;

const localCaInfo = z.strictObject({
  /** PEM. On disk it is `localCaFile` below the state directory. */
  certificate: z.string().max(65_536),
  subject: z.string().max(512),
  /** SHA-256, upper case, with colons. */
  fingerprint: z.string().max(128),
  notAfterMs: timeMs,
});
export type LocalCaInfo = z.infer<typeof localCaInfo>;

const certificate = z.strictObject({
  tenant: tenantText,
  /** The name it is for; one tenant's certificates are told apart by it. */
  id: nameText,
  names: z.array(nameText).min(1).max(100),
  /** PEM, the leaf first. */
  chain: z.string().max(131_072),
  /** PEM, PKCS #8. */
  key: z.string().max(16_384),
  issuer: z.string().max(512),
  notBeforeMs: timeMs,
  notAfterMs: timeMs,
});
export type IssuedCertificate = z.infer<typeof certificate>;

const challenge = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('http-01'),
    host: nameText,
    /** base64url, as in `/.well-known/acme-challenge/TOKEN`. */
    token: z.string().regex(/^[\w-]{1,512}$/),
    /** The answer's whole body. */
    keyAuthorization: z.string().regex(/^[\w.-]{1,1024}$/),
  }),
  /** Served for handshakes with this name that offer the protocol `acme-tls/1` (RFC 8737). */
  z.strictObject({ type: z.literal('tls-alpn-01'), host: nameText, chain: z.string().max(16_384), key: z.string().max(16_384) }),
]);
export type EdgeChallenge = z.infer<typeof challenge>;

/** Certs -> daemon: notifications. Checked by the daemon. */
export const certsEvents = {
  /** First message on every connection. */
  hello: z.strictObject({ version: z.string().max(64) }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']), message: z.string().max(4_096) }),
  /** So many were set since `snapshot-end` or `resend`. */
  'certificates-complete': z.strictObject({ count: z.number().int().nonnegative() }),
};

/** Certs -> daemon: requests. Checked by the daemon; each is answered with null. */
export const certsCalls = {
  /** To be passed on, opaque, to the edges. At most 16 of them wait for their answer. Setting an id again replaces it. */
  'set-certificate': certificate,
  'remove-certificate': z.strictObject({ tenant: tenantText, id: nameText }),
  /** Answered when every edge serves it: the CA is told right after. One host has at most one of each type. */
  'set-challenge': challenge,
  'remove-challenge': z.strictObject({ type: z.enum(['http-01', 'tls-alpn-01']), host: nameText }),
  /** What changed, each name's newest state alone; names that are no longer wanted are not reported. One at a time. */
  report: z.strictObject({ names: z.array(nameStatus).max(200) }),
};

/** Results of `CertsRequests`. Checked by the daemon. */
export const certsResults = {
  renew: z.strictObject({ names: z.array(nameText).max(10_000) }),
  'check-name': nameCheck,
  'find-texts': z.strictObject({ texts: z.array(z.string().max(65_536)).max(64) }),
  list: z.strictObject({ names: z.array(nameStatus).max(500), next: nameText.optional() }),
  'forget-names': z.strictObject({ busy: z.array(nameText).max(10_000) }),
  'local-ca': localCaInfo,
};
