import type { Answer } from './answers.ts';

const reasons: Record<number, string> = {
  200: 'OK',
  304: 'Not Modified',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

/** An answer as a response, in no version's form yet. */
export interface RenderedAnswer {
  status: number;
  fields: [name: string, value: string][];
  content: Buffer;
}

/** A small plain page, or the answer's own document. */
export function renderAnswer(answer: Answer, requestId: string, brandName: string | undefined): RenderedAnswer {
  const content = answer.document?.bytes ?? Buffer.from(renderPage(answer, requestId, brandName));
  const fields: [string, string][] = [
    ['date', new Date().toUTCString()],
    ['content-type', answer.document?.contentType ?? 'text/html; charset=utf-8'],
    ['content-length', `${content.length}`],
    ['cache-control', answer.document?.cacheControl ?? 'no-store'],
    ['x-request-id', requestId],
  ];
  if (answer.location !== undefined) fields.push(['location', answer.location]);
  if (answer.retryAfterSeconds !== undefined) fields.push(['retry-after', `${answer.retryAfterSeconds}`]);
  // RFC 9110 15.5.6: a 405 must say what is allowed.
  if (answer.status === 405) fields.push(['allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']);
  return { status: answer.status, fields, content };
}

/** As HTTP/1.1. `connection` is the field's value, undefined for none; `headOnly` is for HEAD. */
export function writeAnswer({ status, fields, content }: RenderedAnswer, connection: string | undefined, headOnly: boolean): Buffer {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const option = connection === undefined ? '' : `connection: ${connection}\r\n`;
  const head = Buffer.from(`HTTP/1.1 ${status} ${reasonOf(status)}\r\n${lines}${option}\r\n`, 'latin1');
  return headOnly ? head : Buffer.concat([head, content]);
}

function renderPage(answer: Answer, requestId: string, brandName: string | undefined): string {
  const title = `${answer.status} ${reasonOf(answer.status)}`;
  const brand = brandName === undefined ? '' : `<p>${escapeHtml(brandName)}</p>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<body style="font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em">
${brand}<h1 style="font-size:1.4em">${title}</h1><p>${answer.sentence}</p><p><small>Request ${requestId}</small></p>
`;
}

function reasonOf(status: number): string {
  return reasons[status] ?? 'Error';
}

const htmlEntities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => htmlEntities[character] ?? '');
}
