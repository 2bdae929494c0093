import type { NameEntry } from './names.ts';

export interface LocalSigningOptions {
  /** Whether it is still wanted, and nothing else works on it. */
  isReady: (entry: NameEntry) => boolean;
  /** Never rejects. */
  sign: (entry: NameEntry) => Promise<void>;
  /** Nothing is left, or one has failed: it may be due at another time. */
  onPause: () => void;
}

const signedAtOnce = 16;

/**
 * Names that wait for a certificate of the local CA, which needs no plan: no budget, nobody else's time.
 *
 * Invariant: at most `signedAtOnce` are signed at a time; a name that waits is signed once.
 */
export class LocalSigning {
  private readonly options: LocalSigningOptions;
  private readonly waiting = new Set<NameEntry>();
  private signing = 0;
  private closed = false;

  constructor(options: LocalSigningOptions) {
    this.options = options;
  }

  has(entry: NameEntry): boolean {
    return this.waiting.has(entry);
  }

  add(entry: NameEntry): void {
    this.waiting.add(entry);
  }

  /** Begins as many as may be begun. */
  goOn(): void {
    for (const entry of this.waiting) {
      if (this.signing >= signedAtOnce || this.closed) return;
      this.waiting.delete(entry);
      if (this.options.isReady(entry)) void this.sign(entry);
    }
  }

  close(): void {
    this.closed = true;
  }

  private async sign(entry: NameEntry): Promise<void> {
    this.signing += 1;
    await this.options.sign(entry);
    this.signing -= 1;
    this.goOn();
    if (this.signing === 0 || !entry.certificate) this.options.onPause();
  }
}
