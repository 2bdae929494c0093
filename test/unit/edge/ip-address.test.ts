import { expect, test } from 'vitest';
import { addressOfNode, canonicalAddress } from '../../../src/edge/ip-address.ts';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:0201', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::', '::'],
])('%s is written as %s', (text, address) => {
  expect(canonicalAddress(text)).toBe(address);
});

test.each([
  '',
  'unknown',
  '192.0.2',
  '192.0.2.01',
  '0x7f.0.0.1',
  '2130706433',
  '192.0.2.1 ',
  'a.example',
  ':::',
  '[::1]',
  '1.2.3.4\r\nx: y',
])('%j is no address', (text) => {
  expect(canonicalAddress(text)).toBeUndefined();
});

test.each([
  ['192.0.2.1:4711', '192.0.2.1'],
  ['192.0.2.1:_port', '192.0.2.1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:4711', '2001:db8::1'],
  ['2001:db8::1', '2001:db8::1'],
  ['[::ffff:192.0.2.1]:80', '192.0.2.1'],
])('the node %s has the address %s', (node, address) => {
  expect(addressOfNode(node)).toBe(address);
});

test.each(['unknown', '_hidden', '[192.0.2.1]', '[::1', '::1]', '[::1]4711', '[::1]:', '192.0.2.1:', ':80', '[]', '192.0.2.1:80:80'])(
  'the node %s has none',
  (node) => {
    expect(addressOfNode(node)).toBeUndefined();
  },
);
