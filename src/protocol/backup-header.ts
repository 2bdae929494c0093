/** What a backup begins with, in its file: the format, then this as one line of JSON, then that line's SHA-256. */
import { z } from 'zod';

/** Newer versions may add to it. */
const schema = z.object({
  /** Of the tenantd that made it. */
  version: z.string().max(64),
  createdAt: z.string().max(64),
  tenant: z.string().max(64),
  /** Absent: there is no passphrase. */
  key: z
    .strictObject({ salt: z.base64().length(24), cost: z.literal([2 ** 15, 2 ** 16, 2 ** 17, 2 ** 18]), check: z.base64().length(24) })
    .exactOptional(),
});

export type BackupHeader = z.infer<typeof schema>;

/** Undefined for what is none. */
export function parseBackupHeader(line: string): BackupHeader | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
