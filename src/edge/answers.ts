import type { AccessOutcome } from './access-entry.ts';
import type { Refusal } from '../http1/refusals.ts';
import type { RequestLimitName } from '../protocol/edge.ts';

/** An answer of the edge itself. What it says is for the world: nothing of the inside. */
export interface Answer {
  status: number;
  sentence: string;
  outcome: AccessOutcome;
  /** Of its tenant's plan, that was hit. */
  limit?: RequestLimitName;
  retryAfterSeconds?: number;
  /** Redirects only. */
  location?: string;
  /** Instead of a page. */
  document?: { contentType: string; cacheControl: string; bytes: Buffer };
  /** The connection can not go on: what comes next on it is not known to be a request. */
  close?: boolean;
}

const busy = { status: 503, sentence: 'The site is busy.', outcome: 'busy', retryAfterSeconds: 1 } as const;
const slow = { status: 504, sentence: 'The site took too long to answer.', outcome: 'app-slow' } as const;

/** What a client is told (INTERFACE.md 5), and what the access log says of it. */
export const answers = {
  malformed: { status: 400, sentence: 'The request is malformed.', outcome: 'malformed', close: true },
  ambiguousPath: { status: 400, sentence: 'The path of this address can be read in more than one way.', outcome: 'malformed' },
  notGranted: { status: 403, sentence: 'No grant lets this app call that.', outcome: 'not-granted' },
  notFound: { status: 404, sentence: 'There is nothing at this address.', outcome: 'no-app' },
  slowRequest: { status: 408, sentence: 'The request did not arrive in time.', outcome: 'client-slow', close: true },
  bodyTooLarge: { status: 413, sentence: 'The request is larger than this site accepts.', outcome: 'too-large', limit: 'bodySize' },
  targetTooLong: { status: 414, sentence: 'The address is too long.', outcome: 'too-large', limit: 'uriSize' },
  misdirected: { status: 421, sentence: 'This server does not serve that host.', outcome: 'misdirected' },
  tooManyRequests: {
    ...{ status: 429, sentence: 'There are too many requests to this site.', outcome: 'rate-limited' },
    ...{ limit: 'requestsPerSecond', retryAfterSeconds: 1 },
  },
  tooManyConnections: {
    ...{ status: 429, sentence: 'There are too many connections from this address.', outcome: 'busy' },
    ...{ limit: 'connectionsPerAddress', close: true },
  },
  headTooLarge: { status: 431, sentence: 'The header of the request is too large.', outcome: 'too-large', limit: 'headerSize' },
  badGateway: { status: 502, sentence: 'The site did not answer properly.', outcome: 'app-broken' },
  unreachable: { status: 502, sentence: 'The site did not answer properly.', outcome: 'app-unreachable' },
  failed: { status: 502, sentence: 'The site is broken at the moment.', outcome: 'app-failed' },
  quarantined: {
    ...{ status: 502, sentence: 'The site failed again and again. It is tried again in a while.' },
    ...{ outcome: 'app-quarantined', retryAfterSeconds: 60 },
  },
  asleep: {
    ...{ status: 200, sentence: '', outcome: 'app-asleep' },
    document: { contentType: 'text/plain; charset=utf-8', cacheControl: 'no-store', bytes: Buffer.from('asleep\n') },
  },
  asleepToAgents: { status: 503, sentence: 'The site is asleep.', outcome: 'app-asleep', retryAfterSeconds: 3_600 },
  stopped: { status: 503, sentence: 'The site is stopped.', outcome: 'app-stopped' },
  /** Nobody knows for how long. */
  suspended: { status: 503, sentence: 'This site is suspended. Whoever runs it knows more.', outcome: 'suspended' },
  starting: { status: 503, sentence: 'The site is starting.', outcome: 'app-starting', retryAfterSeconds: 5 },
  setAside: { status: 503, sentence: 'The site is not available for some minutes.', outcome: 'set-aside', retryAfterSeconds: 60 },
  busy,
  crowded: { ...busy, limit: 'concurrentRequests' },
  tunnelsTaken: { ...busy, limit: 'webSockets' },
  slow: { ...slow, limit: 'responseTimeout' },
  slowAltogether: { ...slow, limit: 'requestTimeout' },
} as const satisfies Record<string, Answer>;

const refusalAnswers: Record<number, Pick<Answer, 'sentence' | 'outcome'>> = {
  405: { sentence: 'That method is not supported.', outcome: 'malformed' },
  414: answers.targetTooLong,
  431: answers.headTooLarge,
  505: { sentence: 'That version of HTTP is not supported.', outcome: 'malformed' },
};

/** A head that was refused leaves no way to tell where the next one begins. */
export function answerRefusal(refusal: Refusal): Answer {
  const { sentence, outcome } = refusalAnswers[refusal.status] ?? answers.malformed;
  return { status: refusal.status, sentence, outcome, close: true };
}
