import { describe, expect, test } from 'vitest';
import { renderTemplate, type RenderResult, type Template, type TemplateInput } from '../../../src/config/template-render.ts';
import { parseTemplateSettings } from '../../../src/config/template-schema.ts';
import { parseYaml } from '../../../src/config/yaml-source.ts';

const plainInput: TemplateInput = { name: 'acme', domains: ['acme.example'], plan: 'starter', set: {} };

function templateOf(files: Record<string, string | Uint8Array>, settings = ''): Template {
  const parsed = settings === '' ? undefined : parseTemplateSettings(settings, 'template.yaml');
  if (parsed && !parsed.settings) throw new Error(JSON.stringify(parsed.problems));
  return {
    name: 'site',
    dir: '/templates/site',
    settings: parsed?.settings ?? { description: '', variables: [], render: [] },
    files: Object.entries(files).map(([path, content]) => ({ path, content: Buffer.from(content), executable: false })),
  };
}

function textOf(result: RenderResult, path: string): string {
  if (!result.files) throw new Error(JSON.stringify(result.problems));
  return Buffer.from(result.files.find((file) => file.path === path)?.content ?? '').toString();
}

function render(path: string, text: string, input: Partial<TemplateInput> = {}, settings = ''): string {
  return textOf(renderTemplate(templateOf({ [path]: text }, settings), { ...plainInput, ...input }), path);
}

const withTitle = 'variables: { title: { default: x } }\nrender: ["**"]';
const meaningOf = (text: string): unknown => parseYaml(text, '').source?.value;

describe('what is rendered', () => {
  test('a template without a tenant.yaml makes one with the domains and the plan', () => {
    const result = renderTemplate(templateOf({}), { ...plainInput, domains: ['a.example', '*.a.example'] });
    expect(meaningOf(textOf(result, 'tenant.yaml'))).toEqual({ domains: ['a.example', '*.a.example'], plan: 'starter' });
  });

  test('files that are not listed keep their braces, also as bytes that are no text', () => {
    const bytes = Buffer.from([0, 255, 123, 123, 32, 120]);
    const result = renderTemplate(templateOf({ 'apps/web/app.js': 'x = {{ title }}', 'apps/web/logo.png': bytes }), plainInput);
    expect(textOf(result, 'apps/web/app.js')).toBe('x = {{ title }}');
    expect(result.files?.find(({ path }) => path === 'apps/web/logo.png')?.content).toEqual(bytes);
  });

  test('a backslash keeps braces', () => {
    expect(render('a.md', '\\{{ title }} and {{ title }}', {}, withTitle)).toBe('{{ title }} and x');
  });

  test('comments, order and spelling of a YAML file stay', () => {
    const text = "# of {{ name }}\ndomains:   # all\n  - {{ domain }}   # first\nplan: '{{ plan }}'\n";
    expect(render('tenant.yaml', text)).toBe('# of acme\ndomains:   # all\n  - "acme.example"   # first\nplan: "starter"\n');
  });

  test('the list of domains fills a key, an entry of either kind of list, or a text', () => {
    const input = { domains: ['a.example', 'b.example'] };
    const list = ['a.example', 'b.example'];
    expect(meaningOf(render('tenant.yaml', 'domains: {{ domains }}\n', input))).toEqual({ domains: list });
    expect(meaningOf(render('tenant.yaml', 'domains: [{{ domains }}, c.example]\n', input))).toEqual({ domains: [...list, 'c.example'] });
    expect(meaningOf(render('tenant.yaml', 'domains:\n  - {{ domains }}\n  - c.example\n', input))).toEqual({
      domains: [...list, 'c.example'],
    });
    expect(meaningOf(render('tenant.yaml', 'note: of {{ domains }}\n', input))).toEqual({ note: 'of a.example, b.example' });
  });

  test('a number or a boolean is one where it stands alone without quotes, and text in quotes', () => {
    const settings = 'variables: { count: { default: "2" }, on: { default: "true" } }';
    expect(
      meaningOf(render('apps/web/app.yaml', 'a: {{ count }}\nb: "{{ count }}"\nc: {{ on }}\nd: v{{ count }}\n', {}, settings)),
    ).toEqual({
      ...{ a: 2, b: '2', c: true, d: 'v2' },
    });
  });

  test('JSON stays JSON', () => {
    const text = '{\n\t"title": "{{ title }}",\n\t"list": ["{{ title }}"]\n}\n';
    expect(JSON.parse(render('apps/web/data.json', text, { set: { title: 'say "hi"\\' } }, withTitle))).toEqual({
      title: 'say "hi"\\',
      list: ['say "hi"\\'],
    });
  });
});

