import { describe, expect, test } from 'vitest';
import { data, flags, frame, headers, Peer, post, settings, type, uint32 } from './peer.ts';

const initialWindow = 4;
const widen = (streamId: number, by: number): Buffer => frame(type.windowUpdate, 0, streamId, uint32(by));
const body = (length: number): Buffer => Buffer.alloc(length, 'x');
/** The bytes of DATA on each stream. */
const received = (peer: Peer): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const heard of peer.hear()) {
    if (heard.type === type.data) sums[heard.streamId] = (sums[heard.streamId] ?? 0) + heard.payload.length;
    if (heard.type === type.headers) peer.decode(heard.payload);
  }
  return sums;
};

describe('sending', () => {
  test('a response is one head and its data, in one write', () => {
    const peer = new Peer();
    peer.onStream = (stream) => {
      stream.respond(200, ['Server', 'x'], false);
      expect(stream.sendData(Buffer.from('hello'), true)).toBe(true);
    };
    const { writes } = peer.send(headers(1), headers(3));
    expect(peer.hearText()).toEqual([
      'HEADERS 1 :status: 200, server: x',
      'DATA 1 hello end',
      'HEADERS 3 :status: 200, server: x',
      'DATA 3 hello end',
    ]);
    expect(peer.writes).toBe(writes + 1);
    expect(peer.connection.openStreams).toBe(0);
  });

  test('interim responses come before the final one, and trailers after the data', () => {
    const peer = new Peer().send(headers(1));
    const stream = peer.stream();
    stream.respond(103, ['link', '</a>'], false);
    stream.respond(200, [], false);
    stream.respond(500, [], false);
    stream.sendData(Buffer.from('a'), false);
    stream.sendTrailers('Grpc-Status: 0\r\nx:  y\r\n');
    stream.sendData(Buffer.from('b'), false);
    stream.sendTrailers('x: y\r\n');
    expect(peer.hearText()).toEqual([
      'HEADERS 1 :status: 103, link: </a>',
      'HEADERS 1 :status: 200',
      'DATA 1 a',
      'HEADERS 1 grpc-status: 0, x: y end',
    ]);
    expect(stream.closed).toBe(true);
  });

  test('no trailers are an empty end', () => {
    const peer = new Peer().send(headers(1));
    peer.stream().respond(200, [], false);
    peer.stream().sendTrailers('');
    expect(peer.hearText()).toEqual(['HEADERS 1 :status: 200', 'DATA 1  end']);
  });

  test('a head over a frame is continued', () => {
    const peer = new Peer().send(headers(1));
    peer.stream().respond(200, ['x-long', 'v'.repeat(40_000)], true);
    const frames = peer.hear();
    expect(frames.map(({ type: frameType, flags: frameFlags, payload }) => [frameType, frameFlags, payload.length <= 16_384])).toEqual([
      [type.headers, flags.endStream, true],
      [type.continuation, 0, true],
      [type.continuation, flags.endHeaders, true],
    ]);
    expect(peer.decode(Buffer.concat(frames.map(({ payload }) => payload)))).toEqual([':status: 200', `x-long: ${'v'.repeat(40_000)}`]);
  });

  test('a field source is copied as far as it is kept', () => {
    const source = {
      text: 'A: b\r\nC: d\r\nE: f\r\n',
      fields: {
        count: 3,
        nameStart: Int32Array.of(0, 6, 12),
        nameEnd: Int32Array.of(1, 7, 13),
        valueStart: Int32Array.of(3, 9, 15),
        valueEnd: Int32Array.of(4, 10, 16),
        kind: Uint8Array.of(0, 1, 0),
      },
    };
    const peer = new Peer().send(headers(1));
    peer.stream().respondFrom(200, source, ({ fields }, index) => fields.kind[index] === 0, ['g', 'h'], true);
    expect(peer.hearText()).toEqual(['HEADERS 1 :status: 200, a: b, e: f, g: h end']);
  });
});

