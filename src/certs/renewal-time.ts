import { createHash } from 'node:crypto';

/** Of a certificate: the lifetime runs from one to the other. */
export interface Validity {
  notBeforeMs: number;
  notAfterMs: number;
}

const renewAfterPart = 2 / 3;
/** Taken off, so that certificates issued in one night are not renewed in one night. */
const jitterPart = 1 / 20;

/** Two thirds of the lifetime, less up to a twentieth of it: `jitter` is from 0 to 1. */
export function renewAtMs({ notBeforeMs, notAfterMs }: Validity, jitter: number): number {
  const lifetimeMs = notAfterMs - notBeforeMs;
  return Math.round(notBeforeMs + lifetimeMs * (renewAfterPart - jitterPart * jitter));
}

/** From 0 up to 1, and the same for the same name: a restart changes nothing. */
export function jitterOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt32BE() / 2 ** 32;
}
