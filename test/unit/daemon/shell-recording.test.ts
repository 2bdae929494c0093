import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type RecordingOptions, startRecording } from '../../../src/daemon/shell-recording.ts';
import { clientFrames, encodeSize, programFrames } from '../../../src/protocol/terminal.ts';
import { temporaryFolder } from './temporary-folder.ts';

function frame(type: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head.writeUInt8(type);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const stdout = (payload: Buffer | string): Buffer => frame(programFrames.stdout, payload);

function start(changed: Partial<RecordingOptions> = {}) {
  const directory = changed.directory ?? temporaryFolder();
  let nowMs = Date.parse('2026-03-04T05:06:07.089Z');
  const recording = startRecording({
    ...{ directory, session: 'abc', title: 'acme/site', command: undefined, size: { columns: 100, rows: 30 } },
    ...{ maxBytes: 10_000, keep: 3, now: () => new Date(nowMs) },
    ...changed,
  });
  const lines = (): unknown[] =>
    readFileSync(`${directory}/${recording.file}`, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);
  return { recording, directory, lines, pass: (ms: number) => (nowMs += ms) };
}

describe('a recording', () => {
  test('is an asciicast v2 of what was printed, with times and sizes', () => {
    const { recording, lines, pass } = start({ command: ['ls', '-l', 'a b'] });
    pass(1_500);
    recording.hearProgram(stdout('hello\r\n'));
    recording.hearProgram(frame(programFrames.stderr, 'oh'));
    pass(500);
    recording.hearClient(frame(clientFrames.resize, encodeSize({ columns: 120, rows: 40 })));
    recording.close();
    expect(lines()).toEqual([
      { version: 2, width: 100, height: 30, timestamp: 1_772_600_767, title: 'acme/site', command: '"ls" "-l" "a b"' },
      [1.5, 'o', 'hello\r\n'],
      [1.5, 'o', 'oh'],
      [2, 'r', '120x40'],
    ]);
  });

  test('holds nothing that was typed', () => {
    const { recording, lines } = start();
    recording.hearClient(frame(clientFrames.stdin, 'geheim'));
    recording.hearClient(frame(clientFrames.stdinEnd, ''));
    recording.close();
    expect(lines().length).toBe(1);
  });

  test('is for root alone, named by time and session', () => {
    const { recording, directory } = start();
    expect(recording.file).toBe('20260304T050607.089Z-abc.cast');
    expect(statSync(`${directory}/${recording.file}`).mode & 0o777).toBe(0o600);
    recording.close();
  });

  test('keeps characters whole that come in two pieces, and shows bytes that are none', () => {
    const { recording, lines } = start();
    const euro = Buffer.from('€');
    recording.hearProgram(stdout(euro.subarray(0, 2)));
    recording.hearProgram(stdout(Buffer.concat([euro.subarray(2), Buffer.from([0xff]), Buffer.from('\x1b]0;x\x07')])));
    recording.close();
    expect(lines().slice(1)).toEqual([[0, 'o', '€\ufffd\x1b]0;x\x07']]);
  });

  test('ends at its limit, in whole lines, and says so', () => {
    const { recording, lines, directory } = start({ maxBytes: 400 });
    for (let count = 0; count < 50; count++) recording.hearProgram(stdout('x'.repeat(40)));
    const end = recording.close();
    expect(end).toEqual({ bytes: expect.any(Number), cutOff: 'it is over 400 bytes' });
    expect(statSync(`${directory}/${recording.file}`).size).toBe(end.bytes);
    expect(end.bytes).toBeLessThanOrEqual(400);
    expect(lines().length).toBeGreaterThan(3);
  });

  test('ends when the sandbox says what is no frame', () => {
    const { recording, lines } = start();
    recording.hearProgram(Buffer.alloc(100, 0xff));
    recording.hearProgram(stdout('more'));
    expect(recording.close().cutOff).toBe('the sandbox said something that no terminal says');
    expect(lines().length).toBe(1);
  });

  test('of a tenant are kept up to a number, the newest of them, and nothing else is touched', () => {
    const directory = temporaryFolder();
    for (const name of ['20250101T000000.000Z-a.cast', '20250102T000000.000Z-b.cast', '20250103T000000.000Z-c.cast', 'notes.txt'])
      writeFileSync(`${directory}/${name}`, '');
    const { recording } = start({ directory });
    recording.close();
    expect(readdirSync(directory).sort()).toEqual([
      '20250102T000000.000Z-b.cast',
      '20250103T000000.000Z-c.cast',
      recording.file,
      'notes.txt',
    ]);
  });

  test('that can not be made is told', () => {
    expect(() => start({ directory: '/nowhere/at/all' })).toThrow('ENOENT');
  });
});
