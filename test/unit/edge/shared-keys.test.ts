import { createPrivateKey } from 'node:crypto';
import { createServer } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSharedKeys, type KeyMessage } from '../../../src/edge/shared-keys.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

function start() {
  const told: KeyMessage[] = [];
  let nowMs = 5_000;
  const keys = createSharedKeys({ tell: (message) => told.push(message), nowMs: () => nowMs });
  onTestFinished(() => keys.stop());
  const messageOf = <Method extends KeyMessage['method']>(method: Method, messages = keys.replay()) =>
    messages.filter((message): message is Extract<KeyMessage, { method: Method }> => message.method === method);
  return {
    told,
    keys,
    tickets: () => messageOf('set-ticket-keys')[0]?.params.keys ?? '',
    contextIds: () => messageOf('set-context-keys')[0]?.params.keys.map(({ id }) => id) ?? [],
    contextKeys: () => messageOf('set-context-keys')[0]?.params.keys ?? [],
    /** A check a minute, as the timer makes them. */
    pass: (ms: number): void => {
      for (const endMs = nowMs + ms; nowMs < endMs;) {
        nowMs += minuteMs;
        keys.check();
      }
    },
    /** No check meanwhile: the machine slept. */
    sleep: (ms: number): void => {
      nowMs += ms;
      keys.check();
    },
  };
}

test('a new edge is told the same keys as those before', () => {
  const { keys } = start();
  expect(keys.replay().map(({ method }) => method)).toEqual(['set-ticket-keys', 'set-context-keys']);
  expect(keys.replay()).toEqual(keys.replay());
});

test('nobody is told anything while nothing changes', () => {
  const { told, pass } = start();
  pass(11 * hourMs);
  expect(told).toEqual([]);
});

test('ticket keys are such as Node takes', () => {
  const { tickets } = start();
  const server = createServer();
  server.setTicketKeys(Buffer.from(tickets(), 'base64'));
  expect(server.getTicketKeys().toString('base64')).toBe(tickets());
});

test('ticket keys are new every twelve hours, and each edge is told', () => {
  const { told, tickets, pass, keys } = start();
  const seen = [tickets()];
  for (let half = 1; half <= 4; half++) {
    pass(12 * hourMs);
    expect(told.filter(({ method }) => method === 'set-ticket-keys')).toHaveLength(half);
    expect(keys.replay()).toEqual(expect.arrayContaining(told.filter(({ method }) => method === 'set-ticket-keys').slice(-1)));
    seen.push(tickets());
  }
  expect(new Set(seen).size).toBe(5);
});

test('context keys are Ed25519 keys, each with an id of its own', () => {
  const [key] = start().contextKeys();
  const imported = createPrivateKey({ key: Buffer.from(key?.privateKey ?? '', 'base64'), format: 'der', type: 'pkcs8' });
  expect(imported.asymmetricKeyType).toBe('ed25519');
  expect(key?.id).toMatch(/^[\w-]{12}$/);
  expect(start().contextIds()).not.toEqual([key?.id]);
});

describe('a context key', () => {
  test('is published ten minutes before it signs, and ten minutes after it did', () => {
    const { contextIds, pass } = start();
    const [first] = contextIds();
    pass(24 * hourMs - 11 * minuteMs);
    expect(contextIds()).toEqual([first]);
    pass(minuteMs);
    const [, second] = contextIds();
    expect(contextIds()).toEqual([first, second]);
    pass(9 * minuteMs);
    expect(contextIds()).toEqual([first, second]);
    pass(minuteMs);
    expect(contextIds()).toEqual([second, first]);
    pass(9 * minuteMs);
    expect(contextIds()).toEqual([second, first]);
    pass(minuteMs);
    expect(contextIds()).toEqual([second]);
    expect(second).not.toBe(first);
  });

  test('signs for a day each', () => {
    const { contextIds, pass } = start();
    const signing = new Set<string | undefined>();
    for (let hour = 0; hour < 24 * 5; hour++) {
      signing.add(contextIds()[0]);
      pass(hourMs);
    }
    expect(signing.size).toBe(5);
  });

  test('is told with each change, as a new edge would be told', () => {
    const { told, pass, keys } = start();
    for (let hour = 0; hour < 50; hour++) {
      pass(hourMs);
      const last = told.filter(({ method }) => method === 'set-context-keys').slice(-1);
      expect(keys.replay()).toEqual(expect.arrayContaining(last));
    }
    expect(told.filter(({ method }) => method === 'set-context-keys')).toHaveLength(6);
  });

  test('does not sign before it was published for ten minutes, however late it comes', () => {
    const { contextIds, sleep } = start();
    const [first] = contextIds();
    sleep(30 * hourMs);
    const [, second] = contextIds();
    expect(contextIds()).toEqual([first, second]);
    sleep(9 * minuteMs);
    expect(contextIds()).toEqual([first, second]);
    sleep(minuteMs);
    expect(contextIds()).toEqual([second, first]);
  });

  test('that signed is published for ten minutes more, however late it goes', () => {
    const { contextIds, sleep } = start();
    for (const ms of [30 * hourMs, 30 * hourMs]) sleep(ms);
    const [second, first] = contextIds();
    sleep(9 * minuteMs);
    expect(contextIds()).toEqual([second, first]);
    sleep(minuteMs);
    expect(contextIds()).toEqual([second]);
  });
});

test('another master goes on with them: the same keys, of the same age', () => {
  const before = start();
  before.pass(11 * hourMs);
  const next = start();
  next.keys.take(before.keys.state());
  expect(next.told).toEqual(before.keys.replay());
  expect([next.tickets(), next.contextIds()]).toEqual([before.tickets(), before.contextIds()]);
  next.pass(hourMs);
  expect(next.tickets()).not.toBe(before.tickets());
  next.pass(12 * hourMs);
  expect(next.contextIds()).toContain(before.contextIds()[0]);
});
