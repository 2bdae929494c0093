import { globSync, readFileSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

/** A node of the syntax tree (ESTree with types), as far as the rules look at it. */
export interface SyntaxNode {
  type: string;
  [key: string]: unknown;
}

export interface Import {
  /** As it is written; undefined where it is computed. */
  specifier: string | undefined;
  /** Gone at run time. */
  typeOnly: boolean;
}

export interface SourceFile {
  /** From the repository: `src/daemon/plan.ts`. */
  path: string;
  /** `daemon` */
  folder: string;
  name: string;
  /** Without blank lines and comments. */
  codeLines: number;
  imports: Import[];
  body: SyntaxNode[];
}

export function readSources(root: string): SourceFile[] {
  return globSync('src/**/*.{ts,js,mts,mjs}', { cwd: root })
    .sort()
    .map((path) => parseSource(path, readFileSync(posix.join(root, path), 'utf8')));
}

export function parseSource(path: string, text: string): SourceFile {
  const body = parseAst(text, { lang: 'ts' }, path).body as unknown as SyntaxNode[];
  const [, folder = ''] = path.split('/');
  return { path, folder, name: basename(path), codeLines: countCodeLines(text), imports: body.flatMap(importsIn), body };
}

/** By the look of each line: the formatter begins no line of code with one of these. */
function countCodeLines(text: string): number {
  return text.split('\n').filter((line) => !/^\s*(?:$|\/\/|\/\*|\*)/.test(line)).length;
}

/** Every node of a tree, outermost first. */
export function* walk(value: unknown): Generator<SyntaxNode> {
  if (Array.isArray(value)) {
    for (const item of value) yield* walk(item);
  } else if (typeof value === 'object' && value !== null) {
    if ('type' in value && typeof value.type === 'string') yield value as SyntaxNode;
    for (const child of Object.values(value)) yield* walk(child);
  }
}

/** What an import points to, from the repository; undefined for a package or a part of Node. */
export function resolveImport({ path }: SourceFile, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
}

const importTypes = new Set(['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType']);

function importsIn(statement: SyntaxNode): Import[] {
  return [...walk(statement)].filter(isImport).map((node) => ({
    specifier: textOf(node['source']) ?? textOf(argumentOf(node)),
    typeOnly: node.type === 'TSImportType' || node['importKind'] === 'type' || node['exportKind'] === 'type',
  }));
}

/** `export` without `from` is none. */
function isImport(node: SyntaxNode): boolean {
  if (node.type === 'ExportNamedDeclaration') return node['source'] !== null;
  return importTypes.has(node.type) || isRequire(node);
}

function isRequire({ type, callee }: SyntaxNode): boolean {
  return type === 'CallExpression' && (callee as SyntaxNode).type === 'Identifier' && (callee as SyntaxNode)['name'] === 'require';
}

function argumentOf(node: SyntaxNode): unknown {
  return Array.isArray(node['arguments']) ? (node['arguments'] as unknown[])[0] : node['argument'];
}

function textOf(node: unknown): string | undefined {
  if (typeof node !== 'object' || node === null || !('value' in node)) return undefined;
  return typeof node.value === 'string' ? node.value : undefined;
}
