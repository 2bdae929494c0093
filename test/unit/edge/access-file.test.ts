import { execFile } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AccessFile } from '../../../src/edge/access-file.ts';

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-access-'));
  path = join(dir, 'access.0.log');
});
afterEach(() => rmSync(dir, { recursive: true }));

async function write(...batches: string[]): Promise<void> {
  const file = new AccessFile({ path, maxBytes: 1_000, keep: 2 });
  for (const batch of batches) expect(await file.append(Buffer.from(batch))).toEqual({ writtenBytes: batch.length });
  await file.close();
}

const contents = (): Record<string, string> =>
  Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]));

describe('an access log file', () => {
  test('is made with its folder, for its owner and group', async () => {
    path = join(dir, 'acme', 'access.0.log');
    await write('one\n', 'two\n');
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(path).mode & 0o137).toBe(0);
    expect(statSync(join(dir, 'acme')).mode & 0o027).toBe(0);
  });

  test('goes on behind what is there', async () => {
    await write('one\n');
    await write('two\n');
    expect(contents()).toEqual({ 'access.0.log': 'one\ntwo\n' });
  });

  test('closes a line that was cut short', async () => {
    writeFileSync(path, 'one\n{"tim');
    await write('two\n');
    expect(contents()).toEqual({ 'access.0.log': 'one\n{"tim\ntwo\n' });
  });

  test('is rotated before it grows over its size, and so many full ones are kept', async () => {
    const batches = ['a', 'b', 'c', 'd', 'e'].map((letter) => `${letter.repeat(599)}\n`);
    await write(...batches);
    const [, , third, fourth, fifth] = batches;
    expect(contents()).toEqual({ 'access.0.log': fifth, 'access.0.log.1': fourth, 'access.0.log.2': third });
  });

  test('takes a batch that is larger than a file', async () => {
    await write('a\n', `${'b'.repeat(2_000)}\n`, 'c\n');
    expect(contents()).toEqual({ 'access.0.log': 'c\n', 'access.0.log.1': `${'b'.repeat(2_000)}\n`, 'access.0.log.2': 'a\n' });
  });

  test('is made anew when somebody took it away while it was open', async () => {
    const file = new AccessFile({ path, maxBytes: 1_000, keep: 2, lookEveryMs: 0 });
    await file.append(Buffer.from('one\n'));
    renameSync(path, join(dir, 'taken'));
    await file.append(Buffer.from('two\n'));
    rmSync(path);
    await file.append(Buffer.from('three\n'));
    await file.close();
    expect(contents()).toEqual({ taken: 'one\n', 'access.0.log': 'three\n' });
  });

  test('is no link to another file', async () => {
    writeFileSync(join(dir, 'victim'), 'kept\n');
    symlinkSync(join(dir, 'victim'), path);
    const file = new AccessFile({ path, maxBytes: 1_000, keep: 2 });
    expect(await file.append(Buffer.from('one\n'))).toMatchObject({ writtenBytes: 0, fault: expect.stringContaining('ELOOP') as unknown });
    expect(readFileSync(join(dir, 'victim'), 'utf8')).toBe('kept\n');
  });

  test('on a full disk tells the fault, and can be tried again', async () => {
    const file = new AccessFile({ path: '/dev/full', maxBytes: 1_000, keep: 2 });
    for (const _ of [1, 2]) {
      expect(await file.append(Buffer.from('one\n'))).toEqual({ writtenBytes: 0, fault: expect.stringContaining('ENOSPC') as unknown });
    }
    await file.close();
  });

  test('that took a part of a batch says how much, and goes on with a whole line', async () => {
    const script = `
      import { AccessFile } from '${new URL('../../../src/edge/access-file.ts', import.meta.url).pathname}';
      const file = new AccessFile({ path: process.argv[1], maxBytes: 1e6, keep: 1 });
      process.stdout.write(JSON.stringify(await file.append(Buffer.from('x'.repeat(700) + '\\n' + 'y'.repeat(700) + '\\n'))));
    `;
    // The file may have two blocks of 512 bytes; a program that ignores SIGXFSZ gets EFBIG (setrlimit(2)).
    const limited = `trap '' XFSZ; ulimit -f 2; exec "$0" --input-type=module -e "$1" "$2"`;
    const { stdout } = await promisify(execFile)('sh', ['-c', limited, process.execPath, script, path]);
    expect(JSON.parse(stdout)).toEqual({ writtenBytes: 1_024, fault: expect.stringContaining('EFBIG') as unknown });
    await write('next\n');
    expect(contents()).toEqual({
      'access.0.log': 'next\n',
      'access.0.log.1': `${'x'.repeat(700)}\n${'y'.repeat(323)}\n`,
    });
  });

  test('that was cut by hand while it was open gets whole lines', async () => {
    const file = new AccessFile({ path, maxBytes: 1_000, keep: 2 });
    await file.append(Buffer.from('one\n'));
    await file.close();
    appendFileSync(path, 'torn');
    await file.append(Buffer.from('two\n'));
    await file.close();
    expect(contents()).toEqual({ 'access.0.log': 'one\ntorn\ntwo\n' });
  });
});

describe('an access log file that two processes write', () => {
  const line = (letter: string): string => `${letter.repeat(399)}\n`;
  const append = (file: AccessFile, letter: string) => file.append(Buffer.from(line(letter)));

  test('is set aside by the one that may, and the other follows', async () => {
    const old = new AccessFile({ path, maxBytes: 1_000, keep: 2, mayRotate: () => false, lookEveryMs: 0 });
    const serving = new AccessFile({ path, maxBytes: 1_000, keep: 2, lookEveryMs: 0 });
    for (const [file, letter] of [
      [old, 'a'],
      [serving, 'b'],
      [old, 'c'],
      [serving, 'd'],
      [old, 'e'],
    ] as const)
      await append(file, letter);
    await Promise.all([old.close(), serving.close()]);
    expect(contents()).toEqual({
      'access.0.log': `${line('d')}${line('e')}`,
      'access.0.log.1': `${line('a')}${line('b')}${line('c')}`,
    });
  });

  test('is not set aside again by one that has not seen yet that it was', async () => {
    const one = new AccessFile({ path, maxBytes: 1_300, keep: 2 });
    const other = new AccessFile({ path, maxBytes: 1_300, keep: 2 });
    for (let count = 0; count < 3; count++) await append(other, 'a');
    await append(one, 'b');
    await append(other, 'c');
    await Promise.all([one.close(), other.close()]);
    expect(contents()).toEqual({ 'access.0.log': `${line('b')}${line('c')}`, 'access.0.log.1': line('a').repeat(3) });
  });
});
