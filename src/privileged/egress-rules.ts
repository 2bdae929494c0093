import { isIP, isIPv4 } from 'node:net';
import { TenantdError } from '../base/errors.ts';
import { closedBlocks } from '../base/public-address.ts';

/** What all tenants' rules share. */
export interface EgressTable {
  /** Of the one nftables table, family inet. */
  name: string;
  /** Begins the name of each link's end on the machine. */
  linkPrefix: string;
  pool4: string;
  gateway4: string;
  /** Where the resolver listens, on `gateway4`; tenants ask port 53. */
  dnsPort: number;
  /** Undefined: the machine has no IPv6. */
  pool6: string | undefined;
  /** Interfaces from which the machine passed nothing on before tenantd made it do so, and is not to now. */
  guarded: { ipv4: readonly string[]; ipv6: readonly string[] };
}

/** One port, by TCP and UDP, of all addresses of a block: `10.0.0.0/8`, or an address alone. Blocks of one list do not overlap. */
export interface Opening {
  block: string;
  port: number;
}

export interface TenantRules {
  tenant: string;
  /** The machine's end of its link. */
  link: string;
  address4: string;
  address6: string | undefined;
  /** Opened whatever they are: private addresses, the machine's own. */
  named: readonly Opening[];
  /** Of these only public addresses. */
  wide: readonly Opening[];
  /** All public addresses and ports. */
  anyPublic: boolean;
}

/** An address that a name had: open for new connections so long, and for those that use it as long as they do. */
export interface OpenAddress {
  address: string;
  port: number;
  seconds: number;
}

/** A connection that is silent for so long is cut, if its address is no longer open for new ones. */
const silentConnectionLimit = '1d';
/** So that one tenant can fill neither the machine's connection table nor its memory. */
const limits = { connections: 2_000, lookups: 500, openAddresses: 4_096, usedAddresses: 16_384 } as const;

/** Sets of all tenants: nft(8) asks for every set by itself, at each of its starts, and braces in a rule would make one more each. */
const tcpOrUdp = 'meta l4proto @transports';
const messages = 'meta l4proto @messages';
const neighbours = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }';
/** What the kernel of any network says now and then; it is nobody's attempt. */
const chatter = 'icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report, mld-listener-done }';

/**
 * The table without any tenant, as lines for nft(8); over one that is there it changes nothing but what differs.
 *
 * A packet of a tenant passes `sources` (it has the address of its link), then `to-machine` or `to-world`, and there the tenant's own
 * chain. What no rule lets through is dropped: a link without a tenant's rules is closed.
 */
