import { join } from 'node:path';
import { appSchema } from './app-schema.ts';
import { readPlainFile } from './plain-file.ts';
import { checkSchema } from './schema-problems.ts';
import { parseYaml } from './yaml-source.ts';

export interface BuildOrder {
  command: string[];
  env: Record<string, string>;
}

const maxFileBytes = 64 << 10;

/**
 * What to run before anything of the app can be looked at: what it starts may be made by its build. Undefined, too, for an app.yaml
 * that can't be read: reading its manifest says why. For jobs alone, as `readManifest`.
 */
export async function readBuildOrder(appDir: string): Promise<BuildOrder | undefined> {
  const { text } = await readPlainFile(join(appDir, 'app.yaml'), { maxBytes: maxFileBytes });
  const { source } = text === undefined ? {} : parseYaml(text, 'app.yaml');
  const { value } = source ? checkSchema(appSchema, source) : {};
  return value?.build && { command: [...value.build], env: value.env };
}
