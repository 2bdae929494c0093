import { describe, expect, test } from 'vitest';
import { isPublicAddress } from '../../../src/base/public-address.ts';

describe('an address that a name may open', () => {
  test.each([
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '192.0.1.0',
    '223.255.255.255',
  ])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each(['2001:4860:4860::8888', '2606:4700::1111', '3ffe::1', '2001:200::1'])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each([
    ['this network', '0.0.0.0'],
    ['private', '10.255.255.255'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.0.1'],
    ['shared by a provider', '100.64.0.1'],
    ['metadata in shared addresses', '100.100.100.200'],
    ['loopback', '127.1.2.3'],
    ['metadata', '169.254.169.254'],
    ["Azure's machine agent", '168.63.129.16'],
    ['protocols', '192.0.0.192'],
    ['benchmarks', '198.19.0.1'],
    ['multicast', '224.0.0.251'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['mapped', '::ffff:169.254.169.254'],
    ['mapped, though public', '::ffff:1.1.1.1'],
    ['translated', '64:ff9b::a9fe:a9fe'],
    ['unique local', 'fd00:ec2::254'],
    ['unique local', 'fc00::1'],
    ['link-local', 'fe80::1'],
    ['multicast', 'ff02::1'],
    ['Teredo', '2001::1'],
    ['6to4', '2002:a9fe:a9fe::1'],
    ['segment routing', '5f00::1'],
  ])('%s: %s is not', (_what, address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});