export function tableLines(table: EgressTable): string[] {
  const { name, gateway4, dnsPort, pool4, pool6 } = table;
  const ours = `"${table.linkPrefix}*"`;
  return [
    `add table inet ${name}`,
    ...setLines(table, 'closed4', 'type ipv4_addr; flags interval;', closedBlocks.ipv4),
    ...setLines(table, 'transports', 'type inet_proto;', ['tcp', 'udp']),
    ...setLines(table, 'messages', 'type inet_proto;', ['icmp', 'ipv6-icmp']),
    ...setLines(table, 'closed6', 'type ipv6_addr; flags interval;', closedBlocks.ipv6),
    ...(['ipv4', 'ipv6'] as const).flatMap((family) =>
      setLines(table, `guarded-${family}`, 'type ifname;', table.guarded[family].map(quote)),
    ),
    `add set inet ${name} sources4 { type ifname . ipv4_addr; }`,
    `add set inet ${name} sources6 { type ifname . ipv6_addr; }`,
    ...['received', 'refusals'].map((map) => `add map inet ${name} ${map} { type ifname : counter; }`),
    ...['to-world-of', 'to-machine-of'].map((map) => `add map inet ${name} ${map} { type ifname : verdict; }`),
    ...chainLines(table, 'sources { type filter hook prerouting priority raw; policy accept; }', [
      `iifname != ${ours} return`,
      'iifname . ip saddr @sources4 accept',
      'iifname . ip6 saddr @sources6 accept',
      `${neighbours} ip6 hoplimit 255 accept`,
      `${chatter} drop`,
      'counter name iifname map @refusals',
      'drop',
    ]),
    ...chainLines(table, 'lookups { type nat hook prerouting priority dstnat; policy accept; }', [
      `iifname ${ours} ip daddr ${gateway4} meta l4proto { tcp, udp } th dport 53 dnat ip to ${gateway4}:${dnsPort}`,
    ]),
    ...chainLines(table, 'to-machine { type filter hook input priority filter; policy accept; }', [
      `iifname != ${ours} return`,
      `${neighbours} accept`,
      `${chatter} drop`,
      'iifname vmap @to-machine-of',
      'drop',
    ]),
    ...chainLines(table, 'to-world { type filter hook forward priority filter; policy accept; }', [
      // Tenants never reach one another, whatever a list says.
      `iifname ${ours} oifname ${ours} counter name iifname map @refusals`,
      `iifname ${ours} oifname ${ours} meta l4proto tcp reject with tcp reset`,
      `iifname ${ours} oifname ${ours} drop`,
      `iifname ${ours} tcp flags syn tcp option maxseg size set rt mtu`,
      'iifname vmap @to-world-of',
      `iifname ${ours} drop`,
      // Answers alone. What a tenant sends is looked at packet by packet, so a closed connection ends here too.
      `oifname ${ours} ct state established,related accept`,
      `oifname ${ours} drop`,
      ...['ipv4', 'ipv6'].map(
        (family) => `meta nfproto ${family} iifname @guarded-${family} ct state != { established, related } ct status ! dnat drop`,
      ),
    ]),
    ...chainLines(table, 'to-tenants { type filter hook postrouting priority filter; policy accept; }', [
      `oifname ${ours} counter name oifname map @received`,
    ]),
    ...chainLines(table, 'translation { type nat hook postrouting priority srcnat; policy accept; }', [
      `ip saddr ${pool4} oifname != ${ours} masquerade`,
      ...(pool6 === undefined ? [] : [`ip6 saddr ${pool6} oifname != ${ours} masquerade`]),
    ]),
  ];
}

/** A tenant's rules, in place of those that it had; its counters and the addresses that its names opened stay. */
export function tenantLines(table: EgressTable, rules: TenantRules): string[] {
  assertRules(rules);
  const { tenant, link, address4, address6 } = rules;
  const { name, gateway4, dnsPort } = table;
  const families = familiesOf(table);
  const names = objectNames(tenant);
  return [
    ...[names.sent, names.received, names.refused].map((counter) => `add counter inet ${name} ${counter}`),
    ...families.flatMap(({ type, version, isOf }) => [
      ...setLines(
        table,
        names.set('named', version),
        `type ${type} . inet_service; flags interval;`,
        rules.named.filter(isOf).map(toElement),
      ),
      ...setLines(
        table,
        names.set('wide', version),
        `type ${type} . inet_service; flags interval;`,
        rules.wide.filter(isOf).map(toElement),
      ),
      `add set inet ${name} ${names.set('open', version)} { type ${type} . inet_service; flags timeout; size ${limits.openAddresses}; }`,
      `add set inet ${name} ${names.set('used', version)} { type ${type} . inet_service; flags dynamic,timeout; size ${limits.usedAddresses}; }`,
    ]),
    ...chainLines(table, names.refuse, [
      `counter name ${names.refused}`,
      // A connection that was closed by a change ends at once, and not after its retries.
      'meta l4proto tcp ct state established reject with tcp reset',
      // Linux takes this error for a passing one when it comes in answer to a connection's first packet, and by IPv6.
      'meta nfproto ipv6 meta l4proto tcp reject with tcp reset',
      // The kernel sends one of these a second to each address; whatever is more must not wait for it.
      'limit rate 1/second burst 5 packets reject with icmpx admin-prohibited',
      'meta l4proto tcp reject with tcp reset',
      'drop',
    ]),
    ...chainLines(table, names.pass, [
      `ct state new ct count over ${limits.connections} goto ${names.refuse}`,
      `counter name ${names.sent} accept`,
    ]),
    ...chainLines(table, names.toMachine, [
      `ip daddr ${gateway4} ${tcpOrUdp} th dport ${dnsPort} ct state new ct count over ${limits.lookups} drop`,
      // All tenants' questions come into one socket's buffer: the resolver's own limit is behind it.
      `ip daddr ${gateway4} ${tcpOrUdp} th dport ${dnsPort} limit rate over 1000/second burst 2000 packets drop`,
      `ip daddr ${gateway4} ${tcpOrUdp} th dport ${dnsPort} accept`,
      `${messages} ct state related accept`,
      ...families.map((family) => `${tcpOrUdp} ${family.target} @${names.set('named', family.version)} goto ${names.pass}`),
      `goto ${names.refuse}`,
    ]),
    ...chainLines(table, names.toWorld, [
      `${messages} ct state related accept`,
      `meta l4proto != @transports goto ${names.refuse}`,
      ...families.map((family) => `${family.target} @${names.set('named', family.version)} goto ${names.pass}`),
      ...families.map(({ destination, version }) => `${destination} @closed${version} goto ${names.refuse}`),
      ...(rules.anyPublic ? [`goto ${names.pass}`] : families.flatMap((family) => listLines(names, family))),
      ...(rules.anyPublic ? [] : [`goto ${names.refuse}`]),
    ]),
    `add element inet ${name} sources4 { "${link}" . ${address4} }`,
    ...(address6 === undefined ? [] : [`add element inet ${name} sources6 { "${link}" . ${address6} }`]),
    `add element inet ${name} received { "${link}" : "${names.received}" }`,
    `add element inet ${name} refusals { "${link}" : "${names.refused}" }`,
    `add element inet ${name} to-world-of { "${link}" : goto ${names.toWorld} }`,
    `add element inet ${name} to-machine-of { "${link}" : goto ${names.toMachine} }`,
  ];
}

