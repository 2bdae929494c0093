import { describe, expect, test } from 'vitest';
import { type Answer, answers } from '../../../src/edge/answers.ts';
import { renderAnswer, writeAnswer } from '../../../src/edge/error-page.ts';

const http1 = (answer: Answer, brandName?: string): string =>
  writeAnswer(renderAnswer(answer, 'id1', brandName), undefined, false).toString();

describe('an answer of the edge', () => {
  test('is a whole response with the request id in head and page', () => {
    const [head = '', page = ''] = http1(answers.busy).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(head).toContain(`content-length: ${Buffer.byteLength(page)}`);
    expect(head).toContain('x-request-id: id1');
    expect(head).toContain('retry-after: 1');
    expect(head).not.toContain('connection');
    expect(page).toContain('id1');
  });

  test("carries a brand's name, escaped", () => {
    const page = http1(answers.notFound, `<b>"Acme" & 'Söhne'`);
    expect(page).toContain('&lt;b&gt;&quot;Acme&quot; &amp; &#39;Söhne&#39;');
  });

  test('to HEAD has no page', () => {
    expect(writeAnswer(renderAnswer(answers.notFound, 'id1', undefined), 'close', true).toString()).toMatch(/connection: close\r\n\r\n$/);
  });
});
