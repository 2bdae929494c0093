import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CertificateBudgets } from '../protocol/certs.ts';
import { longestWindowMs, OrderBudgets, type OrderKey } from './order-budgets.ts';
import type { StateFiles } from './state-files.ts';

export const ledgerFolder = 'ledger';
const fileName = 'orders.jsonl';
/** Rewritten at a start when it grew over this; between starts it grows by some 100 bytes an order, which the budgets bound. */
const compactAtBytes = 1 << 20;

const clockErrorMs = 3_600_000;

const entrySchema = z.object({ atMs: z.number(), tenant: z.string(), domain: z.string(), isRenewal: z.boolean() });
type Entry = z.infer<typeof entrySchema>;

/**
 * Every new order, written down before the CA hears of it.
 *
 * Invariants:
 * - An order that may have reached a CA is on disk first: after a crash the count may be too high, never too low.
 * - A torn last line costs that line alone: it was not synced, so its order was not placed.
 */
export class OrderLedger {
  readonly budgets: OrderBudgets;
  private readonly path: string;
  private writing: Promise<void> = Promise.resolve();

  private constructor(path: string, limits: CertificateBudgets) {
    this.path = path;
    this.budgets = new OrderBudgets(limits);
  }

  static async open(files: StateFiles, limits: CertificateBudgets, nowMs: number): Promise<OrderLedger> {
    const ledger = new OrderLedger(join(files.directory, ledgerFolder, fileName), limits);
    const text = (await files.read(ledgerFolder, fileName)) ?? '';
    const entries = parseEntries(text, nowMs);
    for (const entry of entries) ledger.budgets.add(entry, entry.atMs);
    // Also begins a new line after one that was torn.
    if (text.length > compactAtBytes || !(text.endsWith('\n') || text === ''))
      await files.write(ledgerFolder, fileName, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    return ledger;
  }

  /** Turns a reservation into an order; it may be placed when this resolves. */
  async place(key: OrderKey, nowMs: number): Promise<void> {
    this.budgets.giveBack(key);
    this.budgets.add(key, nowMs);
    const { tenant, domain, isRenewal } = key;
    const line = `${JSON.stringify({ atMs: nowMs, tenant, domain, isRenewal } satisfies Entry)}\n`;
    const written = this.writing.then(() => this.append(line));
    // One that failed must not fail the next; its own caller hears of it.
    this.writing = written.catch(() => undefined);
    await written;
  }

  private async append(line: string): Promise<void> {
    const file = await open(this.path, 'a', 0o600);
    try {
      await file.appendFile(line);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** In order of time. What lies in the future was written by a clock that was wrong, and would stop everything until then. */
function parseEntries(text: string, nowMs: number): Entry[] {
  const entries = text.split('\n').flatMap((line) => parseEntry(line) ?? []);
  const counting = entries.filter(({ atMs }) => atMs > nowMs - longestWindowMs && atMs < nowMs + clockErrorMs);
  return counting.sort((a, b) => a.atMs - b.atMs);
}

function parseEntry(line: string): Entry | undefined {
  try {
    return entrySchema.parse(JSON.parse(line));
  } catch {
    // Torn by a crash: see the invariants.
    return undefined;
  }
}
