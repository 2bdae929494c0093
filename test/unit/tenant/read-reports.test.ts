import { expect, test } from 'vitest';
import { parseReport } from '../../../src/tenant/read-reports.ts';

test.each([
  ['{"event":"listening"}', { event: 'listening' }],
  ['{"event":"note","message":"x"}', { event: 'note', message: 'x' }],
  ['{"event":"deaf","message":"x"}', { event: 'deaf', message: 'x' }],
  ['{"event":"beat"}', { event: 'beat' }],
  ['{"event":"beat","busy":0.5,"lateMs":3,"more":1}', { event: 'beat', busy: 0.5, lateMs: 3 }],
])('%s is a report', (text, report) => {
  expect(parseReport(text)).toEqual(report);
});

test.each(['{"event":"beat","busy":7,"lateMs":3}', '{"event":"beat","busy":0.5}', '{"event":"beat","busy":"1","lateMs":-1}'])(
  '%s is a beat that says nothing of load',
  (text) => {
    expect(parseReport(text)).toEqual({ event: 'beat' });
  },
);

test.each(['', '{', 'null', '7', '{"event":"note"}', '{"event":"deaf","message":7}', '{"event":"exit"}', '[]'])('%s is none', (text) => {
  expect(parseReport(text)).toBeUndefined();
});
