import { resolveImport, type SourceFile, type SyntaxNode, walk } from './source-files.ts';

/** What a folder of src/ may import; Node's own parts are free, as `node:...`. */
export interface Allowance {
  folders: readonly string[];
  packages: readonly string[];
}

/** One broken rule: a file, and what is wrong in it. */
export type Violation = string;

export function checkImports(file: SourceFile, table: Readonly<Record<string, Allowance>>): Violation[] {
  const allowed = table[file.folder];
  if (!allowed) return [`${file.path}: the import table has no folder ${file.folder}`];
  return file.imports.flatMap(({ specifier }) => {
    const fault = specifier === undefined ? 'imports a name that is computed' : importFault(file, specifier, allowed);
    return fault === undefined ? [] : [`${file.path}: ${fault}`];
  });
}

function importFault(file: SourceFile, specifier: string, { folders, packages }: Allowance): string | undefined {
  if (specifier === 'node:process') return 'imports node:process, which hides what it reads';
  if (specifier.startsWith('node:')) return undefined;
  const target = resolveImport(file, specifier);
  if (target === undefined)
    return packages.includes(packageOf(specifier)) ? undefined : `may not import the package ${packageOf(specifier)}`;
  const [top, folder = ''] = target.split('/');
  if (top !== 'src') return `imports ${target}, which is outside of src`;
  if (target.endsWith('/main.ts')) return `imports ${target}, which starts a process`;
  return folder === file.folder || folders.includes(folder) ? undefined : `may not import ${target}`;
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

const ofMainAlone = new Set(['argv', 'env', 'exit', 'exitCode', 'on', 'once', 'addListener', 'prependListener']);

/** argv, the environment, signal handlers and exits belong to main.ts: there one sees what a process depends on. */
export function checkProcessUse(file: SourceFile): Violation[] {
  if (file.name === 'main.ts') return [];
  return [...walk(file.body)].flatMap((node) => {
    const name = memberOfProcess(node);
    return name !== undefined && ofMainAlone.has(name) ? [`${file.path}: uses process.${name}`] : [];
  });
}

/** The `x` of `process.x`, `process['x']` and `const { x } = process`. */
function memberOfProcess(node: SyntaxNode): string | undefined {
  if (node.type === 'MemberExpression' && isProcess(node['object'])) return nameOf(node['property']);
  if (node.type !== 'VariableDeclarator' || !isProcess(node['init'])) return undefined;
  const { properties = [] } = node['id'] as { properties?: SyntaxNode[] };
  return properties.map((property) => nameOf(property['key'])).find((name) => name !== undefined && ofMainAlone.has(name));
}

function isProcess(value: unknown): boolean {
  return (value as SyntaxNode | null)?.type === 'Identifier' && nameOf(value) === 'process';
}

function nameOf(value: unknown): string | undefined {
  const { name, value: text } = value as { name?: unknown; value?: unknown };
  if (typeof name === 'string') return name;
  return typeof text === 'string' ? text : undefined;
}

/** State that belongs to nobody: a module is loaded once, and so would be shared by all that it serves. */
export function checkModuleState(file: SourceFile): Violation[] {
  const declarations = file.body.map((statement) => (statement.type === 'ExportNamedDeclaration' ? statement['declaration'] : statement));
  return declarations
    .map((declaration) => declaration as SyntaxNode | null)
    .filter((declaration) => declaration?.type === 'VariableDeclaration' && ['let', 'var'].includes(declaration['kind'] as string))
    .map((declaration) => `${file.path}: a \`${declaration?.['kind'] as string}\` at the level of the module`);
}

const kebabCase = /^[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/;
const saysNothing = /(?:^|-)(?:utils?|helpers?|common|managers?|misc)(?:-|\.)/;

export function checkFileName({ path, name }: SourceFile): Violation[] {
  if (!/^src\/[a-z0-9]+\/[^/]+$/.test(path)) return [`${path}: the layout is src/FOLDER/FILE`];
  if (!kebabCase.test(name)) return [`${path}: the name is not in kebab-case, or does not end in .ts`];
  return saysNothing.test(name) ? [`${path}: the name does not say what is in it`] : [];
}

/** The files that run in the process of `main`: what it imports, and what that imports, but for types. */
export function loadedFrom(main: string, files: readonly SourceFile[]): SourceFile[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const loaded = new Map<string, SourceFile>();
  const load = (path: string): void => {
    const file = byPath.get(path);
    if (!file || loaded.has(path)) return;
    loaded.set(path, file);
    for (const { specifier, typeOnly } of file.imports) {
      const target = specifier === undefined || typeOnly ? undefined : resolveImport(file, specifier);
      if (target !== undefined) load(target);
    }
  };
  load(main);
  return [...loaded.values()];
}

export function countCodeLines(files: readonly SourceFile[]): number {
  return files.reduce((total, { codeLines }) => total + codeLines, 0);
}
