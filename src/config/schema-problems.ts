import { z } from 'zod';
import { type ErrorCode, errorCodes } from '../base/error-codes.ts';
import type { Problem } from '../base/problem.ts';
import { capProblems, maxToldProblems } from './cap-problems.ts';
import { keysAt } from './json-schema-keys.ts';
import { nearest } from './nearest.ts';
import { listSome, quote } from './quote.ts';
import type { ValuePath, YamlSource } from './yaml-source.ts';

type Issue = z.core.$ZodIssue;

interface Finding {
  code: ErrorCode;
  message: string;
  fix: string;
  path: ValuePath;
  /** The fault is the key, not its value. */
  atKey?: boolean;
}

/** The value that `schema` makes of a file, or one problem for each rule that the file breaks. */
export function checkSchema<T>(
  schema: z.ZodType<T>,
  source: YamlSource,
): { value: T; problems: [] } | { value?: undefined; problems: Problem[] } {
  const result = schema.safeParse(source.value);
  if (result.success) return { value: result.data, problems: [] };
  // To name and to find each of 10,000 wrong keys would take seconds, and nobody reads that many.
  const issues = result.error.issues.slice(0, maxToldProblems + 1);
  const findings = issues.flatMap((issue) => judge(issue, [], schema, source.value)).slice(0, maxToldProblems + 1);
  const problems = findings.map((finding) => toProblem(finding, source));
  return { problems: capProblems(problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))) };
}

function toProblem({ code, message, fix, path, atKey = false }: Finding, source: YamlSource): Problem {
  return { code, message, fix, file: source.file, ...(atKey ? source.positionOfKey(path) : source.positionOf(path)) };
}

