import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { lookAgainMs } from './due.ts';
import type { Engine } from './engine.ts';
import { type ExpiryStage, expiryStage } from './expiry.ts';
import { inBatches } from './in-batches.ts';
import type { AcmeIssuer } from './issuer.ts';
import type { NameStore } from './name-store.ts';
import type { NameEntry } from './names.ts';
import { clearFailures } from './outcome.ts';
import { nextRenewal } from './renewal-window.ts';

export interface HousekeepingOptions {
  engine: Engine;
  store: NameStore;
  nowMs: () => number;
  log: Log;
  onStatus: (name: string) => void;
}

const everyMs = 60_000;
const sweepEveryMs = 86_400_000;
const lookupsAtOnce = 8;
/** When a CA's renewal information could not be had. */
const askAgainAfterFailureMs = 6 * 3_600_000;

/**
 * What time alone brings: names that were set aside and whose DNS changed, CAs that want a renewal earlier or later, certificates
 * that come to their end. One round at a time.
 */
export class Housekeeping {
  private readonly options: HousekeepingOptions;
  private readonly stages = new WeakMap<NameEntry, ExpiryStage>();
  private readonly timer: NodeJS.Timeout;
  private sweepAtMs: number;
  private round: Promise<void> | undefined = undefined;

  constructor(options: HousekeepingOptions) {
    this.options = options;
    this.sweepAtMs = options.nowMs() + sweepEveryMs;
    this.timer = setInterval(() => void this.run(), everyMs);
  }

  /** Resolves at the end of the round that runs, or of a new one. */
  run(): Promise<void> {
    this.round ??= this.once().finally(() => {
      this.round = undefined;
    });
    return this.round;
  }

  /** When the CA wants the certificate renewed that it has just issued. */
  async askFor(entry: NameEntry): Promise<void> {
    const { acme } = this.options.engine;
    if (acme && entry.certificate?.ariId) await this.tolerate(entry, () => this.askForRenewal(entry, acme));
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async once(): Promise<void> {
    const { engine, nowMs } = this.options;
    const entries = engine.names.wanted().filter(({ loaded, phase }) => loaded && phase === 'idle');
    for (const entry of entries) this.announce(entry);
    await this.sweep();
    const { acme } = engine;
    if (!acme) return;
    const setAside = entries.filter(({ record }) => record.setAsideAt !== undefined && (record.lookAgainMs ?? 0) <= nowMs());
    const issued = entries.filter(({ record, certificate }) => certificate?.ariId && (record.renewal?.askAgainMs ?? 0) <= nowMs());
    await inBatches(setAside, lookupsAtOnce, (entry) => this.tolerate(entry, () => this.lookAgain(entry, acme)));
    await inBatches(issued, lookupsAtOnce, (entry) => this.tolerate(entry, () => this.askForRenewal(entry, acme)));
    engine.planSoon();
  }

  private async sweep(): Promise<void> {
    const { engine, store, nowMs, log } = this.options;
    const names = [...engine.names.entries.keys()];
    // No names at all is a daemon that has not told them yet, far more often than it is the truth.
    if (names.length === 0 || nowMs() < this.sweepAtMs) return;
    this.sweepAtMs = nowMs() + sweepEveryMs;
    await store.removeOld(names, nowMs()).catch((error: unknown) => log.warn({}, `old certificates were not removed: ${messageOf(error)}`));
  }

  private announce(entry: NameEntry): void {
    if (!entry.certificate) return;
    const stage = expiryStage(entry.certificate, this.options.nowMs());
    if ((this.stages.get(entry) ?? 'fine') === stage) return;
    this.stages.set(entry, stage);
    this.options.onStatus(entry.name);
  }

  private async lookAgain(entry: NameEntry, acme: AcmeIssuer): Promise<void> {
    const before = entry.record.setAsideAt;
    const now = await acme.fingerprint(entry.name);
    // Somebody asked for a try meanwhile.
    if (entry.record.setAsideAt === undefined) return;
    if (now === undefined || now === before) entry.record.lookAgainMs = this.options.nowMs() + lookAgainMs;
    else clearFailures(entry);
    await this.options.store.saveRecord(entry);
    this.options.onStatus(entry.name);
  }

  private async askForRenewal(entry: NameEntry, acme: AcmeIssuer): Promise<void> {
    const { from = '', ariId = '' } = entry.certificate ?? {};
    const info = await acme.renewalInfo(from, ariId);
    // Renewed meanwhile, or on the way to it.
    if (entry.certificate?.ariId !== ariId || entry.phase !== 'idle') return;
    const nowMs = this.options.nowMs();
    const renewal = info && nextRenewal(info, ariId, nowMs, entry.record.renewal);
    if (renewal) entry.record.renewal = renewal;
    else if (entry.record.renewal) entry.record.renewal.askAgainMs = nowMs + askAgainAfterFailureMs;
    else return;
    await this.options.store.saveRecord(entry);
    this.options.onStatus(entry.name);
  }

  private async tolerate(entry: NameEntry, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.options.log.warn({ name: entry.name }, `${entry.name} is looked at again later: ${messageOf(error)}`);
    }
  }
}
