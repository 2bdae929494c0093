import { describe, expect, test } from 'vitest';
import { findField } from '../../../src/http1/field-lookup.ts';
import { parseRequestHead, RequestHead } from '../../../src/http1/request-head.ts';
import { parseResponseHead, ResponseHead } from '../../../src/http1/response-head.ts';

const request = new RequestHead();
const response = new ResponseHead();

function parse(...fields: string[]): void {
  const rest = `Host: a\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
  const requestBytes = Buffer.from(`GET / HTTP/1.1\r\n${rest}`, 'latin1');
  expect(parseRequestHead(requestBytes, requestBytes.length, request)).toBeUndefined();
  const responseBytes = Buffer.from(`HTTP/1.1 200 OK\r\n${rest}`, 'latin1');
  expect(parseResponseHead(responseBytes, responseBytes.length, response)).toBeUndefined();
}

describe('a field of a parsed head', () => {
  test.each([
    ['is found whatever the case of its name', ['Accept-ENCODING: br'], 'accept-encoding', 'br'],
    ['has its value without the blanks around it', ['a: \t b c \t'], 'a', 'b c'],
    ['may be empty', ['a:'], 'a', ''],
    ['is joined when it came several times', ['A: 1', 'b: 2', 'a:', 'a: 3'], 'a', '1, , 3'],
    ['is not found by a part of its name', ['accept-encoding: br'], 'accept', undefined],
    ['is not found by a longer name', ['accept: br'], 'accept-encoding', undefined],
    ['is not found when letters differ', ['accepu: 1'], 'accept', undefined],
    ['is not found under a name written with underscores', ['x_forwarded_for: 1'], 'x-forwarded-for', undefined],
    ['is not confused by signs that differ from others in one bit, as letters do', ['a^: 1'], 'a~', undefined],
  ])('%s', (_, fields, name, value) => {
    parse(...fields);
    expect(findField(request, name)).toBe(value);
    expect(findField(response, name)).toBe(value);
  });

  test('of the head that was parsed before is forgotten', () => {
    parse('a: 1');
    parse('b: 1');
    expect(findField(request, 'a')).toBeUndefined();
    expect(findField(response, 'a')).toBeUndefined();
  });
});