describe('sending within limits', () => {
  test("keeps to the stream's window", () => {
    const peer = new Peer().send(settings([initialWindow, 10]), headers(1));
    peer.stream().respond(200, [], false);
    peer.stream().sendData(Buffer.from('0123456789abcdef'), true);
    expect(peer.hearText()).toEqual(['SETTINGS ack', 'HEADERS 1 :status: 200', 'DATA 1 0123456789']);
    expect(peer.send(widen(1, 1)).hearText()).toEqual(['DATA 1 a']);
    expect(peer.send(widen(1, 100)).hearText()).toEqual(['DATA 1 bcdef end']);
    expect(peer.connection.openStreams).toBe(0);
  });

  test('a window may go below zero, and has to come up again', () => {
    const peer = new Peer().send(settings([initialWindow, 10]), headers(1));
    peer.stream().respond(200, [], false);
    peer.stream().sendData(Buffer.from('0123456789abcdef'), true);
    peer.hear();
    peer.send(settings([initialWindow, 4]), widen(1, 6));
    expect(peer.stream().sendWindow).toBe(0);
    expect(peer.hearText()).toEqual(['SETTINGS ack']);
    expect(peer.send(settings([initialWindow, 6])).hearText()).toEqual(['SETTINGS ack', 'DATA 1 ab']);
    expect(peer.send(settings([initialWindow, 0])).hearText()).toEqual(['SETTINGS ack']);
    expect(peer.send(widen(1, 10)).hearText()).toEqual(['DATA 1 cdef end']);
  });

  test("keeps to the connection's window, and shares it fairly", () => {
    const peer = new Peer().send(settings([initialWindow, 1_000_000]), headers(1), headers(3), headers(5));
    for (const stream of peer.streams) {
      stream.respond(200, [], false);
      stream.sendData(body(200_000), true);
    }
    expect(received(peer)).toEqual({ 1: 65_535 });
    expect(received(peer.send(widen(0, 16_384 * 6)))).toEqual({ 1: 32_768, 3: 32_768, 5: 32_768 });
    expect(received(peer.send(widen(0, 1_000_000)))).toEqual({ 1: 101_697, 3: 167_232, 5: 167_232 });
    expect(peer.connection.openStreams).toBe(0);
  });

  test('a stream without a window holds up no other', () => {
    const peer = new Peer().send(settings([initialWindow, 0]), headers(1), headers(3));
    for (const stream of peer.streams) {
      stream.respond(200, [], false);
      stream.sendData(Buffer.from('x'), true);
    }
    peer.hear();
    expect(peer.send(widen(3, 1)).hearText()).toEqual(['DATA 3 x end']);
  });

  test('trailers wait for the data before them', () => {
    const peer = new Peer().send(settings([initialWindow, 0]), headers(1));
    peer.stream().respond(200, [], false);
    peer.stream().sendData(Buffer.from('x'), false);
    peer.stream().sendTrailers('a: b\r\n');
    expect(peer.hearText()).toEqual(['SETTINGS ack', 'HEADERS 1 :status: 200']);
    expect(peer.send(widen(1, 1)).hearText()).toEqual(['DATA 1 x', 'HEADERS 1 a: b end']);
  });

  test('asks to stop when much is queued, and tells when there is room', () => {
    const peer = new Peer({ sendQueueBytes: 1_000 }).send(settings([initialWindow, 0]), headers(1));
    const stream = peer.stream();
    stream.respond(200, [], false);
    expect(stream.sendData(body(999), false)).toBe(true);
    expect(stream.sendData(body(1), false)).toBe(false);
    peer.send(widen(1, 499));
    expect(peer.told).toEqual([]);
    peer.send(widen(1, 1));
    expect(peer.told).toEqual(['drain 1']);
  });

  test('writes no data while the socket is backed up', () => {
    const peer = new Peer();
    peer.flowing = false;
    peer.send(headers(1), headers(3));
    peer.stream(0).respond(200, [], false);
    peer.connection.flush();
    for (const stream of peer.streams) {
      stream.respond(200, [], false);
      stream.sendData(body(40_000), true);
    }
    expect(received(peer)).toEqual({});
    peer.flowing = true;
    peer.connection.setWritable(true);
    expect(received(peer)).toEqual({ 1: 32_768, 3: 32_767 });
    expect(peer.told).toEqual(['drain 1', 'drain 3']);
  });

  test('looks at the socket after each 64 KiB', () => {
    const peer = new Peer().send(settings([initialWindow, 10_000_000]), widen(0, 10_000_000), headers(1));
    peer.stream().respond(200, [], false);
    peer.hear();
    peer.flowing = false;
    expect(peer.stream().sendData(body(1_000_000), true)).toBe(false);
    expect(received(peer)).toEqual({ 1: 65_536 });
  });

  test('what is sent after a reset is dropped', () => {
    const peer = new Peer().send(headers(1), headers(3), frame(type.rstStream, 0, 1, uint32(8)));
    const [first, second] = [peer.stream(0), peer.stream(1)];
    second.reset(2);
    second.reset(2);
    for (const stream of [first, second]) {
      stream.respond(200, [], false);
      expect(stream.sendData(body(1_000_000), false)).toBe(true);
      stream.sendTrailers('a: b\r\n');
    }
    expect(peer.told).toEqual(['reset 1 cancel']);
    expect(peer.hearText()).toEqual(['RST 3 internalError']);
  });

  test('queued data goes with its stream', () => {
    const peer = new Peer().send(settings([initialWindow, 0]), headers(1));
    peer.stream().respond(200, [], false);
    peer.stream().sendData(body(100), true);
    peer.hear();
    peer.send(frame(type.rstStream, 0, 1, uint32(8)), settings([initialWindow, 1_000]));
    expect(received(peer)).toEqual({});
  });

  test('a request that is unwanted is reset after the last of its response', () => {
    const peer = new Peer().send(settings([initialWindow, 1]), headers(1, post, false));
    peer.stream().requestUnwanted = true;
    peer.stream().respond(413, [], false);
    peer.stream().sendData(Buffer.from('no'), true);
    expect(peer.hearText()).toEqual(['SETTINGS ack', 'HEADERS 1 :status: 413', 'DATA 1 n']);
    expect(peer.send(widen(1, 1)).hearText()).toEqual(['DATA 1 o end', 'RST 1 noError']);
    expect(peer.told).toEqual([]);
  });
});

