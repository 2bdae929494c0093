import type { NameEntry } from './names.ts';
import { localIssuer } from './records.ts';
import { renewAtMs } from './renewal-time.ts';

/** Between looks at the DNS of a name that was set aside. */
export const lookAgainMs = 3_600_000;

/** When there is something to do for a name; Infinity for one that is set aside. `usesAcme`: it should have a certificate by ACME. */
export function dueAtMs(entry: NameEntry, usesAcme: boolean): number {
  if (entry.forced) return 0;
  if (entry.record.setAsideAt !== undefined) return Infinity;
  return Math.max(wishedAtMs(entry, usesAcme), entry.record.nextTryMs ?? 0);
}

function wishedAtMs({ jitter, certificate, record }: NameEntry, usesAcme: boolean): number {
  if (!certificate || (usesAcme && certificate.from === localIssuer)) return 0;
  const { renewal } = record;
  if (renewal && renewal.ariId === certificate.ariId) return renewal.atMs;
  return renewAtMs(certificate, jitter);
}
