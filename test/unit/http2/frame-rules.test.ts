import { describe, expect, test } from 'vitest';
import { block, data, flags, frame, get, headers, Peer, post, preface, settings, type, uint32 } from './peer.ts';

const padded = (padding: number, content: Buffer, present = padding): Buffer =>
  Buffer.concat([Buffer.from([padding]), content, Buffer.alloc(present)]);
const initialWindow = 4;

describe('a connection begins', () => {
  test('with SETTINGS of ours, and an answer to theirs', () => {
    const peer = new Peer({}, false);
    expect(peer.hearText()).toEqual(['SETTINGS', 'WINDOW 0 +983041']);
    peer.send(preface, settings());
    expect(peer.hearText()).toEqual(['SETTINGS ack']);
  });

  test('also byte by byte', () => {
    const peer = new Peer({}, false);
    for (const byte of Buffer.concat([preface, settings([3, 100]), headers(1), headers(3, post, false), data(3, 'abc', true)]))
      peer.send(Buffer.from([byte]));
    expect(peer.streams.map(({ id, path }) => `${id} ${path}`)).toEqual(['1 /', '3 /']);
    expect(peer.told).toEqual(['data 3 a', 'data 3 b', 'data 3 c end']);
  });

  test.each([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'protocolError: no HTTP/2 preface'],
    ['a preface that goes wrong', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r!'), 'protocolError: no HTTP/2 preface'],
    ['another frame first', Buffer.concat([preface, frame(type.ping, 0, 0, Buffer.alloc(8))]), 'protocolError: no SETTINGS at first'],
    ['an acknowledgement first', Buffer.concat([preface, frame(type.settings, flags.ack, 0)]), 'protocolError: no SETTINGS at first'],
    ['DATA first', Buffer.concat([preface, data(1, 'x')]), 'protocolError: no SETTINGS at first'],
  ])('but not with %s', (_, bytes, closed) => {
    expect(new Peer({}, false).send(bytes).closed).toBe(closed);
  });
});

