/** The commands of a program, and the commands below each. */
export type Commands = ReadonlyMap<string, readonly string[]>;

export function errorTable(codes: Readonly<Record<string, string>>): string {
  return ['| code | meaning |', '|---|---|', ...Object.entries(codes).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)].join('\n');
}

export function findErrorCodes(text: string): string[] {
  return [...new Set(text.match(/\bTENANTD_E_[A-Z_]*[A-Z]/g))];
}

/** Of `scripts/...` and `src/...` anywhere, and of `folder/file.ts` in code, which is meant from src/. Patterns are left out. */
export function findMissingPaths(text: string, exists: (path: string) => boolean): string[] {
  const full = [...text.matchAll(/(?<![\w/.-])(?:scripts|src)\/[\w./*{},-]*/g)].map(([path]) => path.replace(/[.,]+$/, ''));
  const short = [...text.matchAll(/`(?!(?:src|scripts|test)\/)([a-z0-9]+\/[a-z0-9-]+\.ts)`/g)].map(([, path = '']) => path);
  const named = [...full, ...short.map((path) => `src/${path}`)].filter((path) => !/[*{}]/.test(path));
  return [...new Set(named)].filter((path) => !exists(path));
}

/** Of what is called in code, between backticks: `tenantctl app restart`. Words in capitals stand for something else. */
export function findUnknownCommands(text: string, commands: Commands): string[] {
  return codeOf(text)
    .flatMap((code) => [...code.matchAll(/(?<![\w.-])tenantctl((?:[ ]+[^\s`;&()]+)+)/g)].map(([, words = '']) => words))
    .flatMap((words) => unknownIn(wordsOf(words), commands));
}

/** The parts of a text between backticks: blocks line by line, then what is within lines. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```.*\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) => block.split('\n'));
  const spans = [...text.replaceAll(/^```.*\n[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
  return [...blocks, ...spans];
}

function wordsOf(words: string): string[] {
  return words
    .replaceAll(/--(?:config|token-file)(?:=| +)\S+|["']/g, '')
    .split(' ')
    .filter((word) => word !== '' && !word.startsWith('-'));
}

function unknownIn([command = '', below = '']: string[], commands: Commands): string[] {
  if (!/^[a-z]/.test(command) || command === 'help') return [];
  return command.split(/[/|]/).flatMap((name) => {
    const known = commands.get(name);
    if (!known) return [name];
    if (known.length === 0 || !/^[a-z]/.test(below)) return [];
    return below
      .split(/[/|]/)
      .filter((part) => !known.includes(part))
      .map((part) => `${name} ${part}`);
  });
}
