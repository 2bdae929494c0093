import { setTimeout as delay } from 'node:timers/promises';

/** Looks again and again, at once and then every few milliseconds, until `look` gives true; throws what was waited for after `limitMs`. */
export async function until(
  look: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 10_000,
  explain?: () => Promise<string>,
): Promise<void> {
  const endMs = Date.now() + limitMs;
  for (;;) {
    if (await look()) return;
    if (Date.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}\n${(await explain?.()) ?? ''}`);
    await delay(15);
  }
}
