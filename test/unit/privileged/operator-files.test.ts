import { chmodSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { replaceFile } from '../../../src/privileged/operator-files.ts';

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'operator-files-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
});

test('a file is replaced as a whole, with the mode it is to have, and nothing is left beside it', () => {
  const path = join(dir, 'tenant.yaml');
  writeFileSync(path, 'before');
  const { ino } = statSync(path);
  replaceFile(path, 'after: ü\n', { ...own, mode: 0o640 });
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777, readdirSync(dir)]).toEqual(['after: ü\n', 0o640, ['tenant.yaml']]);
  expect(statSync(path).ino).not.toBe(ino);
});

test('what a write that broke off left is no obstacle, and no way to another file', () => {
  const victim = join(dir, 'victim');
  writeFileSync(victim, 'untouched');
  symlinkSync(victim, join(dir, '.new.yaml.new'));
  replaceFile(join(dir, 'new.yaml'), 'text', { ...own, mode: 0o600 });
  expect([readFileSync(victim, 'utf8'), readFileSync(join(dir, 'new.yaml'), 'utf8')]).toEqual(['untouched', 'text']);
});

test('a link is replaced, not followed', () => {
  const victim = join(dir, 'victim');
  writeFileSync(victim, 'untouched');
  symlinkSync(victim, join(dir, 'link'));
  replaceFile(join(dir, 'link'), 'text', { ...own, mode: 0o600 });
  expect([readFileSync(victim, 'utf8'), lstatSync(join(dir, 'link')).isFile()]).toEqual(['untouched', true]);
});

test('a write that fails leaves the file as it was', () => {
  const path = join(dir, 'tenant.yaml');
  writeFileSync(path, 'before');
  chmodSync(dir, 0o700);
  expect(() => replaceFile(`${dir}/none/tenant.yaml`, 'x', { ...own, mode: 0o600 })).toThrow('ENOENT');
  expect(() => replaceFile(`${dir}/../tenant.yaml`, 'x', { ...own, mode: 0o600 })).toThrow('plain absolute path');
  expect(readFileSync(path, 'utf8')).toBe('before');
});
