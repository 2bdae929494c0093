import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { takeDaemonLock } from '../../../src/daemon/daemon-lock.ts';
import { identifyProcess, type ProcessIdentity } from '../../../src/privileged/processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder, 'tenantd.pid');
});

const own = identifyProcess(process.pid);
const parent = identifyProcess(process.ppid) as ProcessIdentity;

/** What the file holds while it is taken, and what the folder holds then and after. */
function takeAndGiveBack(): unknown {
  const giveBack = takeDaemonLock(file);
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const files = readdirSync(folder);
  giveBack();
  return { content, files, filesAfter: readdirSync(folder) };
}

const taken = { content: own, files: ['tenantd.pid'], filesAfter: [] };

describe('the lock of a run directory', () => {
  test('is taken where there is none, and given back', () => {
    expect(takeAndGiveBack()).toEqual(taken);
    expect(takeAndGiveBack()).toEqual(taken);
  });

  test('is refused while another process that lives has it, and stays that one', () => {
    writeFileSync(file, JSON.stringify(parent));
    expect(() => takeDaemonLock(file)).toThrow(
      expect.objectContaining({
        code: 'TENANTD_E_ALREADY_RUNNING',
        message: expect.stringContaining(`as pid ${process.ppid}`),
        fix: expect.stringContaining(`kill ${process.ppid}`),
      }),
    );
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(parent);
  });

  test('is taken from a process that ended', async () => {
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    const identity = identifyProcess(child.pid ?? 0);
    writeFileSync(file, JSON.stringify(identity));
    expect(() => takeDaemonLock(file)).toThrow(`as pid ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(takeAndGiveBack()).toEqual(taken);
  });

  test('is taken where a later process has the pid of the dead one', () => {
    writeFileSync(file, JSON.stringify({ ...parent, startTicks: parent.startTicks - 1 }));
    expect(takeAndGiveBack()).toEqual(taken);
  });

  test('is taken again by the very process that has it', () => {
    takeDaemonLock(file);
    expect(takeAndGiveBack()).toEqual(taken);
  });

  test.each([
    ['empty', ''],
    ['torn', '{"pid":12'],
    ['of an old form', '4711\n'],
    ['of another form', '{"pid":"1","startTicks":null}'],
    ['binary', '\u0000\u0001\u00ff'],
  ])('is taken where the file is %s', (_, content) => {
    writeFileSync(file, content);
    expect(takeAndGiveBack()).toEqual(taken);
  });

  test('is taken beside what a daemon left that died while it took it', () => {
    writeFileSync(`${file}.new`, '{"pi');
    expect(takeAndGiveBack()).toEqual(taken);
  });

  test('is refused where the file can not be read', () => {
    mkdirSync(file);
    expect(() => takeDaemonLock(file)).toThrow('EISDIR');
  });
});
