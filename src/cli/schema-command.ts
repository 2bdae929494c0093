import { Argument, type Command } from 'commander';
import { type ConfigKind, schemaOf } from '../config/json-schema.ts';
import type { Surroundings } from './program.ts';
import { writeJson } from './terminal.ts';

export function registerSchema(program: Command, { terminal }: Surroundings): void {
  const file = new Argument('<file>', 'tenantd.yaml, tenant.yaml or app.yaml').choices(['daemon', 'tenant', 'app']);
  program
    .command('schema')
    .description('print the JSON Schema of a configuration file, for editors')
    .addArgument(file)
    .addHelpText(
      'after',
      '\nFor the YAML language server, begin a file with:\n# yaml-language-server: $schema=FILE\n\nExample: tenantctl schema tenant > tenant.schema.json',
    )
    .action((kind: ConfigKind) => writeJson(terminal, schemaOf(kind)));
}