describe('a connection error', () => {
  const ended = flags.endStream | flags.endHeaders;

  test.each<[string, string, Buffer[]]>([
    ['a frame over 16384 bytes', 'frameSizeError', [frame(0xff, 0, 0, Buffer.alloc(16_385))]],
    ['DATA on stream 0', 'protocolError', [data(0, 'x')]],
    ['DATA on an idle stream', 'protocolError', [data(1, 'x')]],
    ["DATA on an idle stream of the server's", 'protocolError', [headers(3), data(2, 'x')]],
    [
      'DATA with too much padding',
      'protocolError',
      [headers(1, post, false), frame(type.data, flags.padded, 1, padded(3, Buffer.alloc(0), 2))],
    ],
    ['padded DATA without a length', 'frameSizeError', [headers(1, post, false), frame(type.data, flags.padded, 1)]],
    ['HEADERS on stream 0', 'protocolError', [headers(0)]],
    ['HEADERS with an even id', 'protocolError', [headers(2)]],
    ['HEADERS with a lower id', 'streamClosed', [headers(5), headers(3)]],
    ['HEADERS with too much padding', 'protocolError', [frame(type.headers, ended | flags.padded, 1, padded(200, block(get), 100))]],
    ['padded HEADERS without a length', 'frameSizeError', [frame(type.headers, ended | flags.padded, 1)]],
    ['HEADERS without their priority', 'frameSizeError', [frame(type.headers, ended | flags.priority, 1, Buffer.alloc(4))]],
    ['a malformed field block', 'compressionError', [frame(type.headers, ended, 1, Buffer.from([0x80]))]],
    ['PRIORITY on stream 0', 'protocolError', [frame(type.priority, 0, 0, Buffer.alloc(5))]],
    ['RST_STREAM on stream 0', 'protocolError', [frame(type.rstStream, 0, 0, uint32(8))]],
    ['RST_STREAM on an idle stream', 'protocolError', [frame(type.rstStream, 0, 1, uint32(8))]],
    ['RST_STREAM of another size', 'frameSizeError', [headers(1), frame(type.rstStream, 0, 1, Buffer.alloc(5))]],
    ['SETTINGS on a stream', 'protocolError', [frame(type.settings, 0, 1)]],
    ['SETTINGS cut short', 'frameSizeError', [frame(type.settings, 0, 0, Buffer.alloc(7))]],
    ['an acknowledgement with settings', 'frameSizeError', [frame(type.settings, flags.ack, 0, Buffer.alloc(6))]],
    ['ENABLE_PUSH of 2', 'protocolError', [settings([2, 2])]],
    ['INITIAL_WINDOW_SIZE over 2^31-1', 'flowControlError', [settings([initialWindow, 2 ** 31])]],
    ['MAX_FRAME_SIZE below 16384', 'protocolError', [settings([5, 16_383])]],
    ['MAX_FRAME_SIZE over 2^24-1', 'protocolError', [settings([5, 2 ** 24])]],
    ['PUSH_PROMISE', 'protocolError', [headers(1), frame(type.pushPromise, 0, 1, uint32(2))]],
    ['PING on a stream', 'protocolError', [frame(type.ping, 0, 1, Buffer.alloc(8))]],
    ['PING of another size', 'frameSizeError', [frame(type.ping, 0, 0, Buffer.alloc(9))]],
    ['GOAWAY on a stream', 'protocolError', [frame(type.goAway, 0, 1, Buffer.alloc(8))]],
    ['GOAWAY cut short', 'frameSizeError', [frame(type.goAway, 0, 0, Buffer.alloc(7))]],
    ['WINDOW_UPDATE of another size', 'frameSizeError', [frame(type.windowUpdate, 0, 0, Buffer.alloc(3))]],
    ['WINDOW_UPDATE by 0 of the connection', 'protocolError', [frame(type.windowUpdate, 0, 0, uint32(0))]],
    ['WINDOW_UPDATE on an idle stream', 'protocolError', [frame(type.windowUpdate, 0, 1, uint32(1))]],
    ['a connection window over 2^31-1', 'flowControlError', [frame(type.windowUpdate, 0, 0, uint32(2 ** 31 - 1))]],
    [
      'a window over 2^31-1 by SETTINGS',
      'flowControlError',
      [headers(1), frame(type.windowUpdate, 0, 1, uint32(1)), settings([initialWindow, 2 ** 31 - 1])],
    ],
    ['CONTINUATION on stream 0', 'protocolError', [frame(type.continuation, 0, 0)]],
    ['CONTINUATION after the end of a block', 'protocolError', [headers(1), frame(type.continuation, flags.endHeaders, 1)]],
    [
      'CONTINUATION of another stream',
      'protocolError',
      [frame(type.headers, 1, 1, block(get)), frame(type.continuation, flags.endHeaders, 3)],
    ],
    ['PING inside a field block', 'protocolError', [frame(type.headers, 1, 1, block(get)), frame(type.ping, 0, 0, Buffer.alloc(8))]],
    ['DATA inside a field block', 'protocolError', [frame(type.headers, 0, 1, block(get)), data(1, 'x')]],
    ['HEADERS inside a field block', 'protocolError', [frame(type.headers, 1, 1, block(get)), headers(3)]],
    ['an unknown frame inside a field block', 'protocolError', [frame(type.headers, 1, 1, block(get)), frame(0x20, 0, 1)]],
  ])('is %s', (_, code, frames) => {
    const peer = new Peer();
    peer.send(...frames, headers(101));
    expect(peer.closed?.split(':')[0]).toBe(code);
    expect(peer.hearText().at(-1)).toMatch(new RegExp(`^GOAWAY \\d ${code}$`));
    expect(peer.streams.every(({ id, closed }) => id < 100 && closed)).toBe(true);
  });

  test.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', headers(1)],
  ])('is %s after the end of both sides', (_, bytes) => {
    const peer = new Peer();
    peer.onStream = (stream) => stream.respond(200, [], true);
    expect(peer.send(headers(1), bytes).closed).toBe('streamClosed: frame on a closed stream');
  });

  test.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', headers(1)],
  ])("is %s after the client's own reset", (_, bytes) => {
    const peer = new Peer().send(headers(1, post, false), frame(type.rstStream, 0, 1, uint32(8)), bytes);
    expect(peer.told).toEqual(['reset 1 cancel']);
    expect(peer.closed).toBe('streamClosed: frame on a closed stream');
  });

  test('tells every open stream, once, and nothing after that is looked at', () => {
    const peer = new Peer().send(
      headers(1, post, false),
      headers(3),
      Buffer.concat([data(0, 'x'), data(1, 'y'), headers(5)]),
      data(1, 'z'),
    );
    peer.connection.close(0, 'again');
    peer.connection.lost();
    peer.stream(0).respond(200, [], true);
    expect(peer.told).toEqual(['reset 1 protocolError', 'reset 3 protocolError']);
    expect(peer.hearText()).toEqual(['GOAWAY 3 protocolError']);
  });
});

