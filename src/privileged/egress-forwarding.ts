import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** What the machine forwards. */
export interface Forwarding {
  ipv6: boolean;
  /** From these it passed nothing on before, and rules see to it that this stays so. Empty where it was a router already. */
  guarded: { ipv4: readonly string[]; ipv6: readonly string[] };
}

interface Recorded extends Forwarding {
  /** What was changed, and what it was before: files below /proc/sys/net. */
  before: [file: string, value: string][];
}

const base = '/proc/sys/net';
const switches = { ipv4: 'ipv4/ip_forward', ipv6: 'ipv6/conf/all/forwarding' } as const;

/**
 * Has the machine pass packets on, where it does not yet. What was before is kept in a file, from one daemon to the next; at a boot
 * both are gone. Throws where that is not allowed.
 */
export function turnOnForwarding(file: string): Forwarding {
  const none: Recorded = { ipv6: hasIpv6(), guarded: { ipv4: [], ipv6: [] }, before: [] };
  const record = familiesOf(readRecord(file) ?? none).reduce(withSwitch, readRecord(file) ?? none);
  writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  for (const [setting] of record.before) write(setting, setting.endsWith('accept_ra') ? '2' : '1');
  return record;
}

/** Somebody may have turned it off. */
export function isForwarding(forwarding: Forwarding): boolean {
  return familiesOf(forwarding).every((family) => read(switches[family]) === '1');
}

export function restoreForwarding(file: string): void {
  for (const [setting, value] of readRecord(file)?.before.toReversed() ?? []) if (existsSync(`${base}/${setting}`)) write(setting, value);
  rmSync(file, { force: true });
}

function familiesOf({ ipv6 }: Forwarding): ('ipv4' | 'ipv6')[] {
  return ipv6 ? ['ipv4', 'ipv6'] : ['ipv4'];
}

/** With what has to be changed for this family, if it is not there yet. */
function withSwitch(record: Recorded, family: 'ipv4' | 'ipv6'): Recorded {
  const setting = switches[family];
  const isKnown = record.before.some(([file]) => file === setting);
  if (isKnown || read(setting) === '1') return record;
  const changed = [...(family === 'ipv6' ? advertisedInterfaces() : []), setting];
  const guarded = { ...record.guarded, [family]: interfaces().filter((name) => name !== 'lo') };
  return { ...record, guarded, before: [...record.before, ...changed.map((file): [string, string] => [file, read(file)])] };
}

/** A router does not take its own way out from router advertisements, unless it is told to (`accept_ra` 2). */
function advertisedInterfaces(): string[] {
  return interfaces()
    .map((name) => `ipv6/conf/${name}/accept_ra`)
    .filter((setting) => existsSync(`${base}/${setting}`) && read(setting) === '1');
}

function hasIpv6(): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  return addresses.some(({ family, internal, scopeid }) => family === 'IPv6' && !internal && scopeid === 0);
}

/** But for those with names that nft(8) would not take as such. */
function interfaces(): string[] {
  return readdirSync(`${base}/ipv4/conf`).filter((name) => name !== 'all' && name !== 'default' && /^[\w.:@-]+$/.test(name));
}

function read(setting: string): string {
  return readFileSync(`${base}/${setting}`, 'utf8').trim();
}

function write(setting: string, value: string): void {
  if (read(setting) !== value) writeFileSync(`${base}/${setting}`, value);
}

function readRecord(file: string): Recorded | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Recorded) : undefined;
}
