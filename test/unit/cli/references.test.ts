import { describe, expect, test } from 'vitest';
import { parseAppReference, parseLogSource, parseTenantName } from '../../../src/cli/references.ts';

describe('TENANT/APP', () => {
  test('names an app', () => {
    expect(parseAppReference('acme/site')).toEqual({ tenant: 'acme', app: 'site' });
  });

  test.each(['acme', 'acme/', '/site', '/', '', 'acme/site/', 'a/b/c'])('wrong usage: %o', (text) => {
    expect(() => parseAppReference(text)).toThrow(expect.objectContaining({ code: 'TENANTD_E_USAGE' }));
  });

  test('a name that no tenant or app can have is one that there is not', () => {
    expect(() => parseAppReference('Acme/site')).toThrow(expect.objectContaining({ code: 'TENANTD_E_NO_SUCH_TENANT' }));
    expect(() => parseAppReference('acme/..')).toThrow(expect.objectContaining({ code: 'TENANTD_E_NO_SUCH_APP' }));
    expect(() => parseTenantName('no such')).toThrow(expect.objectContaining({ code: 'TENANTD_E_NO_SUCH_TENANT' }));
  });
});

describe('TENANT[/APP]', () => {
  test('names all apps of a tenant, or one', () => {
    expect(parseLogSource('acme')).toEqual({ tenant: 'acme' });
    expect(parseLogSource('acme/site')).toEqual({ tenant: 'acme', app: 'site' });
    expect(() => parseLogSource('acme/')).toThrow(expect.objectContaining({ code: 'TENANTD_E_USAGE' }));
  });
});
