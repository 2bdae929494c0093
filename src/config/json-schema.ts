import { z } from 'zod';
import { appSchema } from './app-schema.ts';
import { daemonSchema } from './daemon-schema.ts';
import { tenantSchema } from './tenant-schema.ts';

export type ConfigKind = 'daemon' | 'tenant' | 'app';

const schemas = { daemon: daemonSchema, tenant: tenantSchema, app: appSchema } as const;

/**
 * The JSON Schema of a file as it is written, for editors. With the YAML language server, save what `tenantctl schema tenant`
 * prints and begin the file with a comment line that names it:
 *
 *     # yaml-language-server: $schema=/etc/tenantd/tenant.schema.json
 */
export function schemaOf(kind: ConfigKind): Record<string, unknown> {
  return { ...z.toJSONSchema(schemas[kind], { io: 'input', target: 'draft-7', unrepresentable: 'any' }) };
}
