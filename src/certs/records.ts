import { z } from 'zod';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { StateFiles } from './state-files.ts';

/** What lies on disk, a JSON document a file; all of it is checked again when it is read. */

export const localIssuer = 'local-ca';

const timeMs = z.number().int().nonnegative();

const certificateRecord = z.object({
  name: z.string(),
  /** The ACME directory's URL, or `localIssuer`. */
  from: z.string(),
  chain: z.string(),
  key: z.string(),
  /** RFC 9773, 4.1: how the CA's renewal information knows it. */
  ariId: z.string().optional(),
});
export type CertificateRecord = z.infer<typeof certificateRecord>;

const pendingOrder = z.object({
  directory: z.string(),
  url: z.string(),
  /** The certificate's key to be, PEM: on disk before the CA signs anything for it. */
  key: z.string(),
  placedMs: timeMs,
  /** A TXT record that may still be in the zone. */
  dnsRecord: z.object({ name: z.string(), value: z.string() }).optional(),
});
export type PendingOrder = z.infer<typeof pendingOrder>;

/** The CA's wish when to renew (RFC 9773, 4.2), and the moment in it that was drawn. */
const renewalWindow = z.object({ ariId: z.string(), startMs: timeMs, endMs: timeMs, atMs: timeMs, askAgainMs: timeMs });
export type RenewalWindow = z.infer<typeof renewalWindow>;

const nameRecord = z.object({
  name: z.string(),
  failures: z.number().int().nonnegative().default(0),
  lastError: z.string().optional(),
  nextTryMs: timeMs.optional(),
  /** What its DNS answered when it was set aside; empty when it answered nothing. */
  setAsideAt: z.string().optional(),
  lookAgainMs: timeMs.optional(),
  order: pendingOrder.optional(),
  renewal: renewalWindow.optional(),
});
export type NameRecord = z.infer<typeof nameRecord>;

const accountRecord = z.object({ directory: z.string(), key: z.string(), url: z.string().optional() });
export type AccountRecord = z.infer<typeof accountRecord>;

const schemas = { certificates: certificateRecord, names: nameRecord, accounts: accountRecord };
type Folder = keyof typeof schemas;
type RecordOf<F extends Folder> = z.infer<(typeof schemas)[F]>;

export const recordFolders: readonly Folder[] = ['certificates', 'names', 'accounts'];

export class Records {
  private readonly files: StateFiles;
  private readonly log: Log;

  constructor(files: StateFiles, log: Log) {
    this.files = files;
    this.log = log;
  }

  /** Undefined when there is none, or none that can be read: that one is moved aside, and the name starts anew. */
  async read<F extends Folder>(folder: F, name: string): Promise<RecordOf<F> | undefined> {
    const text = await this.files.read(folder, fileNameOf(name));
    if (text === undefined) return undefined;
    try {
      return schemas[folder].parse(JSON.parse(text)) as RecordOf<F>;
    } catch (error) {
      this.log.error({ folder, name }, `a record of ${name} is broken and was moved aside: ${messageOf(error).slice(0, 200)}`);
      await this.files.setBroken(folder, fileNameOf(name));
      return undefined;
    }
  }

  async write<F extends Folder>(folder: F, name: string, record: RecordOf<F>): Promise<void> {
    await this.files.write(folder, fileNameOf(name), JSON.stringify(record));
  }

  /** All of one name, if there is any. */
  async remove(name: string): Promise<void> {
    for (const folder of ['certificates', 'names'] as const) await this.files.remove(folder, fileNameOf(name));
  }

  /** Records of names that nobody has wanted for so long that their certificates have expired. */
  async removeOld(wanted: Iterable<string>, beforeMs: number): Promise<void> {
    const files = new Set([...wanted].map(fileNameOf));
    for (const folder of ['certificates', 'names'] as const) await this.files.removeOld(folder, beforeMs, (file) => files.has(file));
  }
}

/** `*` is the only character of a name that shells mind; `_` is in no host name, and as long. */
function fileNameOf(name: string): string {
  return name.replace('*', '_');
}