describe('receiving', () => {
  const window = 65_535;
  const piece = data(1, body(10_000));

  test('gives room back when half a window was consumed', () => {
    const peer = new Peer({ streamWindowBytes: window, connectionWindowBytes: window * 2 }).send(
      headers(1, post, false),
      piece,
      piece,
      piece,
    );
    expect(peer.hearText()).toEqual([]);
    expect(peer.send(piece).hearText()).toEqual(['WINDOW 1 +40000']);
    expect(peer.send(piece, piece, piece).hearText()).toEqual(['WINDOW 0 +70000']);
  });

  test('a stream may have its window in memory and no more', () => {
    const peer = new Peer({ streamWindowBytes: window, connectionWindowBytes: window * 2 });
    peer.consumes = false;
    peer.send(headers(1, post, false), headers(3, post, false));
    for (let sent = 0; sent < 6; sent++) peer.send(piece);
    expect(peer.send(data(1, body(5_535))).hearText()).toEqual([]);
    expect(peer.send(data(1, 'x')).hearText()).toEqual(['RST 1 flowControlError', 'WINDOW 0 +65536']);
    expect(peer.told.at(-1)).toBe('reset 1 flowControlError');
  });

  test('so may all of them together', () => {
    const peer = new Peer({ streamWindowBytes: window, connectionWindowBytes: window });
    peer.consumes = false;
    peer.send(headers(1, post, false), headers(3, post, false));
    for (let sent = 0; sent < 4; sent++) peer.send(piece, data(3, body(6_000)));
    expect(peer.closed).toBeUndefined();
    expect(peer.send(piece).closed).toBe('flowControlError: more DATA than the connection window');
  });

  test('padding and DATA for a stream that was reset count as consumed', () => {
    const peer = new Peer({ streamWindowBytes: window, connectionWindowBytes: window });
    peer.consumes = false;
    peer.send(headers(1, post, false));
    const padding = frame(type.data, flags.padded, 1, Buffer.concat([Buffer.from([255]), Buffer.from('x'), Buffer.alloc(255)]));
    for (let sent = 0; sent < 128; sent++) peer.send(padding);
    expect(peer.hearText()).toEqual(['WINDOW 0 +32768', 'WINDOW 1 +32768']);
    peer.stream().reset(8);
    peer.hear();
    for (let sent = 0; sent < 4; sent++) peer.send(piece);
    expect(peer.hearText()).toEqual(['WINDOW 0 +40128']);
    expect(peer.told.every((line) => line === 'data 1 x')).toBe(true);
  });

  test('what a receiver has not consumed counts no more when its stream ends', () => {
    const peer = new Peer({ streamWindowBytes: window, connectionWindowBytes: window });
    peer.consumes = false;
    peer.onStream = (stream) => stream.respond(200, [], true);
    peer.send(headers(1, post, false), piece, piece, piece, data(1, body(10_000), true));
    expect(peer.hearText()).toEqual(['HEADERS 1 :status: 200 end', 'WINDOW 0 +40000']);
    expect(peer.connection.openStreams).toBe(0);
  });

  test('consuming twice, or too much, gives back what came and no more', () => {
    const peer = new Peer({ streamWindowBytes: window, connectionWindowBytes: window }).send(headers(1, post, false), piece);
    peer.stream().consumed(1_000_000);
    expect(peer.hearText()).toEqual([]);
  });

  test('a body without content ends with an empty piece', () => {
    expect(new Peer().send(headers(1, post, false), data(1, '', true)).told).toEqual(['data 1  end']);
  });
});

