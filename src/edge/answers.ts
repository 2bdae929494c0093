import type { Refusal } from '../http1/refusals.ts';

/** An answer of the edge itself. What it says is for the world: nothing of the inside. */
export interface Answer {
  status: number;
  sentence: string;
  retryAfterSeconds?: number;
  /** Redirects only. */
  location?: string;
  /** Instead of a page. */
  document?: { contentType: string; cacheControl: string; bytes: Buffer };
  /** The connection can not go on: what comes next on it is not known to be a request. */
  close?: boolean;
}

/** INTERFACE.md 5. */
export const answers = {
  malformed: { status: 400, sentence: 'The request is malformed.', close: true },
  ambiguousPath: { status: 400, sentence: 'The path of this address can be read in more than one way.' },
  notFound: { status: 404, sentence: 'There is nothing at this address.' },
  slowRequest: { status: 408, sentence: 'The request did not arrive in time.', close: true },
  bodyTooLarge: { status: 413, sentence: 'The request is larger than this site accepts.' },
  misdirected: { status: 421, sentence: 'This server does not serve that host.' },
  badGateway: { status: 502, sentence: 'The site did not answer properly.' },
  failed: { status: 502, sentence: 'The site is broken at the moment.' },
  stopped: { status: 503, sentence: 'The site is stopped.' },
  starting: { status: 503, sentence: 'The site is starting.', retryAfterSeconds: 5 },
  busy: { status: 503, sentence: 'The site is busy.', retryAfterSeconds: 1 },
  slow: { status: 504, sentence: 'The site took too long to answer.' },
} as const satisfies Record<string, Answer>;

const refusalSentences: Record<number, string> = {
  405: 'That method is not supported.',
  414: 'The address is too long.',
  431: 'The header of the request is too large.',
  505: 'That version of HTTP is not supported.',
};

/** A head that was refused leaves no way to tell where the next one begins. */
export function answerRefusal(refusal: Refusal): Answer {
  return { status: refusal.status, sentence: refusalSentences[refusal.status] ?? answers.malformed.sentence, close: true };
}
