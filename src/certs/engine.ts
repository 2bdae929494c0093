import { messageOf } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { type CertificateBudgets, type CertsRequests, defaultBudgets, type IssuedCertificate, type NameStatus } from '../protocol/certs.ts';
import { dueAtMs } from './due.ts';
import { inBatches } from './in-batches.ts';
import type { AcmeIssuer } from './issuer.ts';
import type { LocalCa } from './local-ca.ts';
import { LocalSigning } from './local-signing.ts';
import { statusOf } from './name-status.ts';
import type { NameStore } from './name-store.ts';
import { isName, type NameChanges, type NameEntry, Names } from './names.ts';
import type { Room } from './order-budgets.ts';
import type { OrderLedger } from './order-ledger.ts';
import { OrderPermit } from './order-permit.ts';
import { clearFailures, recordFailure } from './outcome.ts';
import { type Candidate, chooseNext } from './planner.ts';
import { type CertificateRecord, localIssuer } from './records.ts';

export interface EngineOptions {
  store: NameStore;
  ledger: OrderLedger;
  localCa: LocalCa;
  nowMs: () => number;
  log: Log;
  onCertificate: (name: string) => void;
  /** It is new, not read from disk. */
  onIssued: (entry: NameEntry) => void;
  onStatus: (name: string) => void;
  onRemoved: (tenant: TenantName, name: string) => void;
}

/** The clock may jump, and a machine may sleep: it is looked at no later than after this. */
const longestSleepMs = 60_000;
const loadedAtOnce = 32;
const listedAtOnce = 500;
/** A plan looks at every name: with ten thousand of them it may take a fifth of the time, not all of it. */
const restPerPlan = 4;
const longestRestMs = 1_000;

/**
 * Brings every wanted name to a certificate and keeps it there.
 *
 * Invariants:
 * - Nothing is started before there is a configuration, nor for a name whose records were not read yet.
 * - One try a name at a time; its end, however it ends, is written down and leads to the next plan.
 * - What is issued is never taken back here: a failing CA, resolver or program costs new certificates only.
 */
export class Engine {
  readonly names = new Names();
  private readonly options: EngineOptions;
  private budgets: CertificateBudgets = defaultBudgets;
  private issuer: { acme: AcmeIssuer | undefined } | undefined = undefined;
  private readonly running = new Map<string, number>();
  private readonly lastStart = new Map<string, number>();
  private starts = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private planned: NodeJS.Timeout | undefined = undefined;
  private lastPlanTookMs = 0;
  private readonly localSigning = new LocalSigning({
    isReady: (entry) => this.isReady(entry),
    sign: (entry) => this.workOn(entry, undefined),
    onPause: () => this.planSoon(),
  });
  private closed = false;

  constructor(options: EngineOptions) {
    this.options = options;
  }

  get acme(): AcmeIssuer | undefined {
    return this.issuer?.acme;
  }

  /** What runs goes on with the issuer that it began with. */
  configure(acme: AcmeIssuer | undefined, budgets: CertificateBudgets = defaultBudgets): void {
    this.issuer = { acme };
    this.budgets = budgets;
    this.options.ledger.budgets.setLimits(budgets);
    this.planSoon();
  }

  /** Resolves when the records of what is new were read. */
  async apply({ added, removed }: NameChanges): Promise<void> {
    for (const { tenant, name } of removed) this.options.onRemoved(tenant, name);
    await inBatches(added, loadedAtOnce, (entry) => this.adopt(entry));
    this.planSoon();
  }

  hint(name: string): void {
    const entry = this.names.find(name);
    if (!entry || entry.certificate || entry.hinted) return;
    entry.hinted = true;
    this.planSoon();
  }

  renew({ tenant, name, force }: CertsRequests['renew']['params']): string[] {
    const asked = this.names.ofTenant(tenant).filter((entry) => name === undefined || entry.name === name);
    const due = asked.filter((entry) => entry.phase === 'idle' && (force || this.isUnwell(entry)));
    for (const entry of due) {
      clearFailures(entry);
      entry.hinted = true;
      entry.forced = true;
      this.options.onStatus(entry.name);
    }
    this.planSoon();
    return due.map((entry) => entry.name);
  }

  status(name: string): NameStatus | undefined {
    const entry = this.names.find(name);
    return entry && this.statusOfEntry(entry);
  }

