import { extname } from 'node:path';
import type { Problem } from '../base/problem.ts';
import { quote } from './quote.ts';
import { asText, fillIn, lineOf, type TemplateText, type Values } from './template-text.ts';

export type Rendered = { text: string; problems: [] } | { text?: undefined; problems: Problem[] };

/** How a value is written so that it stays within what it stands in. YAML and JSON are rendered by their structure (`template-yaml`). */
const escapes: Readonly<Record<string, (value: string) => string>> = {
  ...all(['.html', '.htm', '.xhtml', '.xml', '.svg'], (value) => value.replaceAll(/[&<>"'`\\]/g, (one) => `&#${one.charCodeAt(0)};`)),
  // Within a string of theirs, whichever quotes it has. "<" too: scripts stand in pages.
  ...all(['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.jsx', '.tsx', '.py'], (value) =>
    value.replaceAll(/[^\p{L}\p{N} ._,:;@/+#%()-]/gu, toUnicodeEscapes),
  ),
  ...all(['.txt', '.md'], (value) => value),
};

function all(extensions: readonly string[], escape: (value: string) => string): Record<string, (value: string) => string> {
  return Object.fromEntries(extensions.map((extension) => [extension, escape]));
}

function toUnicodeEscapes(character: string): string {
  return [...Array(character.length).keys()].map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join('');
}

/** What has a meaning in no language that anybody would write a template in. */
const harmless = /^[\p{L}\p{M}\p{N} ._,:@/+#%-]*$/u;

/** Any text but YAML and JSON. In a file of a kind that is not known here, a value may have harmless characters only. */
export function renderText(cut: TemplateText, file: string, values: Values): Rendered {
  const escape = escapes[extname(file).toLowerCase()];
  const problems = escape ? [] : findHarmful(cut, file, values);
  if (problems.length > 0) return { problems };
  return { text: fillIn(cut, (name) => (escape ?? String)(asText(values.get(name)))), problems: [] };
}

function findHarmful({ literals, names }: TemplateText, file: string, values: Values): Problem[] {
  return names.flatMap((name, index): Problem[] => {
    const value = asText(values.get(name));
    if (harmless.test(value)) return [];
    const line = lineOf(literals.slice(0, index + 1).join(''), Infinity);
    const message = `\`${name}\` is ${quote(value)}, which has characters that could mean something in a file of this kind`;
    const fix = 'use letters, digits, spaces and ._,:@/+#%- alone, or put it into a YAML, JSON, HTML, JavaScript or text file';
    return [{ code: 'TENANTD_E_TEMPLATE', message, fix, file, line }];
  });
}
