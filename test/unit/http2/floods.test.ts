import { describe, expect, test } from 'vitest';
import { defaultHttp2Limits } from '../../../src/http2/limits.ts';
import { block, data, flags, frame, get, headers, Peer, post, settings, type, uint32 } from './peer.ts';

const { floods } = defaultHttp2Limits;
const reset = (streamId: number): Buffer => frame(type.rstStream, 0, streamId, uint32(8));
const begin = (peer: Peer): void => void peer.send(headers(1, post, false));

interface Flood {
  name: string;
  burst: number;
  perSecond: number;
  /** What one of `burst` is. */
  one: (peer: Peer, turn: number) => unknown;
  reason: string;
}

const all: Flood[] = [
  {
    name: 'requests that are reset at once (CVE-2023-44487)',
    ...floods.resets,
    one: (peer, turn) => peer.send(headers(turn * 2 + 3), reset(turn * 2 + 3)),
    reason: 'too many: resets',
  },
  {
    name: 'faults that make us reset (CVE-2025-8671)',
    ...floods.faults,
    one: (peer, turn) => peer.send(headers(turn * 2 + 3), frame(type.windowUpdate, 0, turn * 2 + 3, uint32(0))),
    reason: 'too many: faults',
  },
  {
    name: 'malformed requests',
    ...floods.faults,
    one: (peer, turn) => peer.send(headers(turn * 2 + 3, [])),
    reason: 'too many: faults',
  },
  {
    name: 'PING (CVE-2019-9512)',
    ...floods.pings,
    one: (peer) => peer.send(frame(type.ping, 0, 0, Buffer.alloc(8))),
    reason: 'too many: pings',
  },
  { name: 'SETTINGS (CVE-2019-9515)', ...floods.settings, one: (peer) => peer.send(settings()), reason: 'too many: settings' },
  {
    name: 'PRIORITY',
    ...floods.priorities,
    one: (peer) => peer.send(frame(type.priority, 0, 1, Buffer.from([0, 0, 0, 3, 16]))),
    reason: 'too many: priorities',
  },
  {
    name: 'WINDOW_UPDATE',
    ...floods.windowUpdates,
    one: (peer) => peer.send(frame(type.windowUpdate, 0, 1, uint32(1))),
    reason: 'too many: windowUpdates',
  },
  { name: 'empty DATA (CVE-2019-9518)', ...floods.uselessFrames, one: (peer) => peer.send(data(1, '')), reason: 'too many: uselessFrames' },
  {
    name: 'DATA that is all padding',
    ...floods.uselessFrames,
    one: (peer) => peer.send(frame(type.data, flags.padded, 1, Buffer.from([1, 0]))),
    reason: 'too many: uselessFrames',
  },
  {
    name: 'frames of unknown types',
    ...floods.uselessFrames,
    one: (peer) => peer.send(frame(99, 0, 0)),
    reason: 'too many: uselessFrames',
  },
  {
    name: 'frames for streams that are over',
    burst: floods.uselessFrames.burst * 8,
    perSecond: floods.uselessFrames.perSecond * 8,
    one: (peer, turn) => peer.send(...(turn === 0 ? [reset(1)] : []), reset(1)),
    reason: 'too many: uselessFrames',
  },
];

describe.each(all)('$name', ({ burst, perSecond, one, reason }) => {
  test('beyond the burst end the connection', () => {
    const peer = new Peer();
    begin(peer);
    // A little below: the frames that a connection begins with count too.
    for (let turn = 0; turn < burst - 2; turn++) one(peer, turn);
    expect(peer.closed).toBeUndefined();
    for (let turn = burst - 2; turn < burst + 2; turn++) one(peer, turn);
    expect(peer.closed).toBe(`enhanceYourCalm: ${reason}`);
    expect(peer.hearText().at(-1)).toMatch(/^GOAWAY \d+ enhanceYourCalm$/);
  });

  test('within the rate go on for ever', () => {
    const peer = new Peer();
    begin(peer);
    const seconds = Math.ceil((burst * 3) / perSecond);
    for (let turn = 0; turn < seconds * perSecond; turn++) {
      one(peer, turn);
      peer.nowMs += 1_000 / perSecond;
      peer.hear();
    }
    expect(peer.closed).toBeUndefined();
  });
});

test('requests that end well make up for those that were reset', () => {
  const peer = new Peer();
  for (let id = 1; id < 4_000; id += 4) {
    peer.send(headers(id), reset(id), headers(id + 2));
    peer.stream().respond(200, [], true);
  }
  expect(peer.closed).toBeUndefined();
});

