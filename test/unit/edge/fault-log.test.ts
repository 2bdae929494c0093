import { expect, test } from 'vitest';
import { createFaultLog } from '../../../src/edge/fault-log.ts';

test('a flood of faults is cut, and its size is told afterwards', () => {
  const messages: string[] = [];
  let nowMs = 0;
  const log = createFaultLog(
    (_, message) => messages.push(message),
    () => nowMs,
  );
  for (let i = 0; i < 1_000; i++) log('warn', `fault ${i}`);
  expect(messages).toHaveLength(20);
  nowMs = 10_000;
  log('warn', 'later');
  expect(messages.slice(20)).toEqual(['980 more messages of the edge were left out', 'later']);
});
