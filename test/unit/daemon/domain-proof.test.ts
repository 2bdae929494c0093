import { expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { createDomainProofs, isEntangled } from '../../../src/daemon/domain-proof.ts';

const acme = 'acme' as TenantName;
const globex = 'globex' as TenantName;
const owners = new Map([
  ['acme.example', acme],
  ['globex.example', globex],
  ['deep.down.globex.test', globex],
  ['*.shops.example', globex],
]);

test.each([
  ['shop.globex.example', true],
  ['a.b.c.globex.example', true],
  ['*.globex.example', true],
  ['x.shops.example', true],
  ['a.x.shops.example', true],
  ['*.down.globex.test', true],
  ['*.globex.test', true],
  ['globex.test', false],
  ['down.globex.test', false],
  ['shops.example', false],
  ['xglobex.example', false],
  ['shop.acme.example', false],
  ['*.acme.example', false],
  ['new.example', false],
  ['*.new.example', false],
])('%s touches what another tenant has: %s', (name, expected) => {
  expect(isEntangled(name, acme, owners)).toBe(expected);
});

const shown = (texts: Record<string, string[]>) => {
  const asked: string[] = [];
  const proofs = createDomainProofs({
    certs: {
      request(_method, params) {
        const { name } = params as { name: string };
        asked.push(name);
        const found = texts[name];
        return found ? (Promise.resolve({ texts: found }) as never) : Promise.reject(new Error('no answer'));
      },
    },
    store: { domainOwners: () => owners, domainProofs: { valueOf: (tenant) => `tenantd=${tenant}` } },
  });
  return { proofs, asked };
};

test('a name is proved by a record of its own, with the value of its own tenant', async () => {
  const texts = { '_tenantd.a.test': ['other', 'tenantd=acme'], '_tenantd.b.test': ['tenantd=globex'], '_tenantd.c.test': [] };
  const { proofs, asked } = shown(texts);
  expect(await proofs.judge(acme, ['a.test'])).toEqual([]);
  expect(await proofs.judge(acme, ['*.a.test'])).toEqual([]);
  expect(asked).toEqual(['_tenantd.a.test', '_tenantd.a.test']);
  const problems = await proofs.judge(acme, ['a.test', 'b.test', 'c.test', 'd.test']);
  expect(problems).toMatchObject([
    {
      code: 'TENANTD_E_DOMAIN_PROOF',
      message: expect.stringContaining('"b.test"'),
      fix: expect.stringContaining('_tenantd.b.test TXT "tenantd=acme"'),
    },
    { message: expect.stringContaining('"c.test"') },
    { message: expect.stringContaining('no answer') },
  ]);
});

test('a name that touches what another tenant has is refused before anybody is asked', async () => {
  const { proofs, asked } = shown({ '_tenantd.x.globex.example': ['tenantd=acme'] });
  expect(await proofs.judge(acme, ['x.globex.example'])).toMatchObject([
    { code: 'TENANTD_E_DOMAIN_PROOF', fix: expect.stringContaining('operator') },
  ]);
  expect(asked).toEqual([]);
});

test('many names at once are refused, and so are all where nothing can be looked up', async () => {
  const names = Array.from({ length: 101 }, (_, index) => `n${index}.test`);
  await expect(shown({}).proofs.judge(acme, names)).rejects.toMatchObject({ code: 'TENANTD_E_TOO_MANY' });
  const blind = createDomainProofs({ certs: undefined, store: { domainOwners: () => owners, domainProofs: { valueOf: () => 'x' } } });
  await expect(blind.judge(acme, ['a.test'])).rejects.toMatchObject({ code: 'TENANTD_E_NO_HTTPS' });
});
