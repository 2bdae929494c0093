import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { CallHandover } from './call-handover.ts';
import type { ChallengeMessage } from './challenge-record.ts';
import { type EdgeChild, type EdgeChildOptions, startEdgeChild } from './edge-child.ts';
import type { FaultLog } from './fault-log.ts';
import type { Caller } from './gateways.ts';
import type { RouteMessage } from './route-record.ts';
import type { KeyMessage } from './shared-keys.ts';

export interface EdgeChildrenOptions extends EdgeChildOptions {
  count: number;
  log: FaultLog;
  /** What a new edge has to be told first. */
  replay: () => Iterable<EdgeMessage>;
}

type EdgeMessage = RouteMessage | KeyMessage | ChallengeMessage;

const restartPolicy: BackoffPolicy = { firstMs: 100, maxMs: 10_000, healthyMs: 10_000 };
/** What an edge may take beyond the time it was given, to end or to answer. */
const answerSlackMs = 1_000;

/**
 * Keeps so many edges alive.
 *
 * Invariants:
 * - Each place has one edge, or one restart on its way; the first restart is at once.
 * - A new edge is told everything that the others know before anything new.
 */
export class EdgeChildren {
  private readonly options: EdgeChildrenOptions;
  private readonly living = new Set<EdgeChild>();
  private stopping = false;
  private readonly calls = new CallHandover();

  constructor(options: EdgeChildrenOptions) {
    this.options = options;
    for (let place = 0; place < options.count; place++) this.start(place, 0);
  }

  tell({ method, params }: EdgeMessage): void {
    for (const { channel } of this.living) channel.notify(method, params);
  }

  /** Gives a caller's connection to one of the edges. */
  hand(caller: Caller, socket: Socket): void {
    this.calls.add(caller, socket);
  }

  /** True when every edge has no request open at the upstream; one that ended has none. */
  async drainUpstream(id: string, timeoutMs: number): Promise<boolean> {
    const otherwise = { ifEnded: { drained: true }, ifSilent: { drained: false } };
    const answers = await this.ask('drain-upstream', { id, timeoutMs }, timeoutMs + answerSlackMs, otherwise);
    return answers.every(({ drained }) => drained);
  }

  /** What every edge answers, and in place of it `ifEnded` for one that ended and `ifSilent` for one that does not answer in time. */
  ask<Answer>(method: string, params: unknown, timeoutMs: number, otherwise: Otherwise<Answer>): Promise<Answer[]> {
    return Promise.all([...this.living].map((child) => askOne(child, method, params, timeoutMs, otherwise)));
  }

  /** Settles when every edge has answered, has ended, or has had its time. */
  async askAll(method: string, params: unknown, timeoutMs: number): Promise<void> {
    const answers = [...this.living].map(({ channel, exited }) => Promise.race([channel.request(method, params, timeoutMs), exited]));
    // One that hangs, or refuses, is no reason to keep the others' answers back.
    await Promise.allSettled(answers);
  }

  async shutdown(timeoutMs: number): Promise<void> {
    this.stopping = true;
    await Promise.all([...this.living].map((child) => shutDown(child, timeoutMs)));
  }

  /** Settles when each has stopped accepting, or can't tell within `answerMs`; `onEnded` is called when all have ended. */
  async retire(timeoutMs: number, answerMs: number, onEnded: () => void): Promise<void> {
    this.stopping = true;
    void Promise.all([...this.living].map((child) => endIn(child, timeoutMs))).then(onEnded);
    await this.ask('retire', { timeoutMs }, answerMs, { ifEnded: null, ifSilent: null });
  }

  private start(place: number, failures: number): void {
    const child = startEdgeChild(this.options, place);
    this.living.add(child);
    for (const { method, params } of this.options.replay()) child.channel.notify(method, params);
    this.calls.setTakers([...this.living]);
    void child.exited.then((reason) => this.replace(child, place, failures, reason));
    // Without its channel an edge hears nothing more and ends by itself; this is for one that hangs.
    void child.channel.closed.then(() => setTimeout(child.kill, answerSlackMs + 10_000).unref());
  }

  private replace(child: EdgeChild, place: number, failures: number, reason: string): void {
    this.living.delete(child);
    child.channel.close();
    this.calls.setTakers([...this.living]);
    if (this.stopping) return;
    const healthy = performance.now() - child.startedAtMs >= restartPolicy.healthyMs;
    const before = healthy ? 0 : failures;
    const delayMs = backoffDelayMs(restartPolicy, before);
    this.options.log('error', `an edge ended (${reason}), the next is started in ${delayMs} ms`);
    if (delayMs === 0) this.start(place, before + 1);
    else setTimeout(() => this.stopping || this.start(place, before + 1), delayMs);
  }
}

interface Otherwise<Answer> {
  ifEnded: Answer;
  ifSilent: Answer;
}

async function askOne<Answer>(child: EdgeChild, method: string, params: unknown, timeoutMs: number, otherwise: Otherwise<Answer>) {
  const { channel, exited } = child;
  const ended = exited.then(() => otherwise.ifEnded);
  const silent = (): Answer => otherwise.ifSilent;
  const answer = channel.request(method, params, timeoutMs).then(
    (result) => result as Answer,
    // With its channel an edge ends, and says so a moment later.
    () => Promise.race([ended, delay(answerSlackMs, undefined, { ref: false }).then(silent)]),
  );
  return Promise.race([answer, ended]);
}

async function shutDown(child: EdgeChild, timeoutMs: number): Promise<void> {
  const { channel } = child;
  // Not answering is no reason to wait longer than for one that does.
  channel.request('shutdown', { timeoutMs }, timeoutMs).catch(() => {});
  await endIn(child, timeoutMs);
}

/** Asked to or not. */
async function endIn({ channel, exited, kill }: EdgeChild, timeoutMs: number): Promise<void> {
  const timer = setTimeout(kill, timeoutMs + answerSlackMs);
  // Its last words are read, too.
  await Promise.all([exited, channel.closed]);
  clearTimeout(timer);
}
