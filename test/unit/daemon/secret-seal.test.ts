import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { dataKeyBytes, seal, sealBytes, unseal } from '../../../src/daemon/secret-seal.ts';

const key = randomBytes(dataKeyBytes);
const plain = Buffer.from('postgres://acme:secret@db/acme');
const binding = ['secret', 'acme', '', 'DATABASE_URL', 1];

describe('a sealed value', () => {
  test('opens with its key and its binding', () => {
    const sealed = seal(key, plain, binding);
    expect(sealed.length).toBe(plain.length + sealBytes);
    expect(unseal(key, sealed, binding)).toEqual(plain);
  });

  test('shows nothing of what is in it, and is another one each time', () => {
    const sealed = [seal(key, plain, binding), seal(key, plain, binding)];
    expect(sealed.some((bytes) => bytes.includes(plain.subarray(0, 4)))).toBe(false);
    expect(sealed[0]).not.toEqual(sealed[1]);
  });

  test('may be empty', () => {
    expect(unseal(key, seal(key, Buffer.alloc(0), binding), binding)).toEqual(Buffer.alloc(0));
  });

  test('is refused with any of its bits flipped', () => {
    const sealed = seal(key, plain, binding);
    const opened = Array.from({ length: sealed.length * 8 }, (_, bit) => {
      const flipped = Buffer.from(sealed);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return unseal(key, flipped, binding);
    });
    expect(opened.length).toBeGreaterThan(400);
    expect(opened.filter((value) => value !== undefined)).toEqual([]);
  });

  test('is refused when it was cut, at whichever place', () => {
    const sealed = seal(key, plain, binding);
    expect(Array.from({ length: sealed.length }, (_, end) => unseal(key, sealed.subarray(0, end), binding))).toEqual(
      Array(sealed.length).fill(undefined),
    );
  });

  test('is refused with another key', () => {
    expect(unseal(randomBytes(dataKeyBytes), seal(key, plain, binding), binding)).toBeUndefined();
  });

  test.each([
    ['tenant', ['secret', 'globex', '', 'DATABASE_URL', 1]],
    ['app', ['secret', 'acme', 'site', 'DATABASE_URL', 1]],
    ['name', ['secret', 'acme', '', 'OTHER', 1]],
    ['version', ['secret', 'acme', '', 'DATABASE_URL', 2]],
    ['kind', ['data-key', 'acme', '', 'DATABASE_URL', 1]],
    ['cut between its parts', ['secret', 'acme', 'D', 'ATABASE_URL', 1]],
  ])('is refused with another %s in its binding', (_, other) => {
    expect(unseal(key, seal(key, plain, binding), other)).toBeUndefined();
  });
});
