import { type Answer, answers } from './answers.ts';

/** Every way in which an app can fail a request before its answer began, and what the client is told. */
export const upstreamFailures = {
  unreachable: { answer: answers.unreachable, level: 'warn', reason: 'no connection to the app' },
  /** The listening socket's queue is full: connect(2) says EAGAIN. */
  busy: { answer: answers.busy, level: 'warn', reason: "the app's connection queue is full" },
  closedEarly: { answer: answers.badGateway, level: 'warn', reason: 'the app closed its connection before it answered' },
  malformed: { answer: answers.badGateway, level: 'warn', reason: "the app's answer is not valid HTTP/1.1" },
  slow: { answer: answers.slow, level: 'warn', reason: 'the app did not answer in time' },
  slowAltogether: { answer: answers.slowAltogether, level: 'warn', reason: 'the request took longer than its plan allows' },
} as const satisfies Record<string, { answer: Answer; level: 'warn'; reason: string }>;

export type UpstreamFailure = keyof typeof upstreamFailures;
