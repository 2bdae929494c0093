import { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import { placeOf } from './placed.ts';
import { insidePath } from './path-values.ts';
import { checkSchema } from './schema-problems.ts';
import { line, type Parsed, textAs } from './values.ts';
import { parseYaml } from './yaml-source.ts';

/** What a template's files may ask for. Without a default it has to be given. */
export interface TemplateVariable {
  name: string;
  description?: string;
  default?: string;
  /** A regular expression that fits the whole value. */
  pattern?: string;
}

/** template.yaml. */
export interface TemplateSettings {
  description: string;
  variables: TemplateVariable[];
  /** Which files are rendered besides those that always are: paths, with * and ** as in a shell. */
  render: string[];
}

/** What every tenant has. */
export const builtInVariables = ['name', 'domain', 'domains', 'plan'] as const;
/** Characters of one value. */
export const maxValueCharacters = 1_000;

function parsePattern(text: string): Parsed<string> {
  try {
    return { value: new RegExp(text, 'u').source };
  } catch {
    return { fault: { message: 'must be a regular expression', fix: 'write one of JavaScript, such as "[a-z]+"' } };
  }
}

const variableName = z
  .string()
  .regex(/^[a-z][a-zA-Z0-9_]{0,31}$/, 'must be a name of a-z, A-Z, 0-9 and "_" that begins with a small letter');

/** The file in a template's folder that says what it is; it is no file of the tenants made from it. */
export const templateSchema = z
  .strictObject({
    description: line(200, 'What it makes, for people').exactOptional(),
    variables: z
      .record(
        variableName,
        z.strictObject({
          description: line(200, 'What it is for').exactOptional(),
          default: z.string().max(maxValueCharacters).exactOptional().meta({ description: 'Without it, the variable has to be given' }),
          pattern: textAs(parsePattern, 'A regular expression that fits the whole value', '#[0-9a-f]{6}').exactOptional(),
        }),
      )
      .default({})
      .meta({ description: 'What its files ask for by {{ name }}' }),
    render: z
      .array(insidePath('Files with variables, besides tenant.yaml and each app.yaml; * and ** stand for any name', 'apps/*/index.html'))
      .max(100)
      .default([]),
  })
  .meta({ title: 'template.yaml', description: 'A template of tenants' });

export type TemplateSettingsResult = { settings: TemplateSettings; problems: [] } | { settings?: undefined; problems: Problem[] };

export function parseTemplateSettings(text: string, file: string): TemplateSettingsResult {
  const { source, problems: yamlProblems } = parseYaml(text, file);
  if (!source) return { problems: yamlProblems };
  const { value, problems } = checkSchema(templateSchema, source);
  if (!value) return { problems };
  const variables = Object.entries(value.variables).map(([name, variable]) => ({ name, ...variable }));
  const faults = variables.flatMap((variable): Problem[] => {
    const message = findFault(variable);
    const path = ['variables', variable.name];
    return message === undefined ? [] : [{ code: 'TENANTD_E_INVALID_VALUE', message, fix: 'change it', ...placeOf(source, path) }];
  });
  if (faults.length > 0) return { problems: faults };
  return { settings: { description: value.description ?? '', variables, render: value.render }, problems: [] };
}

function findFault(variable: TemplateVariable): string | undefined {
  if ((builtInVariables as readonly string[]).includes(variable.name)) return `\`${variable.name}\` is what every tenant has`;
  const fault = variable.default === undefined ? undefined : findValueFault(variable, variable.default);
  return fault && `the default of \`${variable.name}\` ${fault}`;
}

/** The rest of a sentence that begins with what the value is. */
export function findValueFault({ pattern }: Pick<TemplateVariable, 'pattern'>, value: string): string | undefined {
  if (value.length > maxValueCharacters) return `must have at most ${maxValueCharacters} characters`;
  // Line breaks of any kind, and what a terminal or an editor would obey.
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u.test(value)) return 'must be one line of plain text';
  if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`, 'u').test(value)) return `must fit ${pattern}`;
  return undefined;
}