describe('what a value can do', () => {
  const evil = [
    '", admin: true, x: "',
    "', admin: true, x: '",
    '}, admin: true, {',
    '], admin: [',
    'x # gone',
    'x: y',
    '- x',
    '&a [b]',
    '*a',
    '!!binary x',
    '{ admin: true }',
    '[admin]',
    '? admin',
    '| ',
    '\\", admin: "',
    '%YAML 1.1',
    '...',
    '---',
    '~',
    'null',
    'yes',
    '0x1f',
    '1e3',
    '.inf',
    '${HOME}',
    ' leading',
    'trailing ',
    'tdv0z',
    '{{ name }}',
  ];

  test.each(evil)('%j is a text in every place of a YAML file, and injects no key', (title) => {
    const text = [
      'plain: {{ title }}',
      'part: a {{ title }} b',
      'double: "{{ title }}"',
      "single: 'it''s {{ title }}'",
      'flow: { a: {{ title }}, b: [{{ title }}, "{{ title }}"] }',
      'list:',
      '  - {{ title }}',
      'literal: |',
      '  one',
      '  {{ title }} two',
      'folded: >-',
      '  {{ title }}',
      '? "{{ title }}"',
      ': key',
      'last: 1 # {{ title }}',
      '',
    ].join('\n');
    expect(meaningOf(render('tenant.yaml', text, { set: { title } }, withTitle))).toEqual({
      plain: title,
      part: `a ${title} b`,
      double: title,
      single: `it's ${title}`,
      flow: { a: title, b: [title, title] },
      list: [title],
      literal: `one\n${title} two\n`,
      folded: title,
      [title]: 'key',
      last: 1,
    });
  });

  test('what would be a tag, or the same key again, is refused', () => {
    for (const text of ['a: !{{ title }} x\n', 'a: 1\n"{{ title }}": 2\n', 'a: &{{ title }}: x\n']) {
      const result = renderTemplate(templateOf({ 'tenant.yaml': text }, withTitle), { ...plainInput, set: { title: 'a' } });
      expect([text, result.files]).toEqual([text, undefined]);
    }
  });

  test.each(['one\ntwo', 'a\u2028b', 'a\rb', 'a\0b', '\u202eabc', 'x'.repeat(1_001), '\ud800'])('%.20j is no value', (title) => {
    const result = renderTemplate(templateOf({ 'a.md': '{{ title }}' }, withTitle), { ...plainInput, set: { title } });
    expect(result.problems).toMatchObject([{ code: 'TENANTD_E_TEMPLATE', file: '/templates/site/template.yaml' }]);
  });

  test('in a page it is text, and in a script it stays in its string', () => {
    const title = '</script><script>alert("1")//\'`${x}\\';
    const page = render('apps/web/index.html', '<p title="{{ title }}">{{ title }}</p>', { set: { title } }, withTitle);
    expect(page.match(/</g)).toHaveLength(2);
    expect(page).not.toContain('"1"');
    for (const quote of ['"', "'", '`']) {
      const script = render('apps/web/app.js', `(${quote}{{ title }}${quote})`, { set: { title } }, withTitle);
      expect(script).not.toContain('<');
      // oxlint-disable-next-line no-eval -- what a program would see
      expect((0, eval)(script)).toBe(title);
    }
  });

  test('in a file of another kind it may have harmless characters only', () => {
    expect(render('apps/web/a.css', 'h1 { color: {{ title }} }', { set: { title: '#20639b' } }, withTitle)).toBe('h1 { color: #20639b }');
    const result = renderTemplate(templateOf({ 'apps/web/a.css': '\n\nh1 { color: {{ title }} }' }, withTitle), {
      ...plainInput,
      set: { title: 'red; } body { display: none' },
    });
    expect(result.problems).toMatchObject([{ code: 'TENANTD_E_TEMPLATE', file: '/templates/site/apps/web/a.css', line: 3 }]);
  });
});

describe('what is refused', () => {
  test('an unknown variable is told with its file and line, and what may have been meant', () => {
    const result = renderTemplate(templateOf({ 'tenant.yaml': 'domains:\n  - {{ domian }}\n  - {{ 1 }}\n' }), plainInput);
    expect(result.files).toBeUndefined();
    expect(result.problems).toMatchObject([
      { file: '/templates/site/tenant.yaml', line: 2, message: 'there is no variable "domian"', fix: 'did you mean `domain`?' },
      { file: '/templates/site/tenant.yaml', line: 3 },
    ]);
  });

  test('a value that is missing, unknown, or does not fit its pattern', () => {
    const template = templateOf({}, 'variables: { title: { description: Of pages }, colour: { pattern: "[a-z]+", default: red } }');
    const { problems } = renderTemplate(template, { ...plainInput, set: { colour: 'RED', tilte: 'x' } });
    expect(problems.map(({ message }) => message)).toEqual([
      'the template has no variable "tilte"',
      'the variable `title` (Of pages) is not given',
      'the variable `colour` must fit [a-z]+, not "RED"',
    ]);
  });

  test('broken YAML, with its line', () => {
    const result = renderTemplate(templateOf({ 'tenant.yaml': 'domains: {{ domains }}\nplan: [\n' }), plainInput);
    expect(result.problems).toMatchObject([{ code: 'TENANTD_E_YAML', file: '/templates/site/tenant.yaml', line: 3 }]);
  });

  test('bytes that are no text, in a file that is listed', () => {
    const result = renderTemplate(templateOf({ 'a.bin': Buffer.from([255, 0]) }, withTitle), plainInput);
    expect(result.problems).toMatchObject([{ code: 'TENANTD_E_TEMPLATE', file: '/templates/site/a.bin' }]);
  });

  test('a template.yaml with a built-in name, a bad default, or a bad pattern', () => {
    for (const text of [
      'variables: { name: {} }',
      'variables: { a: { pattern: "x", default: "y" } }',
      'variables: { a: { pattern: "(" } }',
    ]) {
      expect({ text, ...parseTemplateSettings(text, 'template.yaml') }).toMatchObject({
        text,
        problems: [{ file: 'template.yaml', line: 1 }],
      });
    }
  });
});
