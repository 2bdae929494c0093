import type { Socket } from 'node:net';

/** All in milliseconds that only grow, of this thread. */
export interface StallReadings {
  nowMs: () => number;
  /** That it waited for events. */
  idleMs: () => number;
  /** That it worked in programs, not in the kernel: collecting garbage, too. */
  workMs: () => number;
  /** That it could have run, and others did. */
  queuedMs: () => number;
  /** How often it waited for memory to be read from a disk: a machine that swaps holds everybody up, the busiest tenant first. */
  majorFaults: () => number;
}

export interface StallWatchOptions {
  readings: StallReadings;
  /** From now on `enter` and `leave` are to be called around everything that runs, or no more: that is not free. */
  setLooking: (looking: boolean) => void;
  /** Calls it when what runs now is through: a fault within `enter` or `leave` would end the process. */
  soon: (call: () => void) => void;
  /** It held the thread up again and again; `heldUpMs`, the last time. What it owned was ended. */
  onCulprit: (owner: string, heldUpMs: number) => void;
}

interface Owned {
  owner: string;
  /** Ends what it is a part of. */
  end: () => void;
}

interface Score {
  strikes: number;
  atMs: number;
}

export const tickMs = 250;
/** So late, and somebody may hold the thread up: from then on it is looked at closely, for so long. */
const lateMs = 100;
const lookingMs = 600_000;
/** Less is no stall. */
const stallMs = 150;
const strikesAllowed = 2;
/** After which one strike is forgotten. */
const forgiveMs = 300_000;
/** How old the readings of work and queue may get: what came in that time excuses, whenever it was. */
const excuseMs = 20;
/** Whom nobody could be blamed for: the machine hung, the process was stopped. */
const nobody = '';

/**
 * Finds who holds up this process through a Unix socket that it reads: descriptors sent along (SCM_RIGHTS) are closed by the kernel in
 * the reader's name, within read(2) or close(2), and that can be made to take a second. Nothing is refused for being slow elsewhere.
 *
 * Invariants:
 * - A strike is time in the kernel, right before something came from an owner, or in closing what is its own; other work, waiting for
 *   events and for a processor are taken off, rather twice than not.
 * - A machine that hangs hits everything: nobody is condemned who was not hit more often than what belongs to nobody.
 */
export class StallWatch {
  private readonly options: StallWatchOptions;
  private readonly owned = new Map<object, Owned>();
  private readonly scores = new Map<string, Score>();
  private lookingUntilMs = -Infinity;
  private looking = false;
  private condemning = false;
  private tickedAtMs: number;
  private queuedAtTickMs: number;
  /** When the last thing that ran was through; NaN while something runs. */
  private leftAtMs = NaN;
  private enteredAtMs = NaN;
  private idleAtLeaveMs = 0;
  private excusedAtMs = 0;
  private excuse = 0;
  private faults = 0;

  constructor(options: StallWatchOptions) {
    this.options = options;
    this.tickedAtMs = options.readings.nowMs();
    this.queuedAtTickMs = options.readings.queuedMs();
  }

  /** From its connection to its end. `end` is called when the owner turns out a culprit. */
  own(stream: Socket, owner: string, end: () => void = () => stream.destroy()): void {
    const handle = handleOf(stream);
    if (!handle) return;
    this.owned.set(handle, { owner, end });
    stream.once('close', () => this.owned.delete(handle));
    const destroy = stream.destroy.bind(stream);
    // What was not read is closed in here.
    stream.destroy = (error) => this.timeEnd(owner, () => destroy(error));
  }

  /** Every `tickMs`. */
  tick(): void {
    const { nowMs, queuedMs } = this.options.readings;
    const now = nowMs();
    const queued = queuedMs();
    if (now - this.tickedAtMs - tickMs - (queued - this.queuedAtTickMs) >= lateMs) this.look(now);
    this.tickedAtMs = now;
    this.queuedAtTickMs = queued;
    if (this.looking && now >= this.lookingUntilMs) this.setLooking(false);
  }

