import { expect, test } from 'vitest';
import { QuietRequests } from '../../../src/edge/quiet-requests.ts';
import { RequestHead, parseRequestHead } from '../../../src/http1/request-head.ts';

const quiet = new QuietRequests({ paths: ['/', '/healthz'], agents: ['UptimeRobot'] });

function find(start: string, ...fields: string[]) {
  const bytes = Buffer.from(`${start} HTTP/1.1\r\nHost: a.example\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`);
  const head = new RequestHead();
  expect(parseRequestHead(bytes, bytes.length, head)).toBeUndefined();
  return quiet.find(head);
}

test.each(['GET /', 'GET /?a=b', 'HEAD /healthz', 'GET /healthz/', 'GET /healthz?'])('%s is known by its path', (start) => {
  expect(find(start)).toBe('path');
});

test.each(['GET //healthz', 'GET /healthz/x', 'GET /health%7A', 'POST /healthz', 'OPTIONS *'])('%s is like any other', (start) => {
  expect(find(start)).toBeUndefined();
});

test.each(['uptimerobot', 'x UPTIMEROBOT/2.0 y'])('the agent %s is known, whatever it asks for', (agent) => {
  expect(find('POST /x', `User-Agent: ${agent}`)).toBe('agent');
});

test.each(['curl/8', 'Uptime-Robot', `${'x'.repeat(512)}UptimeRobot`])('the agent %s is like any other', (agent) => {
  expect(find('GET /x', `User-Agent: ${agent}`)).toBeUndefined();
});

test('without a list of agents nobody is known by it', () => {
  expect(new QuietRequests({ paths: [], agents: [] }).find(new RequestHead())).toBeUndefined();
});
