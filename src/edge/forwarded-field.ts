/** What one proxy says of the connection by which it got a request (RFC 7239). Empty where it says nothing. */
export interface ForwardedElement {
  readonly for: string;
  readonly proto: string;
}

/**
 * One `name=value`, or nothing, and what ends it. Colons and brackets are taken unquoted too, as many proxies write them. Each
 * repetition ends at a byte that it can not take, so that reading stays linear in what a client sends.
 */
const pair = /[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w:[\]-]+)|"((?:[^"\\]|\\.)*)")[ \t]*)?([;,]|$)/y;

/** Far more than proxies write; each byte costs some 40 ns. */
const maxValueLength = 2_048;

/** The elements of one Forwarded field, in order; undefined when it can not be read whole, since then nothing in it is sure. */
export function parseForwarded(value: string): ForwardedElement[] | undefined {
  if (value.length > maxValueLength) return undefined;
  const elements: ForwardedElement[] = [];
  let parameters = new Map<string, string>();
  pair.lastIndex = 0;
  for (;;) {
    const match = pair.exec(value);
    if (!match) return undefined;
    const [, name, token, quoted, end] = match;
    // RFC 7239 4: each parameter at most once.
    if (name !== undefined && parameters.has(name.toLowerCase())) return undefined;
    if (name !== undefined) parameters.set(name.toLowerCase(), token ?? unquote(quoted ?? ''));
    if (end === ';') continue;
    if (parameters.size > 0) elements.push({ for: parameters.get('for') ?? '', proto: parameters.get('proto') ?? '' });
    if (end === '') return elements;
    parameters = new Map();
  }
}

function unquote(quoted: string): string {
  return quoted.replaceAll(/\\(.)/g, '$1');
}
