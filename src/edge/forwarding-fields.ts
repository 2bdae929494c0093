import { fieldKind } from '../http1/field-kinds.ts';
import type { RequestHead } from '../http1/request-head.ts';

/** The fields of a request that say for whom a proxy speaks; each a list, in order, however many lines it came in. Filled again and again. */
export class ForwardingFields {
  for = '';
  proto = '';
  port = '';
  /** Lines, which are read one by one: a quote that a client left open must not swallow what its proxy wrote. */
  readonly forwarded: string[] = [];

  read(head: RequestHead): void {
    this.for = '';
    this.proto = '';
    this.port = '';
    this.forwarded.length = 0;
    const { kind, count, nameStart, nameEnd } = head.fields;
    for (let index = 0; index < count; index++) {
      if (kind[index] === fieldKind.edgeOnly) this.add(head, index, head.text.slice(nameStart[index], nameEnd[index]));
    }
  }

  /** `x_forwarded_for` is nobody's word. */
  private add({ text, fields }: RequestHead, index: number, name: string): void {
    const value = text.slice(fields.valueStart[index], fields.valueEnd[index]);
    switch (name.toLowerCase()) {
      case 'x-forwarded-for':
        this.for += this.for === '' ? value : `,${value}`;
        break;
      case 'x-forwarded-proto':
        this.proto += this.proto === '' ? value : `,${value}`;
        break;
      case 'x-forwarded-port':
        this.port += this.port === '' ? value : `,${value}`;
        break;
      case 'forwarded':
        this.forwarded.push(value);
        break;
    }
  }
}
