/** An entry of the system's journal, as it takes them: https://systemd.io/JOURNAL_NATIVE_PROTOCOL. */

/** syslog(3). */
export const journalPriority = { warning: 4, info: 6 } as const;

export interface JournalEntry {
  /** What was printed: any bytes, any number of lines. */
  message: string;
  priority: number;
  identifier: string;
  /** Of names that tenantd chose. */
  fields: Readonly<Record<string, string>>;
}

/** Each value goes by its length: nothing in one can end it and begin a field of its own. */
export function formatJournalEntry({ message, priority, identifier, fields }: JournalEntry): Buffer {
  const all = { MESSAGE: message, PRIORITY: String(priority), SYSLOG_IDENTIFIER: identifier, ...fields };
  return Buffer.concat(Object.entries(all).map(([name, value]) => formatField(name, value)));
}

function formatField(name: string, text: string): Buffer {
  const value = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')]);
}
