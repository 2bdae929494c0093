import { describe, expect, test } from 'vitest';
import { answers } from '../../../src/edge/answers.ts';
import { renderAnswer } from '../../../src/edge/error-page.ts';

const context = { requestId: 'id1', brandName: undefined, headOnly: false, connection: undefined };

describe('an answer of the edge', () => {
  test('is a whole response with the request id in head and page', () => {
    const [head = '', page = ''] = renderAnswer(answers.busy, context).toString().split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(head).toContain(`content-length: ${Buffer.byteLength(page)}`);
    expect(head).toContain('x-request-id: id1');
    expect(head).toContain('retry-after: 1');
    expect(head).not.toContain('connection');
    expect(page).toContain('id1');
  });

  test("carries a brand's name, escaped", () => {
    const page = renderAnswer(answers.notFound, { ...context, brandName: `<b>"Acme" & 'Söhne'` }).toString();
    expect(page).toContain('&lt;b&gt;&quot;Acme&quot; &amp; &#39;Söhne&#39;');
  });

  test('to HEAD has no page', () => {
    expect(renderAnswer(answers.notFound, { ...context, headOnly: true, connection: 'close' }).toString()).toMatch(
      /connection: close\r\n\r\n$/,
    );
  });
});
