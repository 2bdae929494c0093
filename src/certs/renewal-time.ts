import { createHash } from 'node:crypto';

/** Of a certificate: the lifetime runs from one to the other. */
export interface Validity {
  notBeforeMs: number;
  notAfterMs: number;
}

const renewAfterPart = 2 / 3;
/** Taken off, so that certificates issued in one night are not renewed in one night. */
const jitterPart = 1 / 20;

/** Two thirds of the lifetime, less up to a twentieth that depends on `name` alone: a restart changes nothing. */
export function renewAtMs({ notBeforeMs, notAfterMs }: Validity, name: string): number {
  const lifetimeMs = notAfterMs - notBeforeMs;
  return Math.round(notBeforeMs + lifetimeMs * (renewAfterPart - jitterPart * fractionOf(name)));
}

/** From 0 up to 1, the same for the same text. */
function fractionOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;
}
