import { describe, expect, test } from 'vitest';
import { keysAt } from '../../../src/config/json-schema-keys.ts';
import { schemaOf } from '../../../src/config/json-schema.ts';
import { daemonSchema } from '../../../src/config/daemon-schema.ts';
import { tenantSchema } from '../../../src/config/tenant-schema.ts';

describe('the schema for editors', () => {
  test.each(['daemon', 'tenant', 'app'] as const)('of %s has a title, descriptions and no other keys', (kind) => {
    const schema = schemaOf(kind);
    expect(schema).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', additionalProperties: false });
    expect(schema['title']).toMatch(/\.yaml$/);
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });

  test('describes the file as it is written, not what is made of it', () => {
    expect(schemaOf('daemon')).toMatchObject({
      properties: {
        logs: { properties: { maxBytes: { type: 'string', default: '50M', description: 'Size of one log file' } } },
        isolation: { properties: { without: { items: { enum: expect.arrayContaining(['network', 'syscalls']) as unknown } } } },
        plans: { additionalProperties: { properties: { memory: { type: 'string', default: '256M' } } } },
      },
    });
  });

  test('demands only what has no default', () => {
    expect(schemaOf('daemon')).not.toHaveProperty('required');
    expect(schemaOf('tenant')['required']).toEqual(['domains']);
    expect(schemaOf('app')).not.toHaveProperty('required');
  });
});

describe('the keys of a place', () => {
  test('are found at the top, in lists, in mappings and in one of several forms', () => {
    expect(keysAt(tenantSchema, [])).toContain('domains');
    expect(keysAt(tenantSchema, ['domains', 3])).toEqual(['name', 'redirectTo', 'insteadOf']);
    expect(keysAt(daemonSchema, ['plans', 'any'])).toContain('memory');
    expect(keysAt(daemonSchema, ['http', 'listen', 0])).toEqual([]);
    expect(keysAt(daemonSchema, ['constructor'])).toEqual([]);
  });
});
