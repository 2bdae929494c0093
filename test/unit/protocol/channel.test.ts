import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import { type Channel, type ChannelOptions, createChannel } from '../../../src/protocol/channel.ts';

type Side = Omit<ChannelOptions, 'stream'>;
const open: Duplex[] = [];

afterEach(() => {
  for (const stream of open.splice(0)) stream.destroy();
});

function pairOfStreams(): [Duplex, Duplex] {
  const [left, right] = duplexPair();
  open.push(left, right);
  return [left, right];
}

function pairOfChannels(left: Side, right: Side): [Channel, Channel] {
  const [a, b] = pairOfStreams();
  return [createChannel({ stream: a, ...left }), createChannel({ stream: b, ...right })];
}

/** A channel, and the bare stream of a peer that keeps no rules. */
function channelWithRawPeer(options: Side) {
  const [stream, peer] = pairOfStreams();
  const faults: string[] = [];
  const channel = createChannel({ stream, ...options, onFault: (error) => faults.push(error.message) });
  return { channel, peer, faults };
}

const quiet: Side = { handlers: {} };

describe('requests', () => {
  test('both ends may ask, at the same time', async () => {
    const [left, right] = pairOfChannels(
      { handlers: { double: (n) => (n as number) * 2 } },
      { handlers: { greet: async (name) => `hello ${name as string}` } },
    );
    expect(await Promise.all([left.request('greet', 'acme'), right.request('double', 21)])).toEqual(['hello acme', 42]);
  });

  test('answers find their questions when they come in another order', async () => {
    const first = Promise.withResolvers<string>();
    const [left] = pairOfChannels(quiet, { handlers: { slow: () => first.promise, quick: () => 'quick' } });
    const slow = left.request('slow', null);
    expect(await left.request('quick', null)).toBe('quick');
    first.resolve('slow');
    expect(await slow).toBe('slow');
  });

  test('a handler without a result answers null', async () => {
    const [left] = pairOfChannels(quiet, { handlers: { nothing: () => undefined } });
    expect(await left.request('nothing', {})).toBeNull();
  });

  test("a handler's error arrives with its code and fix", async () => {
    const fails = () => {
      throw new TenantdError('TENANTD_E_NO_SUCH_TENANT', 'there is no tenant acme', 'make it');
    };
    const [left] = pairOfChannels(quiet, { handlers: { fails } });
    const error = await left.request('fails', {}).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TenantdError);
    expect(error).toMatchObject({ code: 'TENANTD_E_NO_SUCH_TENANT', message: 'there is no tenant acme', fix: 'make it' });
  });

  test('any other error of a handler is an internal one', async () => {
    const [left] = pairOfChannels(quiet, { handlers: { fails: () => Promise.reject(new TypeError('x is undefined')) } });
    await expect(left.request('fails', {})).rejects.toMatchObject({ code: 'TENANTD_E_INTERNAL', message: 'x is undefined' });
  });

  test('a result that is not JSON is answered with an error, not with silence', async () => {
    const [left] = pairOfChannels(quiet, { handlers: { big: () => 1n } });
    await expect(left.request('big', {})).rejects.toMatchObject({ code: 'TENANTD_E_INTERNAL' });
  });

  test.each(['missing', 'toString', 'constructor', '__proto__'])('there is no operation %s', async (method) => {
    const [left] = pairOfChannels(quiet, quiet);
    await expect(left.request(method, {})).rejects.toMatchObject({ code: 'TENANTD_E_UNKNOWN_METHOD' });
  });

  test('ends at its time limit, and a late answer harms nothing', async () => {
    const late = Promise.withResolvers<string>();
    const [left] = pairOfChannels(quiet, { handlers: { late: () => late.promise, next: () => 'next' } });
    await expect(left.request('late', {}, 1)).rejects.toMatchObject({ code: 'TENANTD_E_TIMEOUT' });
    late.resolve('late');
    expect(await left.request('next', {})).toBe('next');
  });
});

describe('notifications', () => {
  test('are heard, in order, and not answered', async () => {
    const heard: unknown[] = [];
    const [left] = pairOfChannels(quiet, { handlers: { event: (params) => heard.push(params), sync: () => null } });
    for (const number of [1, 2, 3]) left.notify('event', number);
    await left.request('sync', {});
    expect(heard).toEqual([1, 2, 3]);
  });

  test('an unknown one is ignored', async () => {
    const [left] = pairOfChannels(quiet, { handlers: { sync: () => 'still there' } });
    left.notify('of-a-newer-version', {});
    expect(await left.request('sync', {})).toBe('still there');
  });

  test('a handler that throws is reported, and the channel lives on', async () => {
    const faults: string[] = [];
    const handlers = {
      event: () => {
        throw new Error('no room');
      },
      sync: () => 'still there',
    };
    const [left] = pairOfChannels(quiet, { handlers, onFault: (error) => faults.push(error.message) });
    left.notify('event', {});
    expect(await left.request('sync', {})).toBe('still there');
    expect(faults).toEqual(['event: no room']);
  });
});

