import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { request } from '../../support/client.ts';
import { until } from '../../support/until.ts';
import { host } from './edge-under-test.ts';
import { connectRaw, get } from './raw-client.ts';
import { type SleepyEdge, startSleepyEdge } from './sleepy-edge.ts';

const noWake = { paths: ['/healthz'], agents: ['UptimeRobot', 'gptbot'] };
const robot = { 'user-agent': 'Mozilla/5.0 (compatible; uptimerobot/2.0)' };

async function start(): Promise<SleepyEdge> {
  const edge = await startSleepyEdge();
  edge.set('sleeping', { noWake });
  return edge;
}

describe('while an app sleeps, and is not woken,', () => {
  test.each(['/healthz', '/healthz?deep=1', '/healthz/'])('%s is answered for it', async (path) => {
    const edge = await start();
    const { status, text, headers } = await request(edge.port, { host, path });
    expect([status, text, headers['cache-control']]).toEqual([200, 'asleep\n', 'no-store']);
    expect(edge.wakes).toEqual([]);
    expect(edge.takeUse()).toEqual([]);
  });

  test('HEAD gets the head alone', async () => {
    const edge = await start();
    expect(await request(edge.port, { host, path: '/healthz', method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    expect(edge.wakes).toEqual([]);
  });

  test('an agent is sent away for a while, in whatever case it is written', async () => {
    const edge = await start();
    const { status, headers } = await request(edge.port, { host, headers: robot });
    expect([status, headers['retry-after']]).toEqual([503, '3600']);
    expect(edge.wakes).toEqual([]);
  });
});

test.each([
  ['another path', { path: '/healthz/deep' }],
  ['a path in another case', { path: '/Healthz' }],
  ['what is sent to the path', { path: '/healthz', method: 'POST', body: 'x' }],
  ['another agent', { headers: { 'user-agent': 'curl/8' } }],
])('%s wakes the app', async (_, asked) => {
  const edge = await start();
  await edge.http('one', (_, response) => response.end('awake'));
  const waiting = request(edge.port, { host, ...asked });
  await until(() => edge.wakes.length > 0, 'the daemon is told');
  edge.set('ready', { noWake });
  expect((await waiting).text).toBe('awake');
  expect(edge.takeUse()).toEqual(['acme/site 0+0']);
});

describe('while an app is awake', () => {
  test('such requests reach it, and do not count as use', async () => {
    const edge = await start();
    await edge.http('one', (incoming, response) => response.end(`app ${incoming.url}`));
    edge.set('ready', { noWake });
    expect((await request(edge.port, { host, path: '/healthz' })).text).toBe('app /healthz');
    expect((await request(edge.port, { host, headers: robot })).text).toBe('app /');
    expect(edge.takeUse()).toEqual([]);
  });

  test('none of them is cut: the app does not sleep while one is open', async () => {
    const edge = await start();
    const open: ServerResponse[] = [];
    await edge.http('one', (_, response) => void open.push(response));
    edge.set('ready', { noWake });
    const slow = request(edge.port, { host, path: '/healthz' });
    await until(() => open.length === 1, 'the request is at the app');
    expect(edge.takeUse()).toEqual([]);
    expect(edge.letSleep()).toBe(false);
    open[0]?.end('well');
    expect((await slow).text).toBe('well');
    expect(edge.letSleep()).toBe(true);
  });

  test('one beside a request that counts is told among those that are open', async () => {
    const edge = await start();
    const open: ServerResponse[] = [];
    await edge.http('one', (_, response) => void open.push(response));
    edge.set('ready', { noWake });
    const both = [request(edge.port, { host, path: '/healthz' }), request(edge.port, { host })];
    await until(() => open.length === 2, 'both are at the app');
    expect(edge.takeUse()).toEqual(['acme/site 2+0']);
    for (const response of open) response.end();
    await Promise.all(both);
  });
});

test('one that waits for the start of an app is answered by the edge when the app falls asleep instead', async () => {
  const edge = await start();
  edge.set('starting', { noWake });
  const client = await connectRaw(edge.port);
  client.send(get('/healthz'));
  await edge.seen(() => edge.tenantState().heldRequests === 1);
  edge.set('sleeping', { noWake });
  await client.seen(/asleep\n$/);
  expect(edge.wakes).toEqual([]);
});
