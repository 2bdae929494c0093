import { setTimeout as delay } from 'node:timers/promises';
import { TenantdError } from '../base/errors.ts';
import { connectDaemon } from './control-client.ts';
import type { LogEvent, LogKind, LogQuestion } from './log-kinds.ts';
import type { Surroundings } from './program.ts';
import { formatCount } from './quantities.ts';

const retryMs = 500;
/** More than edges take to write down what they were asked. */
const overlapMs = 5_000;
/** What passes by itself when the daemon is started anew. */
const passing = new Set(['TENANTD_E_UNREACHABLE', 'TENANTD_E_TIMEOUT', 'TENANTD_E_JOB_FAILED']);

export interface FollowOptions<Line> {
  kind: LogKind<Line>;
  question: LogQuestion;
  config: string;
  json: boolean | undefined;
}

/** Prints what is there, then what comes, until Ctrl-C: also over restarts of the daemon, from where it was. */
export async function followLogs<Line>(surroundings: Surroundings, { kind, question, config, json }: FollowOptions<Line>): Promise<void> {
  const { terminal } = surroundings;
  const interruption = new AbortController();
  terminal.onInterrupt(() => interruption.abort());
  const place = kind.place(question);
  const source = { tenant: question.tenant, ...(question.app !== undefined && { app: question.app }) };
  const show = json ? showObject : showText;
  let hasBegun = false;
  let isAway = false;

  function hear(event: LogEvent<Line>): void {
    show({ ...event, lines: place.note(event) });
  }

  /** Until the connection ends. */
  async function followOnce(): Promise<void> {
    // New lines can come in one packet with the answer, but belong behind it.
    const { promise: answered, resolve: releaseEvents } = Promise.withResolvers<void>();
    const channel = await connectDaemon(surroundings, config, {
      [kind.event]: (event: unknown) => answered.then(() => hear(event as LogEvent<Line>)),
    });
    interruption.signal.addEventListener('abort', () => channel.close());
    try {
      const asked = hasBegun ? { ...source, ...place.onward(overlapMs), follow: true } : { ...question, follow: true };
      const answer = (await channel.request(kind.method, asked)) as LogEvent<Line>;
      hasBegun = true;
      if (isAway) terminal.writeErr('tenantctl: the daemon is back\n');
      isAway = false;
      hear(answer);
      releaseEvents();
      await channel.closed;
    } finally {
      channel.close();
    }
  }

  function showObject({ lines, dropped = 0 }: LogEvent<Line>): void {
    for (const line of lines) terminal.writeOut(`${JSON.stringify(line)}\n`);
    if (dropped > 0) terminal.writeOut(`${JSON.stringify({ dropped })}\n`);
  }

  function showText({ lines, dropped = 0 }: LogEvent<Line>): void {
    for (const line of lines) terminal.writeOut(kind.render(line, terminal));
    if (dropped > 0) terminal.writeErr(`tenantctl: ${formatCount(dropped, 'line')} left out: they came faster than they were read\n`);
  }

  while (!interruption.signal.aborted) {
    try {
      await followOnce();
    } catch (error) {
      if (interruption.signal.aborted) return;
      if (!hasBegun || !(error instanceof TenantdError && passing.has(error.code))) throw error;
    }
    if (interruption.signal.aborted) return;
    if (!isAway) terminal.writeErr('tenantctl: the connection to the daemon is lost; this goes on when it is back\n');
    isAway = true;
    await delay(retryMs, undefined, { signal: interruption.signal }).catch(() => undefined); // Interrupted: the loop ends.
  }
}
