import { createHash } from 'node:crypto';
import * as acme from 'acme-client';
import { z } from 'zod';
import { type BackoffPolicy, backoffDelayMs } from '../base/backoff.ts';
import type { AcmeDirectory } from '../protocol/certs.ts';
import { AcmeFault } from './acme-fault.ts';
import { getDocument } from './acme-transport.ts';
import type { AccountRecord, Records } from './records.ts';

export interface AcmeCaOptions {
  directory: AcmeDirectory;
  email: string | undefined;
  records: Records;
  nowMs: () => number;
}

const directoryDocument = z.object({
  newOrder: z.string(),
  renewalInfo: z.string().optional(),
  meta: z.object({ caaIdentities: z.array(z.string()).default([]), profiles: z.record(z.string(), z.unknown()).default({}) }).prefault({}),
});
export type DirectoryDocument = z.infer<typeof directoryDocument>;

const directoryMaxAgeMs = 6 * 3_600_000;
const pausePolicy: BackoffPolicy = { firstMs: 30_000, maxMs: 1_800_000, healthyMs: 0 };
const longestPauseMs = 24 * 3_600_000;
/** Domains that are rate limited one after the other mean the account is. */
const limitedDomainsUntilPause = 3;

/**
 * One CA: its directory, our account there, and whether it is well.
 *
 * Invariants:
 * - One account a directory. Its key is on disk before the CA hears of it, so an account is never made twice.
 * - After a fault of the CA nobody asks it before `availableAtMs`.
 */
export class AcmeCa {
  readonly url: string;
  /** For people. */
  readonly host: string;
  readonly profile: string | undefined;
  private readonly options: AcmeCaOptions;
  private document: { value: DirectoryDocument; untilMs: number } | undefined = undefined;
  private account: Promise<acme.Client> | undefined = undefined;
  private failures = 0;
  private pausedUntilMs = 0;
  private readonly limitedDomains = new Set<string>();

  constructor(options: AcmeCaOptions) {
    this.options = options;
    this.url = options.directory.url;
    this.host = new URL(this.url).host;
    this.profile = options.directory.profile;
  }

  get availableAtMs(): number {
    return this.pausedUntilMs;
  }

  async readDirectory(): Promise<DirectoryDocument> {
    const nowMs = this.options.nowMs();
    if (this.document && this.document.untilMs > nowMs) return this.document.value;
    const parsed = directoryDocument.safeParse((await getDocument(this.url)).document);
    if (!parsed.success) throw new AcmeFault({ status: 0, type: 'none', detail: `${this.url} is no ACME directory` });
    this.document = { value: parsed.data, untilMs: nowMs + directoryMaxAgeMs };
    return parsed.data;
  }

  /** Runs `work` with our account, which is made first where there is none; and made again once where the CA forgot it. */
  async withAccount<T>(work: (client: acme.Client) => Promise<T>): Promise<T> {
    const account = this.openAccount();
    try {
      return await work(await account);
    } catch (error) {
      if (!(error instanceof AcmeFault) || error.type !== 'accountDoesNotExist') throw error;
      if (this.account === account) this.account = undefined;
      return work(await this.openAccount(true));
    }
  }

  noteSuccess(): void {
    this.failures = 0;
    this.pausedUntilMs = 0;
    this.limitedDomains.clear();
  }

  noteFault(retryAfterMs: number | undefined): void {
    this.failures += 1;
    this.pause(retryAfterMs ?? backoffDelayMs(pausePolicy, this.failures));
  }

  /** Most limits are of one domain, and must not stop the others. */
  noteRateLimit(domain: string, retryAfterMs: number | undefined): void {
    this.limitedDomains.add(domain);
    if (this.limitedDomains.size < limitedDomainsUntilPause) return;
    this.limitedDomains.clear();
    this.noteFault(retryAfterMs);
  }

  private pause(forMs: number): void {
    const untilMs = this.options.nowMs() + Math.min(longestPauseMs, forMs);
    this.pausedUntilMs = Math.max(this.pausedUntilMs, untilMs);
  }

  private openAccount(isForgotten = false): Promise<acme.Client> {
    this.account ??= this.makeClient(isForgotten).catch((error: unknown) => {
      this.account = undefined;
      throw error;
    });
    return this.account;
  }

  private async makeClient(isForgotten: boolean): Promise<acme.Client> {
    const { records, directory, email } = this.options;
    const id = createHash('sha256').update(this.url).digest('hex').slice(0, 32);
    const account = (await records.read('accounts', id)) ?? (await this.makeAccountRecord(id));
    const known = isForgotten ? undefined : account.url;
    const client = new acme.Client({
      directoryUrl: this.url,
      accountKey: account.key,
      ...(known !== undefined && { accountUrl: known }),
      ...(directory.eab && { externalAccountBinding: { kid: directory.eab.keyId, hmacKey: directory.eab.macKey } }),
    });
    if (known !== undefined) return client;
    await client.createAccount({ termsOfServiceAgreed: true, ...(email !== undefined && { contact: [`mailto:${email}`] }) });
    await records.write('accounts', id, { ...account, url: client.getAccountUrl() });
    return client;
  }

  private async makeAccountRecord(id: string): Promise<AccountRecord> {
    const key = (await acme.crypto.createPrivateEcdsaKey()).toString();
    const account = { directory: this.url, key };
    await this.options.records.write('accounts', id, account);
    return account;
  }
}
