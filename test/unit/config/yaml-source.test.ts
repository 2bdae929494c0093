import { describe, expect, test } from 'vitest';
import { parseYaml, type YamlSource } from '../../../src/config/yaml-source.ts';

function read(text: string): YamlSource {
  const { source, problems } = parseYaml(text, 'f.yaml');
  if (!source) throw new Error(problems[0]?.message);
  return source;
}

function faultOf(text: string): { code: string; message: string; line?: number; column?: number } | undefined {
  return parseYaml(text, 'f.yaml').problems[0];
}

describe('positions', () => {
  const source = read('a: 1\nlist:\n  - x\n  - { deep: [10, 20] }\nempty:\nback: &b { c: 3 }\nagain: *b\n');

  test('a value is found by its line and column', () => {
    expect(source.positionOf(['a'])).toEqual({ line: 1, column: 4 });
    expect(source.positionOf(['list', 1, 'deep', 1])).toEqual({ line: 4, column: 18 });
  });

  test('a key is found by its own place', () => {
    expect(source.positionOfKey(['list', 1, 'deep'])).toEqual({ line: 4, column: 7 });
  });

  test('a key without a value stands for it', () => {
    expect(source.positionOf(['empty'])).toEqual({ line: 5, column: 1 });
  });

  test('what is not there is told at what would hold it', () => {
    expect(source.positionOf(['list', 1, 'nothing'])).toEqual({ line: 4, column: 5 });
  });

  test('a value behind an alias is found where it is written', () => {
    expect(source.positionOf(['again', 'c'])).toEqual({ line: 6, column: 15 });
  });
});

describe('what is refused', () => {
  test('a file of comments only is empty', () => {
    expect(faultOf('# later\n\n')?.code).toBe('TENANTD_E_FILE_EMPTY');
  });

  test('a half-written file is told where it breaks off', () => {
    expect(faultOf('domains:\n  - acme.example\n  - "acm')).toMatchObject({ code: 'TENANTD_E_YAML', line: 3, column: 9 });
  });

  test('a tab as indentation is told', () => {
    expect(faultOf('domains:\n\t- a.example')).toMatchObject({ code: 'TENANTD_E_YAML', line: 2, column: 1 });
  });

  test('a key that is there twice is told at the second one', () => {
    expect(faultOf('a: 1\nb:\n  c: 1\n  c: 2\n')).toMatchObject({ message: 'the key "c" is there twice', line: 4, column: 3 });
  });

  test('`__proto__` is no key, and changes nothing', () => {
    expect(faultOf('x: { __proto__: { polluted: 1 } }')).toMatchObject({ code: 'TENANTD_E_UNKNOWN_KEY', line: 1, column: 6 });
    expect({}).not.toHaveProperty('polluted');
  });

  test.each(['!!js/function "x"', '!mine [a]', '!!binary aGVsbG8=', '!!set { a }'])('the tag in %s is not known', (value) => {
    expect(faultOf(`a: ${value}`)).toMatchObject({ code: 'TENANTD_E_YAML', line: 1, column: 4 });
  });

  test('a key that is no text is refused', () => {
    expect(faultOf('? [a, b]\n: 1')?.code).toBe('TENANTD_E_YAML');
  });

  test('a second document is refused', () => {
    expect(faultOf('a: 1\n---\nb: 2\n')).toMatchObject({ message: 'the file is not valid YAML: it has several documents', line: 2 });
  });

  test('a merge key merges nothing', () => {
    expect(read('%YAML 1.1\n---\nbase: &b { x: 1 }\n<<: *b\n').value).toEqual({ base: { x: 1 }, '<<': { x: 1 } });
  });
});

describe('hostile files end soon', () => {
  const size = 256 << 10;
  const layers = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...['b', 'c', 'd', 'e', 'f'].map((name, i) => `${name}: &${name} [${`*${'abcde'[i] ?? ''},`.repeat(9)}]`),
  ];

  test.each([
    ['brackets', '['.repeat(size)],
    ['braces', '{'.repeat(size)],
    ['dashes', '- '.repeat(size / 2)],
    ['question marks', '? '.repeat(size / 2)],
    ['colons', ': '.repeat(size / 2)],
    ['aliases of aliases', layers.join('\n')],
    ['an alias of itself a thousand times', `a: &a [${'*a,'.repeat(1_000)}]`],
    ['nine thousand anchors', Array.from({ length: 9_000 }, (_, i) => `k${i}: &a${i} x\nl${i}: *a${i}`).join('\n')],
    ['the same key again and again', 'a: 1\n'.repeat(size / 5)],
  ])('a file of %s', (_, text) => {
    expect(faultOf(text)?.code).toBe('TENANTD_E_YAML');
  });
});