test('a reset after the whole response costs nothing', () => {
  const peer = new Peer();
  for (let id = 1; id < 4_000; id += 2) {
    peer.send(headers(id, post, false));
    peer.stream().respond(200, [], true);
    peer.send(reset(id));
  }
  expect(peer.closed).toBeUndefined();
});

describe('window updates', () => {
  const wide = settings([4, 1_000_000]);

  test('for each frame that we send are no flood, nor is a PING with each', () => {
    const peer = new Peer().send(wide, headers(1));
    peer.stream().respond(200, [], false);
    for (let sent = 0; sent < 5_000; sent++) {
      peer.stream().sendData(Buffer.alloc(200), false);
      peer.send(
        frame(type.windowUpdate, 0, 0, uint32(200)),
        frame(type.windowUpdate, 0, 1, uint32(200)),
        frame(type.ping, 0, 0, Buffer.alloc(8)),
      );
    }
    expect(peer.closed).toBeUndefined();
    expect(peer.hear().filter((heard) => heard.type === type.data).length).toBe(5_000);
  });

  test('for each small response are none', () => {
    const peer = new Peer();
    for (let id = 1; id < 10_000; id += 2) {
      peer.send(headers(id));
      peer.stream().respond(200, [], false);
      peer.stream().sendData(Buffer.from('x'), true);
      peer.send(frame(type.windowUpdate, 0, 0, uint32(1)), frame(type.windowUpdate, 0, id, uint32(1)));
    }
    expect(peer.closed).toBeUndefined();
  });

  test('that take the data byte by byte are one (CVE-2019-9511)', () => {
    const peer = new Peer().send(settings([4, 0]), headers(1));
    peer.stream().respond(200, [], false);
    peer.stream().sendData(Buffer.alloc(5_000), true);
    for (let sent = 0; sent < 1_100; sent++) peer.send(frame(type.windowUpdate, 0, 1, uint32(1)));
    expect(peer.closed).toBe('enhanceYourCalm: too many: windowUpdates');
  });
});

describe('field blocks', () => {
  test('in endless frames end the connection (CVE-2024-27316)', () => {
    const peer = new Peer().send(frame(type.headers, flags.endStream, 1, block(get)));
    for (let sent = 0; sent < defaultHttp2Limits.headerBlockFrames - 1; sent++)
      peer.send(frame(type.continuation, 0, 1, Buffer.from([0x20])));
    expect(peer.closed).toBeUndefined();
    expect(peer.send(frame(type.continuation, 0, 1, Buffer.from([0x20]))).closed).toBe('enhanceYourCalm: field block too long');
  });

  test('that are too long end the connection', () => {
    const peer = new Peer().send(frame(type.headers, 0, 1));
    for (let sent = 0; sent < 8; sent++) peer.send(frame(type.continuation, 0, 1, Buffer.alloc(16_384)));
    expect(peer.closed).toBeUndefined();
    expect(peer.send(frame(type.continuation, 0, 1, Buffer.alloc(1))).closed).toBe('enhanceYourCalm: field block too long');
  });
});

describe('streams', () => {
  test('over the limit are refused, and the header table stays in step', () => {
    const peer = new Peer({ concurrentStreams: 2 }).send(headers(1), headers(3));
    const literal = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('n'), Buffer.from([1]), Buffer.from('v')]);
    peer.send(frame(type.headers, flags.endHeaders | 1, 5, Buffer.concat([block(get), literal])));
    expect(peer.hearText()).toEqual(['RST 5 refusedStream']);
    peer.stream(0).respond(200, [], true);
    peer.send(frame(type.headers, flags.endHeaders | 1, 7, Buffer.concat([block(get), Buffer.from([0x80 | 62])])));
    expect(peer.stream().fieldLines).toBe('n: v\r\n');
  });

  test('that are opened over the limit again and again end the connection', () => {
    const peer = new Peer({ concurrentStreams: 1 });
    for (let id = 1; id < 1_000; id += 2) peer.send(headers(id));
    expect(peer.closed).toBe('enhanceYourCalm: too many: faults');
  });
});

test('answers that nobody reads end the connection (CVE-2019-9512)', () => {
  const rate = { burst: Infinity, perSecond: 1 };
  const peer = new Peer({ unsentBytes: 10_000, floods: { pings: rate } });
  peer.flowing = false;
  for (let sent = 0; sent < 580; sent++) {
    peer.send(frame(type.ping, 0, 0, Buffer.alloc(8)));
    peer.connection.flush();
  }
  expect(peer.closed).toBeUndefined();
  for (let sent = 0; sent < 20; sent++) {
    peer.send(frame(type.ping, 0, 0, Buffer.alloc(8)));
    peer.connection.flush();
  }
  expect(peer.closed).toBe('enhanceYourCalm: answers are not read');
});