describe('ending', () => {
  test('gracefully serves what is open, and what comes within a round trip', () => {
    const peer = new Peer().send(headers(1));
    peer.connection.shutdown();
    peer.connection.shutdown();
    expect(peer.hearText()).toEqual([`GOAWAY ${2 ** 31 - 1} noError`, 'PING shutdown']);
    peer.send(headers(3), frame(type.ping, flags.ack, 0, Buffer.from('shutdown')), headers(5, post, false), data(5, 'x', true));
    expect(peer.hearText()).toEqual(['GOAWAY 3 noError', 'RST 5 refusedStream']);
    expect(peer.streams.map(({ id }) => id)).toEqual([1, 3]);
    peer.stream(0).respond(200, [], true);
    expect(peer.closed).toBeUndefined();
    peer.stream(1).respond(200, [], false);
    peer.stream(1).sendData(Buffer.from('x'), true);
    expect(peer.closed).toBe('noError: shut down');
    expect(peer.hearText()).toEqual(['HEADERS 1 :status: 200 end', 'HEADERS 3 :status: 200', 'DATA 3 x end', 'GOAWAY 3 noError']);
    expect(peer.told).toEqual([]);
  });

  test('gracefully without a request takes a round trip', () => {
    const peer = new Peer();
    peer.connection.shutdown();
    expect(peer.closed).toBeUndefined();
    expect(peer.send(frame(type.ping, flags.ack, 0, Buffer.from('shutdown'))).closed).toBe('noError: shut down');
  });

  test('at once resets what is open', () => {
    const peer = new Peer().send(headers(1));
    peer.connection.close(0, 'because');
    expect(peer.told).toEqual(['reset 1 cancel']);
    expect(peer.hearText()).toEqual(['GOAWAY 1 noError']);
    expect(peer.closed).toBe('noError: because');
  });

  test('by a lost socket tells the receivers and writes nothing', () => {
    const peer = new Peer().send(headers(1), headers(3));
    peer.stream(0).respond(200, [], false);
    peer.connection.lost();
    expect(peer.told).toEqual(['reset 1 cancel', 'reset 3 cancel']);
    expect(peer.hear()).toEqual([]);
    expect(peer.closed).toBeUndefined();
  });
});
