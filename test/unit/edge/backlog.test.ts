import { describe, expect, test } from 'vitest';
import { Backlog } from '../../../src/edge/backlog.ts';

describe('what waits', () => {
  test('is what came, in order, without what was dropped', () => {
    const backlog = new Backlog();
    let expected = '';
    for (let index = 0; index < 3_000; index++) {
      const piece = `${index},`;
      backlog.add(Buffer.from(piece));
      expected += piece;
      if (index % 7 !== 0) continue;
      backlog.drop(5);
      expected = expected.slice(5);
    }
    expect(backlog.bytes?.toString()).toBe(expected);
    backlog.drop(expected.length);
    expect(backlog.bytes).toBeUndefined();
  });

  test('once handed out, is not written to again', () => {
    const backlog = new Backlog();
    backlog.add(Buffer.from('one'));
    backlog.add(Buffer.from('two'));
    const handedOut = backlog.bytes;
    backlog.drop(6);
    for (let index = 0; index < 100; index++) backlog.add(Buffer.from('three'));
    expect(handedOut?.toString()).toBe('onetwo');
  });

  test('of many small pieces is copied seldom', () => {
    const backlog = new Backlog();
    const memories = new Set<unknown>();
    for (let index = 0; index < 100_000; index++) {
      backlog.add(Buffer.from('x'));
      memories.add(backlog.bytes?.buffer);
    }
    expect(memories.size).toBeLessThan(20);
  });
});