function judge(issue: Issue, above: ValuePath, schema: z.ZodType, root: unknown): Finding[] {
  const path = [...above, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
  if (issue.code === 'unrecognized_keys') return issue.keys.slice(0, maxToldProblems + 1).map((key) => unknownKey(key, path, schema));
  if (issue.code === 'invalid_union') return judgeUnion(issue, path, schema, root);
  if (issue.code === 'invalid_key') return [{ ...judgeValue(issue.issues[0] ?? issue, path, path.at(-1)), atKey: true }];
  const input = valueAt(root, path);
  if (input === undefined && issue.code !== 'custom') return [missingKey(path)];
  return [judgeValue(issue, path, input)];
}

function unknownKey(key: string, path: ValuePath, schema: z.ZodType): Finding {
  const known = keysAt(schema, path);
  const meant = nearest(key, known);
  const where = path.length === 0 ? '' : ` in \`${nameOf(path)}\``;
  return {
    code: 'TENANTD_E_UNKNOWN_KEY',
    message: `there is no key ${quote(key)}${where}`,
    fix: meant ? `did you mean \`${meant}\`?` : `remove it; the keys here are ${known.join(', ')}`,
    path: [...path, key],
    atKey: true,
  };
}

function missingKey(path: ValuePath): Finding {
  const key = String(path.at(-1));
  return { code: 'TENANTD_E_MISSING_KEY', message: `\`${nameOf(path)}\` is missing`, fix: `add \`${key}:\``, path, atKey: true };
}

/** Tells the faults of the one form that the value was meant to have; where it has the shape of none, what forms there are. */
function judgeUnion(issue: Issue & { code: 'invalid_union' }, path: ValuePath, schema: z.ZodType, root: unknown): Finding[] {
  const meant = issue.errors.find((branch) => !branch.some(isOfWrongShape));
  if (meant) return meant.flatMap((inner) => judge(inner, path, schema, root));
  const input = valueAt(root, path);
  if (input === undefined) return [missingKey(path)];
  const forms = [...new Set(issue.errors.flatMap((branch) => branch.filter(isOfWrongShape).map(shapeOf)))].join(' or ');
  return [input === null ? withoutValue(path, forms) : invalid(path, input, `must be ${forms}`, `write ${forms}`)];
}

function isOfWrongShape(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function shapeOf(issue: Issue): string {
  if (issue.code === 'invalid_value') return issue.values.map((value) => `\`${String(value)}\``).join(', ');
  return issue.code === 'invalid_type' ? (shapes[issue.expected] ?? issue.expected) : '';
}

const shapes: Readonly<Record<string, string>> = {
  array: 'a list',
  object: 'a mapping of keys',
  record: 'a mapping of keys',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function judgeValue(issue: Issue, path: ValuePath, input: unknown): Finding {
  if (issue.code === 'invalid_type') return judgeType(issue.expected, path, input);
  if (issue.code === 'invalid_value') return judgeChoice(issue.values.map(String), path, input);
  if (issue.code === 'too_small' || issue.code === 'too_big') return judgeRange(issue, path, input);
  return issue.code === 'custom' ? judgeOwnRule(issue, path, input) : invalid(path, input, issue.message);
}

function judgeChoice(values: string[], path: ValuePath, input: unknown): Finding {
  if (input === null) return withoutValue(path, `one of ${values.join(', ')}`);
  const meant = typeof input === 'string' ? nearest(input, values) : undefined;
  return invalid(path, input, `must be one of ${values.join(', ')}`, meant && `did you mean \`${meant}\`?`);
}

function judgeType(expected: string, path: ValuePath, input: unknown): Finding {
  const shape = shapes[expected] ?? expected;
  if (input === null) return withoutValue(path, shape);
  const scalar = typeof input === 'number' || typeof input === 'boolean';
  return invalid(path, input, `must be ${shape}`, expected === 'string' && scalar ? 'put it in quotes' : undefined);
}

function withoutValue(path: ValuePath, shape: string): Finding {
  const message = `\`${nameOf(path)}\` has no value`;
  return { code: 'TENANTD_E_INVALID_VALUE', message, fix: `write ${shape} after it, or remove it`, path };
}

function judgeRange(issue: Issue & { code: 'too_small' | 'too_big' }, path: ValuePath, input: unknown): Finding {
  const limit = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
  if (issue.origin === 'string') return invalid(path, input, `must have ${limit} characters`);
  if (issue.origin !== 'array') return invalid(path, input, `must be ${limit}`);
  if (issue.code === 'too_small') return invalid(path, undefined, 'must not be an empty list', 'add an entry, or remove the key');
  const message = `\`${nameOf(path)}\` must have ${limit} entries, not ${Array.isArray(input) ? input.length : 0}`;
  return { code: 'TENANTD_E_TOO_MANY', message, fix: 'shorten the list', path, atKey: true };
}

/** Rules of our own (`fault` in values.ts) bring their code and fix along. */
function judgeOwnRule(issue: Issue & { code: 'custom' }, path: ValuePath, input: unknown): Finding {
  const { code, fix } = issue.params ?? {};
  const known = typeof code === 'string' && Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'TENANTD_E_INVALID_VALUE';
  const fixed = typeof fix === 'string' ? fix : undefined;
  const shown = typeof input === 'object' ? undefined : input;
  return { ...invalid(path, shown, issue.message, fixed), code: known };
}

function invalid(path: ValuePath, input: unknown, rule: string, fix?: string): Finding {
  const subject = path.length === 0 ? 'the file' : `\`${nameOf(path)}\``;
  const not = input !== undefined && rule.startsWith('must') && !mayBeSecret(path) ? `, not ${quote(input)}` : '';
  const message = `${subject} ${rule}${not}`;
  return {
    code: 'TENANTD_E_INVALID_VALUE',
    message,
    fix: fix ?? `change ${path.length === 0 ? 'the file' : 'the value'} so that it fits`,
    path,
  };
}

/** People put into the environment what should be a secret; a problem goes into logs. */
function mayBeSecret(path: ValuePath): boolean {
  return path[0] === 'env' && path.length > 1;
}

/** `http.listen[0]`; keys that others chose are cut and freed of control characters. */
function nameOf(path: ValuePath): string {
  return path.reduce<string>((name, step) => {
    if (typeof step === 'number') return `${name}[${step}]`;
    const key = listSome([step]).slice(1, -1);
    return name === '' ? key : `${name}.${key}`;
  }, '');
}

function valueAt(root: unknown, path: ValuePath): unknown {
  return path.reduce<unknown>((value, step) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    return (value as Record<string | number, unknown>)[step];
  }, root);
}