  list({ tenant, after = '' }: CertsRequests['list']['params']): CertsRequests['list']['result'] {
    const entries = tenant === undefined ? this.names.wanted() : this.names.ofTenant(tenant);
    const rest = entries.filter(({ name }) => name > after).sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = rest.slice(0, listedAtOnce);
    const next = rest.length > page.length ? page.at(-1)?.name : undefined;
    return { names: page.map((entry) => this.statusOfEntry(entry)), ...(next !== undefined && { next }) };
  }

  /** Of names that nobody wants; answers with those that are worked on still, whose end would write them again. */
  async forget(names: readonly string[]): Promise<string[]> {
    const known = names.filter(isName);
    const unwanted = known.filter((name) => !this.names.entries.has(name));
    await inBatches(unwanted, loadedAtOnce, (name) => this.options.store.remove(name));
    return known.filter((name) => this.names.entries.get(name)?.wanted === false);
  }

  async readIssued(name: string): Promise<IssuedCertificate | undefined> {
    const entry = this.names.find(name);
    if (!entry) return undefined;
    try {
      return await this.options.store.readIssued(entry);
    } catch (error) {
      this.options.log.error({ name }, `the certificate of ${name} can not be used: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** Something outside changed: a name's due time, a budget, the clock. */
  planSoon(): void {
    if (this.closed) return;
    const restMs = Math.min(longestRestMs, this.lastPlanTookMs * restPerPlan);
    this.planned ??= setTimeout(() => {
      this.planned = undefined;
      this.plan();
    }, restMs);
  }

  close(): void {
    this.closed = true;
    this.localSigning.close();
    clearTimeout(this.timer);
    clearTimeout(this.planned);
    this.issuer?.acme?.close();
  }

  private async adopt(entry: NameEntry): Promise<void> {
    try {
      if (!entry.loaded) await this.options.store.load(entry);
    } catch (error) {
      // Not ordered either: the disk would not take the key.
      this.options.log.error({ name: entry.name }, `the records of ${entry.name} can not be read: ${messageOf(error)}`);
    }
    if (!entry.wanted) return;
    this.options.onStatus(entry.name);
    if (entry.certificate) this.options.onCertificate(entry.name);
  }

  private plan(): void {
    clearTimeout(this.timer);
    if (!this.issuer || this.closed) return;
    const startMs = performance.now();
    this.queueLocal();
    const nextMs = this.startOrders(this.issuer.acme);
    this.lastPlanTookMs = performance.now() - startMs;
    this.timer = setTimeout(() => this.plan(), Math.min(longestSleepMs, Math.max(0, nextMs - this.options.nowMs())));
  }

  /** Answers when to look again. */
  private startOrders(acme: AcmeIssuer | undefined): number {
    for (;;) {
      const { start, nextMs } = chooseNext({
        nowMs: this.options.nowMs(),
        candidates: this.candidates(),
        concurrentNames: this.budgets.concurrentNames,
        running: this.running,
        lastStart: this.lastStart,
        roomFor: (candidate) => this.roomFor(candidate.name),
      });
      const entry = start && this.names.find(start.name);
      if (!entry || !acme) return nextMs;
      void this.runOrder(entry, acme);
    }
  }

  private queueLocal(): void {
    const nowMs = this.options.nowMs();
    for (const entry of this.names.entries.values())
      if (this.isReady(entry) && !this.usesAcme(entry) && dueAtMs(entry, false) <= nowMs) this.localSigning.add(entry);
    this.localSigning.goOn();
  }

  private isReady({ phase, loaded, wanted }: NameEntry): boolean {
    return phase === 'idle' && loaded && wanted;
  }

  private *candidates(): Generator<Candidate> {
    for (const entry of this.names.entries.values()) {
      if (!this.isReady(entry) || this.localSigning.has(entry)) continue;
      const dueMs = dueAtMs(entry, this.usesAcme(entry));
      if (!Number.isFinite(dueMs)) continue;
      const { name, tenant, certificate, record, hinted } = entry;
      yield { name, tenant, dueMs, isHinted: hinted, notAfterMs: certificate?.notAfterMs, failures: record.failures };
    }
  }

  private async runOrder(entry: NameEntry, acme: AcmeIssuer): Promise<void> {
    const { tenant } = entry;
    this.lastStart.set(tenant, ++this.starts);
    this.running.set(tenant, (this.running.get(tenant) ?? 0) + 1);
    await this.workOn(entry, acme);
    const left = (this.running.get(tenant) ?? 1) - 1;
    if (left > 0) this.running.set(tenant, left);
    else this.running.delete(tenant);
    this.planSoon();
  }

  private async workOn(entry: NameEntry, acme: AcmeIssuer | undefined): Promise<void> {
    const isIssued = await this.tryOnce(entry, acme);
    Object.assign(entry, { phase: 'idle', forced: false, hinted: false });
    this.names.forget(entry);
    this.options.onStatus(entry.name);
    if (!isIssued || !entry.wanted) return;
    this.options.onCertificate(entry.name);
    this.options.onIssued(entry);
  }

  private async tryOnce(entry: NameEntry, acme: AcmeIssuer | undefined): Promise<boolean> {
    try {
      if (acme) await this.order(entry, acme);
      else await this.signLocally(entry);
      entry.outsideFailures = 0;
      return true;
    } catch (error) {
      await this.fail(entry, error, acme);
      return false;
    }
  }

  private async signLocally(entry: NameEntry): Promise<void> {
    entry.phase = 'ordering';
    const { chain, key } = await this.options.localCa.issue(entry.name);
    await this.options.store.saveCertificate(entry, { name: entry.name, from: localIssuer, chain, key });
  }

  private async order(entry: NameEntry, acme: AcmeIssuer): Promise<void> {
    entry.phase = 'checking';
    this.options.onStatus(entry.name);
    const { ledger, nowMs, store } = this.options;
    const permit = new OrderPermit(ledger, this.orderKeyOf(entry), nowMs);
    try {
      const certificate: CertificateRecord = await acme.issue(entry, {
        permit,
        onOrdering: () => {
          entry.phase = 'ordering';
          this.options.onStatus(entry.name);
        },
        saveOrder: async (order) => {
          if (order) entry.record.order = order;
          else delete entry.record.order;
          await store.saveRecord(entry);
        },
      });
      await store.saveCertificate(entry, certificate, nowMs());
    } finally {
      permit.release();
    }
  }

  /** Never throws: the plan must go on. */
  private async fail(entry: NameEntry, error: unknown, acme: AcmeIssuer | undefined): Promise<void> {
    const fingerprint = async (): Promise<string | undefined> => acme?.fingerprint(entry.name);
    try {
      await recordFailure(entry, error, { nowMs: this.options.nowMs(), fingerprint });
      this.options.log.info({ name: entry.name }, `no certificate for ${entry.name}: ${entry.record.lastError ?? ''}`);
      await this.options.store.saveRecord(entry);
    } catch (failure) {
      this.options.log.error({ name: entry.name }, `the state of ${entry.name} was not written: ${messageOf(failure)}`);
    }
  }

  private usesAcme({ name }: NameEntry): boolean {
    return this.acme?.certifies(name) ?? false;
  }

  private isUnwell(entry: NameEntry): boolean {
    return !entry.certificate || entry.record.failures > 0 || dueAtMs(entry, this.usesAcme(entry)) <= this.options.nowMs();
  }

  private orderKeyOf({ tenant, domain, certificate }: NameEntry): { tenant: string; domain: string; isRenewal: boolean } {
    return { tenant, domain, isRenewal: certificate !== undefined && certificate.from !== localIssuer };
  }

  /** Local certificates always have room; an order that the CA has already needs a CA, and no budget. */
  private roomFor(name: string): Room & { ofCa: boolean } {
    const nowMs = this.options.nowMs();
    const free = { atMs: nowMs, scope: undefined, ofCa: false };
    const entry = this.names.find(name);
    if (!entry || !this.usesAcme(entry)) return free;
    const caAtMs = this.acme?.availableAtMs() ?? nowMs;
    if (caAtMs > nowMs) return { atMs: caAtMs, scope: undefined, ofCa: true };
    return entry.record.order ? free : { ...this.options.ledger.budgets.roomFor(this.orderKeyOf(entry), nowMs), ofCa: false };
  }

  private statusOfEntry(entry: NameEntry): NameStatus {
    const nowMs = this.options.nowMs();
    const dueMs = dueAtMs(entry, this.usesAcme(entry));
    const { atMs, scope, ofCa } = this.roomFor(entry.name);
    const waitsFor = dueMs <= nowMs && atMs > nowMs ? { atMs, scope: ofCa ? ('ca' as const) : (scope ?? 'total') } : undefined;
    return statusOf(entry, { nowMs, dueMs, waitsFor });
  }
}