/** Works for one that has none, or only a part of them, too. */
export function removeTenantLines(table: EgressTable, rules: Pick<TenantRules, 'tenant' | 'link' | 'address4' | 'address6'>): string[] {
  const { name } = table;
  const names = objectNames(rules.tenant);
  const whole = tenantLines(table, { ...rules, named: [], wide: [], anyPublic: false });
  const elements = whole.filter((line) => line.startsWith('add element'));
  const chains = [names.toWorld, names.toMachine, names.pass, names.refuse];
  const sets = familiesOf(table).flatMap(({ version }) =>
    (['named', 'wide', 'open', 'used'] as const).map((set) => names.set(set, version)),
  );
  return [
    // nft of before 1.0.8 can not delete what may not be there.
    ...whole,
    ...elements.map((line) => line.replace('add', 'delete')),
    ...chains.map((chain) => `flush chain inet ${name} ${chain}`),
    ...chains.map((chain) => `delete chain inet ${name} ${chain}`),
    ...sets.map((set) => `delete set inet ${name} ${set}`),
    ...[names.sent, names.received, names.refused].map((counter) => `delete counter inet ${name} ${counter}`),
  ];
}

/** Adding an element again does not renew its time. */
export function openLines({ name }: EgressTable, tenant: string, addresses: readonly OpenAddress[]): string[] {
  return addresses.flatMap(({ address, port, seconds }) => {
    assertOpening({ block: address, port });
    const set = objectNames(tenant).set('open', isIPv4(address) ? 4 : 6);
    const element = `${address} . ${port}`;
    return [
      `add element inet ${name} ${set} { ${element} }`,
      `delete element inet ${name} ${set} { ${element} }`,
      `add element inet ${name} ${set} { ${element} timeout ${Math.ceil(seconds)}s }`,
    ];
  });
}

/** Has what names opened as it is to be, and connections there go on; changes nothing of what is open besides. */
export function keepLines(table: EgressTable, tenant: string, kept: readonly OpenAddress[]): string[] {
  const names = objectNames(tenant);
  const used = kept.map(({ address, port }) => {
    const set = names.set('used', isIPv4(address) ? 4 : 6);
    return `add element inet ${table.name} ${set} { ${address} . ${port} timeout ${silentConnectionLimit} }`;
  });
  return [
    ...used,
    ...openLines(
      table,
      tenant,
      kept.filter(({ seconds }) => seconds > 0),
    ),
  ];
}

