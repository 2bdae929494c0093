import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../../src/base/log.ts';
import { recordFolders, Records } from '../../../src/certs/records.ts';
import { StateFiles } from '../../../src/certs/state-files.ts';

let directory: string;
let files: StateFiles;
const told: string[] = [];
const tell = (_fields: object, message: string): void => void told.push(message);
const log: Log = { debug: tell, info: tell, warn: tell, error: tell };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'state-'));
  files = await StateFiles.open(directory, recordFolders);
  told.length = 0;
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe('StateFiles', () => {
  test('what is written is read again, by its owner alone, and nothing else is left', async () => {
    await files.write('names', 'a', 'one');
    await files.write('names', 'a', 'two');
    expect(await files.read('names', 'a')).toBe('two');
    expect(statSync(join(directory, 'names/a')).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(directory, 'scratch'))).toEqual([]);
  });

  test('what is not there is undefined', async () => {
    expect(await files.read('names', 'a')).toBeUndefined();
  });

  test('writes of one file end in the order they were asked for', async () => {
    const texts = Array.from({ length: 50 }, (_, index) => `${index}${' '.repeat((50 - index) * 1_000)}`);
    await Promise.all(texts.map((text) => files.write('names', 'a', text)));
    expect(await files.read('names', 'a')).toBe(texts.at(-1));
  });

  test('a temporary file of a killed process is removed at the next start, and the file it was for stays whole', async () => {
    await files.write('names', 'a', 'whole');
    writeFileSync(join(directory, 'scratch/half'), 'ha');
    const again = await StateFiles.open(directory, recordFolders);
    expect(readdirSync(join(directory, 'scratch'))).toEqual([]);
    expect(await again.read('names', 'a')).toBe('whole');
  });

  test('a name of 253 characters has its file', async () => {
    const name = `${'a'.repeat(60)}.`.repeat(4).slice(0, 253);
    await files.write('names', name, 'long');
    expect(await files.read('names', name)).toBe('long');
  });
});

describe('Records', () => {
  test.each(['', '{', '\0'.repeat(100), '[]', '{"name":1}', '{"name":"a","failures":-1}'])('%j is moved aside and told', async (text) => {
    const records = new Records(files, log);
    writeFileSync(join(directory, 'names/a.example'), text);
    expect(await records.read('names', 'a.example')).toBeUndefined();
    expect(told).toEqual([expect.stringContaining('moved aside')]);
    const [aside = ''] = readdirSync(join(directory, 'broken'));
    expect(readFileSync(join(directory, 'broken', aside), 'utf8')).toBe(text);
    expect(readdirSync(join(directory, 'names'))).toEqual([]);
  });

  test('a wildcard and the name with its star as a letter are two', async () => {
    const records = new Records(files, log);
    await records.write('names', '*.a.example', { name: '*.a.example', failures: 1 });
    expect(await records.read('names', '*.a.example')).toEqual({ name: '*.a.example', failures: 1 });
    expect(await records.read('names', 'x.a.example')).toBeUndefined();
    expect(readdirSync(join(directory, 'names'))).toEqual(['_.a.example']);
  });

  test('records of names that nobody wants are removed when they are old', async () => {
    const records = new Records(files, log);
    for (const name of ['*.wanted.example', 'gone.example']) await records.write('names', name, { name, failures: 0 });
    await records.removeOld(['*.wanted.example'], Date.now() - 60_000);
    expect(readdirSync(join(directory, 'names')).length).toBe(2);
    await records.removeOld(['*.wanted.example'], Date.now() + 60_000);
    expect(readdirSync(join(directory, 'names'))).toEqual(['_.wanted.example']);
  });
});
