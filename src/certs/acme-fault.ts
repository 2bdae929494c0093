import { z } from 'zod';
import { TryFault } from './try-fault.ts';

const typePrefix = 'urn:ietf:params:acme:error:';

export interface AcmeProblem {
  /** 0: there was no answer. */
  status: number;
  /** Of RFC 8555, 6.7, without its prefix; `unreachable` and `none` are ours. */
  type: string;
  detail: string;
  retryAfterMs?: number | undefined;
}

/** What a CA answered instead of what it was asked for. */
export class AcmeFault extends Error {
  override readonly name = 'AcmeFault';
  readonly status: number;
  readonly type: string;
  readonly retryAfterMs: number | undefined;

  constructor({ status, type, detail, retryAfterMs }: AcmeProblem) {
    super(detail);
    this.status = status;
    this.type = type;
    this.retryAfterMs = retryAfterMs;
  }
}

const problemDocument = z.object({
  type: z.string().default(''),
  detail: z.string().default(''),
  subproblems: z.array(z.object({ type: z.string().default(''), detail: z.string().default('') })).default([]),
});

/** RFC 7807; undefined for an answer that is no fault. */
export function parseProblem(status: number, data: unknown, retryAfterMs?: number): AcmeFault | undefined {
  if (status < 400) return undefined;
  const document = problemDocument.safeParse(data);
  if (!document.success) return new AcmeFault({ status, type: 'none', detail: `the CA answered with status ${status}`, retryAfterMs });
  return new AcmeFault({ status, ...describeProblem(document.data), retryAfterMs });
}

/** Of a challenge's or an order's `error`. */
export function readError(error: unknown): { type: string; detail: string } {
  const document = problemDocument.safeParse(error);
  return document.success ? describeProblem(document.data) : { type: 'none', detail: 'it gave no reason' };
}

function describeProblem({ type, detail, subproblems }: z.infer<typeof problemDocument>): { type: string; detail: string } {
  const [first] = subproblems;
  const more = first && first.detail !== detail ? ` (${first.detail})` : '';
  return { type: shortType((type.endsWith(':compound') && first?.type) || type), detail: `${detail}${more}`.slice(0, 1_000) };
}

function shortType(type: string): string {
  return type.startsWith(typePrefix) ? type.slice(typePrefix.length) : 'none';
}

/** RFC 9110, 10.2.3: seconds, or a date. */
export function parseRetryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  // `Date.parse` takes "-5" for a year.
  const atMs = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** The name alone is meant, and another CA may think otherwise. */
const refusals = new Set(['rejectedIdentifier', 'unsupportedIdentifier', 'caa', 'rateLimited', 'invalidProfile', 'badCSR']);
/** RFC 8555, 6.7: the CA could not see what it wanted to see at the name. */
const proofs = new Set(['unauthorized', 'dns', 'connection', 'tls', 'incorrectResponse']);

/** In the words of the people who wait for the certificate. */
export function toTryFault(error: unknown, ca: string): unknown {
  if (!(error instanceof AcmeFault)) return error;
  const { type, message, retryAfterMs } = error;
  const options = { cause: error, retryAfterMs };
  if (refusals.has(type)) return new TryFault('refused', `${ca} refuses: ${message}`, options);
  return new TryFault('ca', `${ca} does not work: ${message}`, options);
}

/** Why a challenge failed. */
export function toProofFault(error: unknown, challenge: string, ca: string): TryFault {
  const { type, detail } = readError(error);
  if (refusals.has(type)) return new TryFault('refused', `${ca} refuses: ${detail}`);
  if (type === 'serverInternal') return new TryFault('ca', `${ca} does not work: ${detail}`);
  const what = proofs.has(type) ? 'did not find the proof' : 'failed';
  return new TryFault('name', `${ca} asked by ${challenge} and ${what}: ${detail}`);
}
