import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { ensureDataDirectory, ensureDirectory, removeRootDirectory, setOwner } from '../../../src/privileged/directories.ts';
import { copyBubblewrap, findPrograms } from '../../../src/privileged/programs.ts';
import { ensureEtcDirectory } from '../../../src/privileged/sandbox-etc.ts';
import { temporaryFolder } from './temporary-folder.ts';

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
});

const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const modeOf = (path: string): number => statSync(path).mode & 0o7777;

describe('a directory', () => {
  test('is made with its mode whatever the umask, and set right when it is there', () => {
    const path = join(folder, 'made');
    const umask = process.umask(0o077);
    ensureDirectory(path, { ...self, mode: 0o1775 });
    process.umask(umask);
    expect(modeOf(path)).toBe(0o1775);
    ensureDirectory(path, { ...self, mode: 0o750 });
    expect(modeOf(path)).toBe(0o750);
  });

  test('keeps what is in it', () => {
    writeFileSync(join(folder, 'file'), 'kept');
    ensureDirectory(folder, { ...self, mode: 0o700 });
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('kept');
  });

  test.each(['relative', '', '/', '/a/../b', '/a//b', './a', '/a/.', '/a\0b'])('is neither made, owned nor removed as %j', (path) => {
    const refused = expect.objectContaining({ code: 'TENANTD_E_INTERNAL', message: `not a plain absolute path: ${path}` });
    expect(() => ensureDirectory(path, { ...self, mode: 0o700 })).toThrow(refused);
    expect(() => setOwner(path, { ...self, mode: 0o700 })).toThrow(refused);
    expect(() => ensureDataDirectory(path, self)).toThrow(refused);
    expect(() => removeRootDirectory(path)).toThrow(refused);
  });

  test('is removed with all in it, also when it is gone already', () => {
    const path = join(folder, 'a');
    mkdirSync(join(path, 'b/c'), { recursive: true });
    removeRootDirectory(path);
    removeRootDirectory(path);
    expect(existsSync(path)).toBe(false);
  });
});

describe('the /etc of a sandbox', () => {
  const user = { name: 'app', uid: 200_001, gid: 200_002, home: '/data/home' };

  test('knows root and the user of the sandbox, and nobody else', () => {
    const etc = ensureEtcDirectory(folder, user);
    expect(readFileSync(join(etc, 'passwd'), 'utf8')).toBe(
      'root:x:0:0:root:/nonexistent:/usr/sbin/nologin\napp:x:200001:200002::/data/home:/bin/sh\n',
    );
    expect(readFileSync(join(etc, 'group'), 'utf8')).toBe('root:x:0:\napp:x:200002:\n');
    expect(readFileSync(join(etc, 'hosts'), 'utf8')).toContain('127.0.0.1 localhost');
  });

  test('is complete or not there at all, also after an attempt that was cut off', () => {
    mkdirSync(join(folder, '200001.new/passwd'), { recursive: true });
    const etc = ensureEtcDirectory(folder, user);
    expect(readdirSync(folder)).toEqual(['200001']);
    expect(ensureEtcDirectory(folder, user)).toBe(etc);
  });

  test('of one uid is not that of another', () => {
    expect(ensureEtcDirectory(folder, user)).not.toBe(ensureEtcDirectory(folder, { ...user, uid: 200_003 }));
  });
});

describe('the copy of bubblewrap', () => {
  test('is the program, can be run by anybody, and replaces the one before, complete or not', () => {
    const programs = findPrograms();
    writeFileSync(join(folder, 'bwrap'), 'of an earlier version');
    writeFileSync(join(folder, 'bwrap.new'), 'of an attempt that was cut off');
    const copy = copyBubblewrap(programs, folder);
    expect(copy).toBe(join(folder, 'bwrap'));
    expect(readFileSync(copy).equals(readFileSync(programs.bwrap))).toBe(true);
    expect([modeOf(copy), readdirSync(folder)]).toEqual([0o755, ['bwrap']]);
  });
});
