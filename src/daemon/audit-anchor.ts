import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { z } from 'zod';
import type { AuditHead } from '../protocol/audit-chain.ts';

/** The last record's sequence and hash, kept apart from the trail: by it, a trail whose end was cut off is known. */
export interface AuditAnchor {
  /** Undefined: none was kept yet. */
  kept(): AuditHead | undefined;
  keep(head: AuditHead): void;
}

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
/** Written in place, in one sector: with a full disk too, and without a wait. One that is behind the trail is as good. */
const fileBytes = 128;
const format = z.object({ sequence: z.number().int().positive(), hash: z.string().regex(/^[0-9a-f]{64}$/) });

export function createAuditAnchor(file: string): AuditAnchor {
  let head = readHead(file);

  return {
    kept: () => head,
    keep(next) {
      head = next;
      const fd = openSync(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
      try {
        writeSync(fd, `${JSON.stringify(next).padEnd(fileBytes - 1)}\n`, 0);
      } finally {
        closeSync(fd);
      }
    },
  };
}

function readHead(file: string): AuditHead | undefined {
  try {
    const fd = openSync(file, constants.O_RDONLY | O_NOFOLLOW);
    try {
      const text = Buffer.alloc(fileBytes);
      return format.parse(JSON.parse(text.toString('utf8', 0, readSync(fd, text, 0, fileBytes, 0))));
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined; // Missing, or torn by a power cut: the next record is kept again.
  }
}
