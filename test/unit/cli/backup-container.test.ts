import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { ContainerWriter, openContainer } from '../../../src/cli/backup-container.ts';
import { makeHeader } from '../../../src/cli/backup-keys.ts';

const passphrase = 'correct horse battery staple';
const madeAtMs = Date.UTC(2026, 10, 21);
const headerLines = 3;

async function* piecesOf(bytes: Buffer, pieceBytes = 1 << 20): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
}

async function makeBackup(content: Buffer, withPassphrase = false): Promise<Buffer> {
  const { text, keys } = makeHeader('acme', withPassphrase ? passphrase : undefined, madeAtMs);
  const written: Buffer[] = [Buffer.from(text)];
  const writer = new ContainerWriter(keys, (bytes) => Promise.resolve(void written.push(bytes)));
  for await (const piece of piecesOf(content, 100_003)) await writer.add(piece);
  await writer.end();
  return Buffer.concat(written);
}

/** What is in it, or the code of what is wrong with it. */
async function readBackup(backup: Buffer, given?: string, pieceBytes?: number): Promise<Buffer | string> {
  try {
    const { content } = await openContainer(piecesOf(backup, pieceBytes), () => Promise.resolve(given));
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
}

function endOfHeader(backup: Buffer): number {
  let at = 0;
  for (let line = 0; line < headerLines; line++) at = backup.indexOf('\n', at) + 1;
  return at;
}

describe('a backup file', { timeout: 60_000 }, () => {
  const content = randomBytes((600 << 10) + 17);
  let plain: Buffer;
  let sealed: Buffer;

  beforeAll(async () => {
    [plain, sealed] = await Promise.all([makeBackup(content), makeBackup(content, true)]);
  }, 60_000);

  test.each([0, 1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 1 << 20])('of %i bytes is read as it was written', async (size) => {
    const bytes = randomBytes(size);
    expect(await readBackup(await makeBackup(bytes))).toEqual(bytes);
  });

  test.each([1, 5, 1_000])('is read as it was written in pieces of %i bytes', async (pieceBytes) => {
    expect(await readBackup(await makeBackup(content.subarray(0, 20_000)), undefined, pieceBytes)).toEqual(content.subarray(0, 20_000));
  });

  test('with a passphrase, shows nothing of what is in it', async () => {
    const secret = Buffer.alloc(300_000, 'the customers of acme ');
    expect((await makeBackup(secret, true)).includes('the customers')).toBe(false);
    expect(await readBackup(sealed, passphrase)).toEqual(content);
  });

  test('opens with its own passphrase only', async () => {
    expect(await readBackup(sealed, 'wrong')).toBe('TENANTD_E_PASSPHRASE: that is not the passphrase that it was made with');
    expect(await readBackup(sealed)).toBe('TENANTD_E_PASSPHRASE: it was made with a passphrase');
  });

  test('is refused wherever a bit of it was changed', async () => {
    const start = endOfHeader(plain);
    const step = Math.ceil(plain.length / 400);
    const places = [...Array.from({ length: start }, (_, index) => index)];
    for (let at = start; at < plain.length; at += step) places.push(at);
    for (const at of places) {
      const changed = Buffer.from(plain);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const read = await readBackup(changed);
      expect([at, read]).toEqual([
        at,
        expect.stringMatching(/^TENANTD_E_BACKUP: it is (?:no backup|damaged|of format)|^TENANTD_E_BACKUP: its end is missing/),
      ]);
    }
    expect(places.length).toBeGreaterThan(400);
  });

  test('is refused wherever it was cut, and says so', async () => {
    const start = endOfHeader(plain);
    const chunk = 5 + (256 << 10) + 16;
    const boundaries = [0, 1, 2].flatMap((number) => [0, 1, 4, 5, 6, 20].map((more) => start + number * chunk + more));
    const cuts = [...boundaries.filter((cut) => cut < plain.length), plain.length - 17, plain.length - 1];
    for (const cut of cuts)
      expect([cut, await readBackup(plain.subarray(0, cut))]).toEqual([cut, 'TENANTD_E_BACKUP: its end is missing: it was cut off']);
    for (let cut = 0; cut < start; cut++)
      expect(await readBackup(plain.subarray(0, cut))).toMatch(/^TENANTD_E_BACKUP: it is (?:no backup|damaged)/);
  });

  test('is refused with chunks in another order, left out, or of another backup', async () => {
    const start = endOfHeader(plain);
    const chunk = 5 + (256 << 10) + 16;
    const [first, second, rest] = [0, 1, 2].map((number) =>
      plain.subarray(start + number * chunk, number === 2 ? undefined : start + (number + 1) * chunk),
    );
    const head = plain.subarray(0, start);
    const together = (...parts: (Buffer | undefined)[]) => readBackup(Buffer.concat([head, ...parts.flatMap((part) => part ?? [])]));
    expect(await together(first, second, rest)).toEqual(content);
    expect(await together(second, first, rest)).toContain('it is damaged');
    expect(await together(first, rest)).toContain('it is damaged');
    const other = await makeBackup(content, true);
    expect(await readBackup(Buffer.concat([head, other.subarray(endOfHeader(other))]))).toContain('it is damaged');
  });

  test('is refused with something behind its end', async () => {
    expect(await readBackup(Buffer.concat([plain, Buffer.from('x')]))).toContain('something was added at its end');
  });

  test.each([
    ['an archive of another program', Buffer.from('PK\u0003\u0004 and so on'), 'it is no backup of tenantd'],
    ['a text without lines', Buffer.alloc(100_000, 'x'), 'it is no backup of tenantd'],
    ['nothing', Buffer.alloc(0), 'it is no backup of tenantd'],
    ['a newer format', Buffer.from('tenantd-backup 2\n{}\n\n'), 'it is of format 2, and this tenantd knows format 1'],
  ])('%s is refused for what it is', async (_what, bytes, reason) => {
    expect(await readBackup(bytes)).toBe(`TENANTD_E_BACKUP: ${reason}`);
  });
});
