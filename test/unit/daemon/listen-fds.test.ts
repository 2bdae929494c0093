import { expect, test } from 'vitest';
import { keptNameOf, parseListenFds } from '../../../src/daemon/listen-fds.ts';

const pid = 4711;

test('an address comes back from the name that systemd keeps it under, in which there is no colon', () => {
  const addresses = [
    { host: '127.0.0.1', port: 80 },
    { host: '::', port: 443 },
    { host: '2001:db8::7', port: 8443 },
  ];
  const names = addresses.map(keptNameOf);
  expect(names.join('')).not.toContain(':');
  const env = { LISTEN_PID: String(pid), LISTEN_FDS: '3', LISTEN_FDNAMES: names.join(':') };
  expect([...parseListenFds(env, pid)]).toEqual(addresses.map((address, index) => [3 + index, address]));
});

test('what was passed to another process, or under a name of another, is not taken', () => {
  const name = keptNameOf({ host: '127.0.0.1', port: 80 });
  expect(parseListenFds({ LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: name }, pid).size).toBe(0);
  expect(parseListenFds({}, pid).size).toBe(0);
  const env = { LISTEN_PID: String(pid), LISTEN_FDS: '2', LISTEN_FDNAMES: `stored:${name}:${name}` };
  expect([...parseListenFds(env, pid).keys()]).toEqual([4]);
});
