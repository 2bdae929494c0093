import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { IssuedCertificate } from '../protocol/certs.ts';
import { summarize } from './issued.ts';
import type { NameEntry } from './names.ts';
import type { CertificateRecord, Records } from './records.ts';

const keptUnwantedMs = 400 * 86_400_000;
const longestPauseMs = 3_600_000;

/** The records of names: read into entries, and written before anybody relies on them. */
export class NameStore {
  private readonly records: Records;
  private readonly log: Log;

  constructor(records: Records, log: Log) {
    this.records = records;
    this.log = log;
  }

  async load(entry: NameEntry): Promise<void> {
    const { name } = entry;
    const [record, certificate] = await Promise.all([this.records.read('names', name), this.records.read('certificates', name)]);
    if (record) entry.record = record;
    if (certificate) entry.certificate = this.summaryOf(certificate);
    // Killed between writing the certificate and forgetting its order.
    if (certificate && record?.order?.key === certificate.key) delete entry.record.order;
    entry.loaded = true;
  }

  /** A name that comes back soon finds its certificate again; one that stays away leaves nothing for ever. */
  async removeOld(wanted: Iterable<string>, nowMs: number): Promise<void> {
    await this.records.removeOld(wanted, nowMs - keptUnwantedMs);
  }

  async remove(name: string): Promise<void> {
    await this.records.remove(name);
  }

  async saveRecord({ name, record }: NameEntry): Promise<void> {
    await this.records.write('names', name, record);
  }

  /**
   * The certificate first: its key is in the order's record until it is there. `orderedMs`: it was ordered, and is not again for a
   * while, whatever its dates say: a clock that is wrong, or a CA's, must not order without end.
   */
  async saveCertificate(entry: NameEntry, certificate: CertificateRecord, orderedMs?: number): Promise<void> {
    await this.records.write('certificates', entry.name, certificate);
    const summary = summarize(certificate);
    entry.certificate = summary;
    const pauseMs = Math.round(Math.min(longestPauseMs, (summary.notAfterMs - summary.notBeforeMs) / 30));
    const isFresh = Object.keys(entry.record).length === 2 && entry.record.failures === 0;
    entry.record = { name: entry.name, failures: 0, ...(orderedMs !== undefined && { nextTryMs: orderedMs + pauseMs }) };
    // A local certificate at the first try leaves nothing to be remembered.
    if (!isFresh || orderedMs !== undefined) await this.saveRecord(entry);
  }

  /** To be sent to the daemon; undefined when there is none. */
  async readIssued({ name, tenant }: NameEntry): Promise<IssuedCertificate | undefined> {
    const certificate = await this.records.read('certificates', name);
    if (!certificate) return undefined;
    const { issuer, notBeforeMs, notAfterMs } = summarize(certificate);
    return { tenant, id: name, names: [name], chain: certificate.chain, key: certificate.key, issuer, notBeforeMs, notAfterMs };
  }

  private summaryOf(certificate: CertificateRecord): NameEntry['certificate'] {
    try {
      return summarize(certificate);
    } catch (error) {
      // Kept on disk until a new one replaces it.
      this.log.error({ name: certificate.name }, `the certificate of ${certificate.name} can not be used: ${messageOf(error)}`);
      return undefined;
    }
  }
}
