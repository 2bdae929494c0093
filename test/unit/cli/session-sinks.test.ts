import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createCapture, sinkTo } from '../../../src/cli/session-sinks.ts';

test('a capture keeps the beginning, and says when there was more', async () => {
  const capture = createCapture(5);
  await capture.sink(Buffer.from('abc'));
  expect([capture.text(), capture.isCut()]).toEqual(['abc', false]);
  await capture.sink(Buffer.from('de'));
  expect([capture.text(), capture.isCut()]).toEqual(['abcde', false]);
  await capture.sink(Buffer.from('f'));
  await capture.sink(Buffer.from('ghi'));
  expect([capture.text(), capture.isCut()]).toEqual(['abcde', true]);
});

test('characters that come in two pieces are whole', async () => {
  const capture = createCapture(100);
  const euro = Buffer.from('€');
  await capture.sink(euro.subarray(0, 1));
  await capture.sink(euro.subarray(1));
  expect(capture.text()).toBe('€');
});

test('a sink waits for its reader, and says when that is gone', async () => {
  const stream = new PassThrough({ highWaterMark: 1 });
  const sink = sinkTo(stream);
  let taken = false;
  void sink(Buffer.from('first'))
    .then(() => sink(Buffer.from('second')))
    .then(() => (taken = true));
  await new Promise(setImmediate);
  expect(taken).toBe(false);
  stream.resume();
  await expect.poll(() => taken).toBe(true);
  stream.destroy();
  await expect(sink(Buffer.from('third'))).rejects.toThrow('destroyed');
});
