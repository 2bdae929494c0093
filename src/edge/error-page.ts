import type { Answer } from './answers.ts';

const reasons: Record<number, string> = {
  308: 'Permanent Redirect',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  421: 'Misdirected Request',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

export interface PageContext {
  requestId: string;
  brandName: string | undefined;
  /** HEAD: the head alone. */
  headOnly: boolean;
  /** The Connection field's value; undefined for none. */
  connection: string | undefined;
}

/** A whole response: head, and a small plain page. */
export function renderAnswer(answer: Answer, context: PageContext): Buffer {
  const page = Buffer.from(renderPage(answer, context));
  const head = Buffer.from(renderHead(answer, context, page.length), 'latin1');
  return context.headOnly ? head : Buffer.concat([head, page]);
}

function renderHead(answer: Answer, { requestId, connection }: PageContext, length: number): string {
  const lines = [
    `HTTP/1.1 ${answer.status} ${reasonOf(answer)}`,
    `date: ${new Date().toUTCString()}`,
    'content-type: text/html; charset=utf-8',
    `content-length: ${length}`,
    'cache-control: no-store',
    `x-request-id: ${requestId}`,
  ];
  if (answer.location !== undefined) lines.push(`location: ${answer.location}`);
  if (answer.retryAfterSeconds !== undefined) lines.push(`retry-after: ${answer.retryAfterSeconds}`);
  // RFC 9110 15.5.6: a 405 must say what is allowed.
  if (answer.status === 405) lines.push('allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
  if (connection !== undefined) lines.push(`connection: ${connection}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function renderPage(answer: Answer, { requestId, brandName }: PageContext): string {
  const title = `${answer.status} ${reasonOf(answer)}`;
  const brand = brandName === undefined ? '' : `<p>${escapeHtml(brandName)}</p>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<body style="font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em">
${brand}<h1 style="font-size:1.4em">${title}</h1><p>${answer.sentence}</p><p><small>Request ${requestId}</small></p>
`;
}

function reasonOf({ status }: Answer): string {
  return reasons[status] ?? 'Error';
}

const htmlEntities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => htmlEntities[character] ?? '');
}
