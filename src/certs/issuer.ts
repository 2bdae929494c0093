import type { NameCheck } from '../protocol/certs.ts';
import type { NameEntry } from './names.ts';
import type { OrderPermit } from './order-permit.ts';
import type { CertificateRecord, NameRecord } from './records.ts';

/** What an issuer asks of, and tells, whoever works on a name. */
export interface IssueSteps {
  permit: OrderPermit;
  /** The CA has an order now. */
  onOrdering(): void;
  /** On disk when it resolves; undefined forgets it. */
  saveOrder(order: NameRecord['order']): Promise<void>;
}

export interface RenewalInfo {
  startMs: number;
  endMs: number;
  /** When the CA wants to be asked again. */
  askAgainMs: number;
}

/** Certificates by ACME; loaded only where it is configured. */
export interface AcmeIssuer {
  /** False for names that no public CA certifies: those are the local CA's. */
  certifies(name: string): boolean;
  /** When a CA can be asked: now or earlier means yes. */
  availableAtMs(): number;
  /** Throws a TryFault. */
  issue(entry: NameEntry, steps: IssueSteps): Promise<CertificateRecord>;
  check(name: string): Promise<NameCheck>;
  /** What the DNS says of a name, as a text to compare; undefined when the resolvers do not answer. */
  fingerprint(name: string): Promise<string | undefined>;
  /** RFC 9773; undefined where the CA offers none. */
  renewalInfo(from: string, ariId: string): Promise<RenewalInfo | undefined>;
  close(): void;
}