describe('a peer that keeps no rules loses its channel', () => {
  test.each([
    ['text', 'GET / HTTP/1.1\n', 'a frame is not JSON'],
    ['an empty line', '\n', 'a frame is not JSON'],
    ['null', 'null\n', 'a frame is not an object'],
    ['a number', '7\n', 'a frame is not an object'],
    ['a batch', '[{"jsonrpc":"2.0","method":"x"}]\n', 'a frame is neither a call nor an answer'],
    ['a method that is no text', '{"method":7}\n', 'a frame is neither a call nor an answer'],
    ['a long line', 'x'.repeat(200), 'a frame is over 100 bytes'],
  ])('by sending %s', async (_what, bytes, fault) => {
    const { channel, peer, faults } = channelWithRawPeer({ handlers: {}, maxFrameBytes: 100 });
    peer.write(bytes);
    await channel.closed;
    expect(faults).toEqual([fault]);
  });

  test('and what it sent behind the bad frame is not carried out', async () => {
    const heard: unknown[] = [];
    const { channel, peer } = channelWithRawPeer({ handlers: { event: (params) => heard.push(params) } });
    peer.write('{"method":"event","params":1}\nnonsense\n{"method":"event","params":2}\n');
    await channel.closed;
    await nextTurn();
    expect(heard).toEqual([1]);
  });

  test('by not reading', async () => {
    const { channel, faults } = channelWithRawPeer({ handlers: {}, maxQueuedBytes: 100_000 });
    for (let sent = 0; sent < 100; sent++) channel.notify('event', 'x'.repeat(10_000));
    await channel.closed;
    expect(faults).toEqual(['the peer does not read']);
  });

  test('by asking more than can be open at once', async () => {
    const { promise: never } = Promise.withResolvers<null>();
    const { channel, peer, faults } = channelWithRawPeer({ handlers: { wait: () => never }, maxOpenRequests: 3 });
    for (const id of [1, 2, 3, 4]) peer.write(`{"jsonrpc":"2.0","id":${id},"method":"wait"}\n`);
    await channel.closed;
    expect(faults).toEqual(['more than 3 requests are open']);
  });

  test('but one that asks often, one after the other, keeps it', async () => {
    const [left] = pairOfChannels(quiet, { handlers: { now: () => 'now' }, maxOpenRequests: 3 });
    for (let asked = 0; asked < 10; asked++) expect(await left.request('now', {})).toBe('now');
  });

  test('an answer to nothing is dropped', async () => {
    const { channel, peer, faults } = channelWithRawPeer({ handlers: { sync: () => 'still there' } });
    peer.write('{"jsonrpc":"2.0","id":99,"result":"unasked"}\n{"jsonrpc":"2.0","id":1,"method":"sync"}\n');
    const [answer] = (await peer.iterator().next()).value.toString().split('\n');
    expect(JSON.parse(answer ?? '')).toEqual({ jsonrpc: '2.0', id: 1, result: 'still there' });
    expect(faults).toEqual([]);
    channel.close();
  });

  test('an error of any form becomes an error', async () => {
    const { channel, peer } = channelWithRawPeer(quiet);
    const answers = [1, 2, 3].map((n) => channel.request('ask', n).catch((error: unknown) => error));
    peer.write('{"id":1,"error":null}\n{"id":2,"error":"text"}\n{"id":3,"error":{"message":"plain","data":null}}\n');
    expect(await Promise.all(answers)).toMatchObject([
      { code: 'TENANTD_E_INTERNAL', message: 'unknown error' },
      { code: 'TENANTD_E_INTERNAL', message: 'unknown error' },
      { code: 'TENANTD_E_INTERNAL', message: 'plain' },
    ]);
  });
});

describe('the end', () => {
  test.each<[string, (left: Channel, right: Channel) => void]>([
    ['its own side closes', (left) => left.close()],
    ['the other side closes', (_left, right) => right.close()],
  ])('ends open requests when %s', async (_how, close) => {
    const { promise: never } = Promise.withResolvers<null>();
    const [left, right] = pairOfChannels(quiet, { handlers: { wait: () => never } });
    const waiting = left.request('wait', {}).catch((error: unknown) => error);
    close(left, right);
    expect(await waiting).toMatchObject({ code: 'TENANTD_E_UNREACHABLE' });
    await Promise.all([left.closed, right.closed]);
  });

  test('a closed channel refuses requests, and drops notifications', async () => {
    const [left] = pairOfChannels(quiet, quiet);
    left.close();
    left.close();
    left.notify('event', {});
    await expect(left.request('ask', {})).rejects.toMatchObject({ code: 'TENANTD_E_UNREACHABLE' });
  });

  test('an answer that comes ready after the end is dropped', async () => {
    const slow = Promise.withResolvers<string>();
    const [left, right] = pairOfChannels(quiet, { handlers: { slow: () => slow.promise } });
    const waiting = left.request('slow', {}).catch((error: unknown) => error);
    left.close();
    await right.closed;
    slow.resolve('too late');
    await expect(waiting).resolves.toMatchObject({ code: 'TENANTD_E_UNREACHABLE' });
  });

  test("a stream's error closes the channel", async () => {
    const [stream] = pairOfStreams();
    const channel = createChannel({ stream, ...quiet });
    const waiting = channel.request('ask', {}).catch((error: unknown) => error);
    stream.destroy(new Error('reset'));
    expect(await waiting).toMatchObject({ code: 'TENANTD_E_UNREACHABLE' });
    await channel.closed;
  });
});
