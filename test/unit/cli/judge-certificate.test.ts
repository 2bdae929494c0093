import { beforeAll, describe, expect, test } from 'vitest';
import { createCertificateJudge } from '../../../src/cli/judge-certificate.ts';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';

const dayMs = 86_400_000;
let certificate: TestCertificate;
beforeAll(() => {
  certificate = makeCertificate(['acme.example', '*.shops.acme.example']);
});

const judge = (names: string[], text: Partial<TestCertificate> = {}, inMs = 1_000): string[] =>
  createCertificateJudge(() => Date.now() + inMs)({ ...certificate, ...text }, names);

describe('a certificate', () => {
  test('that fits its key, its time and all domains has no fault', () => {
    expect(judge(['acme.example', '*.shops.acme.example', 'one.shops.acme.example'])).toEqual([]);
  });

  test('that covers some domains names the others', () => {
    expect(judge(['acme.example', 'www.acme.example', '*.acme.example'])).toEqual([
      'the certificate does not cover "www.acme.example", "*.acme.example"',
    ]);
  });

  test('with the key of another is told', () => {
    expect(judge(['acme.example'], { key: makeCertificate(['acme.example']).key })).toEqual(['the key is not that of the certificate']);
  });

  test('is told when its time is over, or has not come', () => {
    expect(judge(['acme.example'], {}, 2 * dayMs)).toEqual([expect.stringMatching(/^the certificate expired on 2/)]);
    expect(judge(['acme.example'], {}, -2 * dayMs)).toEqual([expect.stringMatching(/^the certificate counts from 2.* on$/)]);
  });

  test.each([
    ['chain', { chain: 'no certificate' }],
    ['key', { key: 'no key' }],
    ['order', { chain: 'key', key: 'chain' }],
  ])('that can not be read is told, without what it holds: %s', (_, text) => {
    expect(judge(['acme.example'], text)).toEqual([expect.stringMatching(/^the certificate or its key can not be read: /)]);
  });
});
