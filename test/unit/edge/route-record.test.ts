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