describe('a stream error', () => {
  test.each<[string, string, Buffer[]]>([
    ['DATA after the end of the request', 'streamClosed', [headers(1), data(1, 'x')]],
    ['HEADERS after the end of the request', 'streamClosed', [headers(1), headers(1)]],
    ['PRIORITY of another size', 'frameSizeError', [headers(1), frame(type.priority, 0, 1, Buffer.alloc(4))]],
    ['PRIORITY on itself', 'protocolError', [headers(1), frame(type.priority, 0, 1, Buffer.from([0, 0, 0, 1, 16]))]],
    ['WINDOW_UPDATE by 0', 'protocolError', [headers(1), frame(type.windowUpdate, 0, 1, uint32(0))]],
    ['a window over 2^31-1', 'flowControlError', [headers(1), frame(type.windowUpdate, 0, 1, uint32(2 ** 31 - 1))]],
  ])('is %s', (_, code, frames) => {
    const peer = new Peer().send(...frames);
    expect(peer.told).toEqual([`reset 1 ${code}`]);
    expect(peer.hearText()).toEqual([`RST 1 ${code}`]);
    expect(peer.connection.openStreams).toBe(0);
    expect(peer.closed).toBeUndefined();
  });

  test('of HEADERS that depend on themselves keeps the request from being seen', () => {
    const dependent = Buffer.concat([Buffer.from([0x80, 0, 0, 1, 16]), block(get)]);
    const peer = new Peer().send(frame(type.headers, flags.endHeaders | flags.endStream | flags.priority, 1, dependent));
    expect(peer.streams).toEqual([]);
    expect(peer.hearText()).toEqual(['RST 1 protocolError']);
  });
});

describe('no error is', () => {
  test.each<[string, Buffer[]]>([
    ['a frame of an unknown type', [frame(0x42, 0xff, 7, Buffer.from('whatever'))]],
    ['an unknown setting', [settings([0x42, 1], [3, 0], [6, 1], [2, 0])]],
    ['a reserved bit before a stream id', [frame(type.windowUpdate, 0, 0x80000000, uint32(5))]],
    ['PRIORITY of an idle stream', [frame(type.priority, 0, 99, Buffer.from([0, 0, 0, 3, 16]))]],
    ['WINDOW_UPDATE of a stream that is over', [headers(3), frame(type.windowUpdate, 0, 1, uint32(5))]],
    ['RST_STREAM of a stream that is over', [headers(3), frame(type.rstStream, 0, 1, uint32(8))]],
    ['an acknowledgement that nobody waits for', [frame(type.settings, flags.ack, 0), frame(type.ping, flags.ack, 0, Buffer.alloc(8))]],
    ['GOAWAY', [frame(type.goAway, 0, 0, uint32(0, 0))]],
  ])('%s', (_, frames) => {
    const peer = new Peer().send(...frames, headers(5));
    expect(peer.closed).toBeUndefined();
    expect(peer.stream().id).toBe(5);
    expect(peer.told).toEqual([]);
  });

  test('DATA and HEADERS for a stream that we have just reset', () => {
    const peer = new Peer().send(headers(1, post, false));
    peer.stream().reset(8);
    peer.send(data(1, 'x'), headers(1), headers(3));
    expect(peer.hearText()).toEqual(['RST 1 cancel']);
    expect(peer.told).toEqual([]);
    expect(peer.streams.length).toBe(2);
  });
});

describe('frames', () => {
  test('are taken with padding and priority', () => {
    const content = Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), block(post)]);
    const peer = new Peer().send(frame(type.headers, flags.endHeaders | flags.padded | flags.priority, 1, padded(255, content)));
    expect(peer.stream().method).toBe('POST');
    peer.send(
      frame(type.data, flags.padded, 1, padded(9, Buffer.from('abc'))),
      frame(type.data, flags.padded | 1, 1, padded(0, Buffer.from('d'))),
    );
    expect(peer.told).toEqual(['data 1 abc', 'data 1 d end']);
  });

  test('of a field block may be cut anywhere', () => {
    const bytes = block(get);
    for (let at = 0; at <= bytes.length; at++) {
      const peer = new Peer().send(
        frame(type.headers, flags.endStream, 1, bytes.subarray(0, at)),
        frame(type.continuation, 0, 1),
        frame(type.continuation, flags.endHeaders, 1, bytes.subarray(at)),
      );
      expect(peer.stream().requestEnded).toBe(true);
      expect(peer.stream().authority).toBe('a.example');
    }
  });

  test('PING is answered with what it brought', () => {
    expect(new Peer().send(frame(type.ping, 0, 0, Buffer.from('abcdefgh'))).hearText()).toEqual(['PING ack abcdefgh']);
  });
});
