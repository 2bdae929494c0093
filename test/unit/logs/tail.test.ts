import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogTail } from '../../../src/logs/tail.ts';

let dir: string;
let tail: LogTail;
const path = (rotation = 0): string => join(dir, rotation === 0 ? 'access.0.log' : `access.0.log.${rotation}`);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-tail-'));
  tail = new LogTail({ dir, name: 'access.0' });
});

afterEach(() => {
  tail.close();
  rmSync(dir, { recursive: true });
});

function all(): string[] {
  const lines: string[] = [];
  for (let line = tail.next(); line !== undefined; line = tail.next()) lines.push(line);
  return lines;
}

function rotate(upTo: number): void {
  for (let rotation = upTo; rotation >= 0; rotation -= 1) renameSync(path(rotation), path(rotation + 1));
}

describe('a tail', () => {
  test('hands out whole lines as they come, also from before there was a file', () => {
    expect(all()).toEqual([]);
    writeFileSync(path(), 'one\ntw');
    expect(all()).toEqual(['one']);
    appendFileSync(path(), 'o\nthree\n');
    expect(all()).toEqual(['two', 'three']);
  });

  test('begins at the end when it is told to', () => {
    writeFileSync(path(), 'one\n');
    tail.seekEnd();
    appendFileSync(path(), 'two\n');
    expect(all()).toEqual(['two']);
  });

  test('goes on over several rotations between two looks, with what was written before each', () => {
    writeFileSync(path(), 'one\n');
    expect(all()).toEqual(['one']);
    appendFileSync(path(), 'two\n');
    for (const [at, text] of ['three\n', 'four\n', 'five\nsix\n'].entries()) {
      rotate(at);
      writeFileSync(path(), text);
    }
    expect(all()).toEqual(['two', 'three', 'four', 'five', 'six']);
  });

  test('waits in the middle of a rotation', () => {
    writeFileSync(path(), 'one\n');
    expect(all()).toEqual(['one']);
    rotate(0);
    expect(all()).toEqual([]);
    writeFileSync(path(), 'two\n');
    expect(all()).toEqual(['two']);
  });

  test('goes to the oldest that is there when its own file was removed', () => {
    writeFileSync(path(), 'one\n');
    expect(all()).toEqual(['one']);
    rotate(0);
    writeFileSync(path(), 'two\n');
    rmSync(path(1));
    rotate(0);
    writeFileSync(path(), 'three\n');
    expect(all()).toEqual(['two', 'three']);
  });

  test('leaves out a line that is no line of ours, and reads the next', () => {
    writeFileSync(path(), `one\n${'x'.repeat(400_000)}\ntwo\n`);
    const lines = all();
    expect([lines[0], lines.at(-1)]).toEqual(['one', 'two']);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(200_000);
  });
});
