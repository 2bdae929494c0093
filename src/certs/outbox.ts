import { messageOf, TenantdError } from '../base/errors.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { IssuedCertificate, NameStatus } from '../protocol/certs.ts';

export interface OutboxOptions {
  /** A request to the daemon. */
  call: (method: 'set-certificate' | 'remove-certificate' | 'report', params: unknown) => Promise<unknown>;
  onComplete: (count: number) => void;
  /** As they are when they are sent; undefined when the name is no longer wanted, or has none. */
  readCertificate: (name: string) => Promise<IssuedCertificate | undefined>;
  statusOf: (name: string) => NameStatus | undefined;
  log: Log;
}

const maxOpenCalls = 16;
const maxReported = 200;

/**
 * What the daemon has to be told.
 *
 * Invariants:
 * - Names wait here, never keys: what is sent is read when it is its turn, so a slow daemon costs no memory.
 * - Of one name one message is on its way at a time; what changes meanwhile is sent again after it.
 * - Nothing is sent before the daemon asked for all (`sendAll`), or after the connection was lost, until it asks again.
 */
export class Outbox {
  private readonly options: OutboxOptions;
  private readonly certificates = new Set<string>();
  private readonly removals = new Map<string, TenantName>();
  private readonly reports = new Set<string>();
  private readonly onTheWay = new Set<string>();
  private reporting = false;
  /** Grows with each connection: answers of an earlier one count no more. */
  private connection = 0;
  private open = false;
  private expected: { left: Set<string>; count: number } | undefined = undefined;

  constructor(options: OutboxOptions) {
    this.options = options;
  }

  /** Of these names, and all that was waiting before is done with. */
  sendAll(names: readonly string[]): void {
    this.lose();
    this.open = true;
    for (const name of names) {
      this.certificates.add(name);
      this.reports.add(name);
    }
    this.expected = { left: new Set(names), count: 0 };
    this.pump();
    this.complete();
  }

  lose(): void {
    this.connection += 1;
    this.open = false;
    this.reporting = false;
    this.expected = undefined;
    for (const waiting of [this.certificates, this.removals, this.reports, this.onTheWay]) waiting.clear();
  }

  certificateChanged(name: string): void {
    if (!this.open) return;
    this.certificates.add(name);
    this.pump();
  }

  removed(tenant: TenantName, name: string): void {
    if (!this.open) return;
    this.certificates.delete(name);
    this.reports.delete(name);
    this.removals.set(name, tenant);
    this.settle(name, false);
    this.pump();
  }

  statusChanged(name: string): void {
    if (!this.open) return;
    this.reports.add(name);
    this.pump();
  }

  private pump(): void {
    for (const [name, tenant] of this.removals) {
      if (this.onTheWay.size >= maxOpenCalls) break;
      if (this.onTheWay.has(name)) continue;
      this.removals.delete(name);
      void this.send(name, () => this.options.call('remove-certificate', { tenant, id: name }));
    }
    for (const name of this.certificates) {
      if (this.onTheWay.size >= maxOpenCalls) break;
      if (this.onTheWay.has(name)) continue;
      this.certificates.delete(name);
      void this.send(name, () => this.sendCertificate(name));
    }
    if (!this.reporting && this.reports.size > 0) void this.report();
  }

  private async send(name: string, call: () => Promise<unknown>): Promise<void> {
    const { connection } = this;
    this.onTheWay.add(name);
    await this.tolerate(call);
    if (connection !== this.connection) return;
    this.onTheWay.delete(name);
    this.pump();
    this.complete();
  }

  private async sendCertificate(name: string): Promise<void> {
    const { connection } = this;
    const certificate = await this.options.readCertificate(name);
    if (connection !== this.connection) return;
    try {
      if (certificate) await this.options.call('set-certificate', certificate);
    } finally {
      if (connection === this.connection) this.settle(name, certificate !== undefined);
    }
  }

  private async report(): Promise<void> {
    const { connection } = this;
    this.reporting = true;
    // Once for all that changes in this turn.
    await Promise.resolve();
    if (connection !== this.connection) return;
    const names = [...this.reports].slice(0, maxReported);
    for (const name of names) this.reports.delete(name);
    const states = names.flatMap((name) => this.options.statusOf(name) ?? []);
    if (states.length > 0) await this.tolerate(() => this.options.call('report', { names: states }));
    if (connection !== this.connection) return;
    this.reporting = false;
    this.pump();
  }

  private settle(name: string, sent: boolean): void {
    if (this.expected?.left.delete(name) && sent) this.expected.count += 1;
  }

  private complete(): void {
    if (!this.expected || this.expected.left.size > 0) return;
    const { count } = this.expected;
    this.expected = undefined;
    this.options.onComplete(count);
  }

  /** A daemon that refuses one message must not keep the others from being sent; of a lost connection the link tells. */
  private async tolerate(call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
    } catch (error) {
      if (error instanceof TenantdError && error.code === 'TENANTD_E_UNREACHABLE') return;
      this.options.log.error({}, `the daemon did not take a message: ${messageOf(error)}`);
    }
  }
}
