import { createHash, hkdfSync, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { TenantdError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import { type BackupHeader, parseBackupHeader } from '../protocol/backup-header.ts';

export interface BackupKeys {
  /** Of the chunks. Without a passphrase everybody has it: then it only finds damage. */
  chunks: Buffer;
  /** What the daemon seals secrets with; undefined without a passphrase. */
  secrets: Buffer | undefined;
}

const magic = 'tenantd-backup';
export const backupFormat = 1;
const saltBytes = 16;
const checkBytes = 16;
/** scrypt (RFC 7914): 128 MiB and some tenths of a second for each guess. */
const cost = 2 ** 17;
const blockSize = 8;

export function makeHeader(tenant: string, passphrase: string | undefined, nowMs: number): { text: string; keys: BackupKeys } {
  const header: BackupHeader = { version, createdAt: new Date(nowMs).toISOString(), tenant };
  if (passphrase === undefined) return finish(header, undefined);
  const salt = randomBytes(saltBytes);
  const master = masterOf(passphrase, salt, cost);
  const check = derive(master, salt, 'check').subarray(0, checkBytes).toString('base64');
  return finish({ ...header, key: { salt: salt.toString('base64'), cost, check } }, master);
}

function finish(header: BackupHeader, master: Buffer | undefined): { text: string; keys: BackupKeys } {
  const line = JSON.stringify(header);
  return { text: `${magic} ${backupFormat}\n${line}\n${hashOf(line)}\n`, keys: keysOf(line, header, master) };
}

/** The lines that a backup begins with. Throws TENANTD_E_BACKUP for what is none, or none that this version knows. */
export function parseHeader([first = '', line = '', hash = '']: readonly string[]): { header: BackupHeader; line: string } {
  const format = /^tenantd-backup (\d{1,6})$/.exec(first)?.[1];
  if (format === undefined) throw refused('it is no backup of tenantd', 'name a file that `tenantctl tenant backup` made');
  if (Number(format) !== backupFormat) {
    const message = `it is of format ${format}, and this tenantd knows format ${backupFormat}`;
    throw refused(message, 'restore it with the tenantd that made it, or a newer one');
  }
  if (hashOf(line) !== hash) throw refused('it is damaged at its beginning', 'use another copy of it');
  const header = parseBackupHeader(line);
  if (!header) throw refused('it begins in a way that this tenantd does not know', 'restore it with the tenantd that made it');
  return { header, line };
}

/** Throws TENANTD_E_PASSPHRASE when it is another one. */
export function openKeys(line: string, header: BackupHeader, passphrase: string | undefined): BackupKeys {
  const { key } = header;
  if (!key) return keysOf(line, header, undefined);
  if (passphrase === undefined) throw noPassphrase;
  const salt = Buffer.from(key.salt, 'base64');
  const master = masterOf(passphrase, salt, key.cost);
  const check = derive(master, salt, 'check').subarray(0, checkBytes);
  if (timingSafeEqual(check, Buffer.from(key.check, 'base64'))) return keysOf(line, header, master);
  throw new TenantdError(
    'TENANTD_E_PASSPHRASE',
    'that is not the passphrase that it was made with',
    'nothing was changed: try another one',
  );
}

export const noPassphrase: TenantdError = new TenantdError(
  'TENANTD_E_PASSPHRASE',
  'it was made with a passphrase',
  'give it: on a terminal it is asked for, else --passphrase-file',
);

function keysOf(line: string, { key }: BackupHeader, master: Buffer | undefined): BackupKeys {
  const id = createHash('sha256').update(line).digest();
  if (!master || !key) return { chunks: derive(id, id, 'chunks'), secrets: undefined };
  return { chunks: derive(master, id, 'chunks'), secrets: derive(master, Buffer.from(key.salt, 'base64'), 'secrets') };
}

function masterOf(passphrase: string, salt: Buffer, workFactor: number): Buffer {
  return scryptSync(passphrase.normalize('NFC'), salt, 32, { N: workFactor, r: blockSize, p: 1, maxmem: 256 * workFactor * blockSize });
}

function derive(secret: Buffer, salt: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, `tenantd backup ${purpose}`, 32));
}

function hashOf(line: string): string {
  return createHash('sha256').update(line).digest('hex');
}

export function refused(message: string, fix: string): TenantdError {
  return new TenantdError('TENANTD_E_BACKUP', message, `nothing was changed: ${fix}`);
}
