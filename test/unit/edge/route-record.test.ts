import { describe, expect, test } from 'vitest';
import { generousLimits } from '../../support/generous-limits.ts';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { type RouteMessage, RouteRecord } from '../../../src/edge/route-record.ts';

const plain = { release: 'local', compress: false };

const set = (tenant: string): RouteMessage => ({
  method: 'set-tenant',
  params: {
    tenant: tenant as TenantName,
    hosts: [],
    apps: [{ app: 'site' as AppName, state: 'starting', upstreams: [], ...plain }],
    limits: generousLimits,
    tls: { redirect: true, hstsSeconds: 0 },
  },
});
const begin: RouteMessage = { method: 'snapshot-begin', params: {} };
const end: RouteMessage = { method: 'snapshot-end', params: {} };

/** What a new edge would be told, in short. */
function replayed(record: RouteRecord): string[] {
  return [...record.replay()].map(({ method, params }) => ('tenant' in params ? params.tenant : method));
}

function recordOf(...messages: RouteMessage[]): RouteRecord {
  const record = new RouteRecord();
  for (const message of messages) record.record(message);
  return record;
}

describe('a new edge is told', () => {
  test('nothing while the daemon has said nothing', () => {
    expect(replayed(recordOf())).toEqual([]);
  });

  test('no end of the first snapshot before there is one', () => {
    expect(replayed(recordOf(begin, set('a')))).toEqual(['snapshot-begin', 'a']);
  });

  test('the whole picture, with what changed since', () => {
    const record = recordOf(begin, set('a'), set('b'), end, set('c'), { method: 'remove-tenant', params: { tenant: 'a' as TenantName } });
    expect(replayed(record)).toEqual(['snapshot-begin', 'b', 'c', 'snapshot-end']);
  });

  test('an app as it is now', () => {
    const change: RouteMessage = {
      method: 'set-app',
      params: { tenant: 'a' as TenantName, app: 'site' as AppName, state: 'failed', upstreams: [], ...plain },
    };
    const [, message] = recordOf(begin, set('a'), end, change).replay();
    expect(message?.params).toMatchObject({ apps: [{ app: 'site', state: 'failed', upstreams: [] }] });
  });

  test('the last picture and the beginning of the next, in the middle of one', () => {
    const record = recordOf(begin, set('a'), set('b'), end, begin, set('b'));
    expect(replayed(record)).toEqual(['snapshot-begin', 'a', 'b', 'snapshot-end', 'snapshot-begin', 'b']);
    record.abandonSnapshot();
    expect(replayed(record)).toEqual(['snapshot-begin', 'a', 'b', 'snapshot-end']);
  });
});

describe('while edges are asked to let an app sleep', () => {
  const acme = { tenant: 'a' as TenantName, app: 'site' as AppName };
  const ready = { ...acme, state: 'ready' as const, upstreams: [{ id: 'one', socket: 'a/one' }], ...plain };
  const setReady: RouteMessage = { method: 'set-app', params: ready };

  /** The app's state and upstreams as a new edge is told. */
  function toldState(record: RouteRecord): string[] {
    return [...record.replay()].flatMap(({ method, params }) =>
      method === 'set-tenant' ? params.apps.map(({ state, upstreams }) => `${state} ${upstreams.length}`) : [],
    );
  }

  function asked(): RouteRecord {
    const record = recordOf(begin, set('a'), set('b'), end, setReady);
    expect(record.beginSleep(acme)).toBe(true);
    return record;
  }

  test('a new edge is told that it sleeps, and goes on being told so when all agreed', () => {
    const record = asked();
    expect(toldState(record)).toEqual(['sleeping 1', 'starting 0']);
    expect(record.endSleep(acme)).toBe(true);
    expect(toldState(record)).toEqual(['sleeping 1', 'starting 0']);
    expect([...record.undoSleep()]).toEqual([]);
  });

  test.each([
    ['that one', acme],
    ['all', undefined],
  ])('it is as it was after one did not agree: %s', (_, app) => {
    const record = asked();
    expect([...record.undoSleep(app)]).toEqual([setReady]);
    expect(toldState(record)).toEqual(['ready 1', 'starting 0']);
    expect(record.endSleep(acme)).toBe(false);
  });

  test.each<[string, RouteMessage]>([
    ['of the app', setReady],
    ['of its tenant', set('a')],
    ['of its end', { method: 'remove-tenant', params: { tenant: acme.tenant } }],
  ])('what the daemon says meanwhile counts: %s', (_, message) => {
    const record = asked();
    record.record(message);
    const told = toldState(record);
    expect(record.endSleep(acme)).toBe(false);
    expect([...record.undoSleep()]).toEqual([]);
    expect(toldState(record)).toEqual(told);
    expect(told).not.toContain('sleeping 1');
  });

  test('what it says of others changes nothing', () => {
    const record = asked();
    record.record(set('b'));
    expect(record.endSleep(acme)).toBe(true);
  });

  test('they are not asked twice, nor for what is not routed', () => {
    const record = asked();
    expect(record.beginSleep(acme)).toBe(false);
    expect(record.beginSleep({ ...acme, app: 'other' as AppName })).toBe(false);
    expect(record.beginSleep({ ...acme, tenant: 'ghost' as TenantName })).toBe(false);
  });
});
