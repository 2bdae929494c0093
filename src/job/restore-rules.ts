import { RecordFault } from '../protocol/backup-records.ts';

/** A file, folder or link, as it is to be made. */
export interface Entry {
  /** One name, a character a byte. */
  name: string;
  mode: number;
  owner: number;
  /** Seconds of Unix time. */
  time: number;
  /** It has more names. */
  links?: number;
}

const maxNameBytes = 255;
const mostMode = 0o1777;
/** 2446: the last year of ext4. */
const latestUs = 15_032_385_535_000_000;

/** `owners`: so many users a tenant has. */
export function parseEntry(payload: Buffer, owners: number): Entry {
  const { name, mode, owner, modifiedUs, links } = parseJson(payload);
  const entry: Entry = {
    name: checkName(name),
    mode: checkNumber(mode, mostMode, 'mode'),
    owner: checkNumber(owner, owners - 1, 'owner'),
    // Half a microsecond more: as a floating point number it would be the one before.
    time: (clamp(checkNumber(modifiedUs, Number.MAX_SAFE_INTEGER, 'time', -Number.MAX_SAFE_INTEGER), 0, latestUs) + 0.5) / 1e6,
  };
  return links === undefined ? entry : { ...entry, links: checkNumber(links, 2 ** 32, 'links') };
}

export function parseHardLink(payload: Buffer): { name: string; links: number } {
  const { name, links } = parseJson(payload);
  return { name: checkName(name), links: checkNumber(links, 2 ** 32, 'links') };
}

/** Of one text in a record. */
export function parseText(payload: Buffer, key: string): string {
  const text = parseJson(payload)[key];
  if (typeof text === 'string' && text !== '' && text.length < 4_096 && isBytes(text) && !text.includes('\0')) return text;
  throw new RecordFault(`it has a ${key} that can be none`);
}

export function parseHole(payload: Buffer): number {
  if (payload.length !== 8) throw new RecordFault('it has a hole of no length');
  return Number(payload.readBigUInt64BE());
}

export function parseJson(payload: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(payload.toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, with the same words as other nonsense.
  }
  throw new RecordFault('a record of it is no JSON');
}

function checkName(name: unknown): string {
  const isName = typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && name.length <= maxNameBytes;
  if (isName && isBytes(name) && !/[/\0]/.test(name)) return name;
  throw new RecordFault(`${JSON.stringify(name)?.slice(0, 120)} is no name of a file in a folder`);
}

function isBytes(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- names may have any byte
  return /^[\u0000-\u00ff]*$/.test(text);
}

function checkNumber(value: unknown, most: number, what: string, least = 0): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new RecordFault(`it has a ${what} that can be none`);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