/** Closes all that names opened but `kept`. */
export function closeLines(table: EgressTable, tenant: string, kept: readonly OpenAddress[]): string[] {
  const names = objectNames(tenant);
  const sets = familiesOf(table).flatMap(({ version }) => [names.set('open', version), names.set('used', version)]);
  return [...sets.map((set) => `flush set inet ${table.name} ${set}`), ...keepLines(table, tenant, kept)];
}

/** A `.` is in no tenant's name, and none of these is a word of nft's. */
export function objectNames(tenant: string) {
  return {
    sent: `${tenant}.sent`,
    received: `${tenant}.received`,
    refused: `${tenant}.refused`,
    refuse: `${tenant}.refuse`,
    pass: `${tenant}.pass`,
    toMachine: `${tenant}.to-machine`,
    toWorld: `${tenant}.to-world`,
    set: (kind: 'named' | 'wide' | 'open' | 'used', version: number) => `${tenant}.${kind}${version}`,
  };
}

/** `used` holds where connections are: they go on when the time of a name's answer is over. New ones ask `open` alone. */
function listLines(names: ReturnType<typeof objectNames>, { target, version }: Family): string[] {
  const [wide, open, used] = (['wide', 'open', 'used'] as const).map((kind) => names.set(kind, version));
  const use = `update @${used} { ${target} timeout ${silentConnectionLimit} } goto ${names.pass}`;
  return [
    `${target} @${wide} goto ${names.pass}`,
    `ct state established ${target} @${used} ${use}`,
    `${target} @${open} ${use}`,
    // `used` may be full.
    `${target} @${open} goto ${names.pass}`,
  ];
}

type Family = ReturnType<typeof familyOf>;

function familiesOf({ pool6 }: EgressTable): Family[] {
  return [familyOf(4), ...(pool6 === undefined ? [] : [familyOf(6)])];
}

function familyOf(version: 4 | 6) {
  const destination = version === 4 ? 'ip daddr' : 'ip6 daddr';
  return {
    version,
    type: version === 4 ? 'ipv4_addr' : 'ipv6_addr',
    destination,
    target: `${destination} . th dport`,
    isOf: ({ block }: Opening) => block.includes(':') === (version === 6),
  };
}

function setLines({ name }: EgressTable, set: string, type: string, elements: readonly string[]): string[] {
  const filled = elements.length === 0 ? [] : [`add element inet ${name} ${set} { ${elements.join(', ')} }`];
  return [`add set inet ${name} ${set} { ${type} }`, `flush set inet ${name} ${set}`, ...filled];
}

function chainLines({ name }: EgressTable, chain: string, rules: readonly string[]): string[] {
  const [chainName = ''] = chain.split(' ');
  return [
    `add chain inet ${name} ${chain}`,
    `flush chain inet ${name} ${chainName}`,
    ...rules.map((rule) => `add rule inet ${name} ${chainName} ${rule}`),
  ];
}

function quote(text: string): string {
  return `"${text}"`;
}

function toElement({ block, port }: Opening): string {
  return `${block} . ${port}`;
}

/** Each of these becomes a part of nft's language. */
function assertRules({ tenant, link, address4, address6, named, wide }: TenantRules): void {
  const fits =
    /^[a-z][a-z0-9-]{0,31}$/.test(tenant) &&
    /^[a-z0-9]{1,15}$/.test(link) &&
    isIPv4(address4) &&
    (address6 === undefined || isPlainAddress(address6));
  if (!fits) refuse(`${tenant} ${link} ${address4} ${address6 ?? ''}`);
  for (const opening of [...named, ...wide]) assertOpening(opening);
}

function assertOpening({ block, port }: Opening): void {
  const [, address = ''] = /^([^/]*)(?:\/\d{1,3})?$/.exec(block) ?? [];
  const fits = isPlainAddress(address) && Number.isInteger(port) && port > 0 && port < 65_536;
  if (!fits) refuse(`${block} ${port}`);
}

/** isIP takes any text after a `%` for a zone. */
function isPlainAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

function refuse(what: string): never {
  throw new TenantdError('TENANTD_E_INTERNAL', `refused to make packet rules of ${what}`, 'report this as a fault of tenantd');
}