  /** Something is about to run because of `resource`. */
  enter(resource: () => object): void {
    const now = this.options.readings.nowMs();
    const gapMs = now - this.leftAtMs;
    this.leftAtMs = NaN;
    this.enteredAtMs = now;
    if (!(gapMs >= stallMs)) return;
    const awakeMs = gapMs - (this.options.readings.idleMs() - this.idleAtLeaveMs);
    if (awakeMs < stallMs) return;
    const heldUpMs = this.unexcused(awakeMs);
    if (heldUpMs >= stallMs) this.strike(this.owned.get(resource())?.owner ?? nobody, heldUpMs);
  }

  /** It ran. */
  leave(): void {
    const { nowMs, idleMs } = this.options.readings;
    const now = nowMs();
    // NaN for the outer one of two, whose time is not known.
    if (now - this.enteredAtMs >= stallMs && this.unexcused(now - this.enteredAtMs) >= stallMs) this.strike(nobody, 0);
    this.enteredAtMs = NaN;
    this.leftAtMs = now;
    this.idleAtLeaveMs = idleMs();
    if (now - this.excusedAtMs >= excuseMs) this.takeExcuse(now);
  }

  private timeEnd<Result>(owner: string, end: () => Result): Result {
    if (!this.looking || this.condemning) return end();
    const { nowMs } = this.options.readings;
    const begunAtMs = nowMs();
    const result = end();
    const tookMs = nowMs() - begunAtMs;
    if (tookMs < stallMs) return result;
    // Told as the owner's, it is nobody's no more.
    this.enteredAtMs = nowMs();
    const heldUpMs = this.unexcused(tookMs);
    if (heldUpMs >= stallMs) this.strike(owner, heldUpMs);
    return result;
  }

  private unexcused(ms: number): number {
    const { excuse, faults } = this;
    this.takeExcuse(this.options.readings.nowMs());
    return this.faults === faults ? ms - (this.excuse - excuse) : 0;
  }

  private takeExcuse(now: number): void {
    const { workMs, queuedMs, majorFaults } = this.options.readings;
    this.excusedAtMs = now;
    this.excuse = workMs() + queuedMs();
    this.faults = majorFaults();
  }

  private look(now: number): void {
    this.lookingUntilMs = now + lookingMs;
    if (!this.looking) this.setLooking(true);
  }

  private setLooking(looking: boolean): void {
    this.looking = looking;
    this.leftAtMs = NaN;
    this.enteredAtMs = NaN;
    this.takeExcuse(this.options.readings.nowMs());
    if (!looking) this.scores.clear();
    this.options.setLooking(looking);
  }

  private strike(owner: string, heldUpMs: number): void {
    const now = this.options.readings.nowMs();
    this.look(now);
    const strikes = this.strikesOf(owner, now) + 1;
    this.scores.set(owner, { strikes, atMs: now });
    if (owner === nobody || strikes <= strikesAllowed || strikes < this.strikesOf(nobody, now) + 1) return;
    this.scores.delete(owner);
    this.options.soon(() => this.condemn(owner, heldUpMs));
  }

  /** That may take time as well, once more. */
  private condemn(owner: string, heldUpMs: number): void {
    this.options.onCulprit(owner, Math.round(heldUpMs));
    this.condemning = true;
    for (const owned of this.owned.values()) if (owned.owner === owner) owned.end();
    this.condemning = false;
    this.enteredAtMs = NaN;
  }

  private strikesOf(owner: string, now: number): number {
    const { strikes, atMs } = this.scores.get(owner) ?? { strikes: 0, atMs: now };
    return Math.max(0, strikes - (now - atMs) / forgiveMs);
  }
}

/** What the event loop calls back for. Node shows it under no better name; without it nobody is found. */
function handleOf(stream: Socket): object | undefined {
  return (stream as unknown as { ['_handle']?: object })['_handle'];
}
