import { fieldKind } from './field-kinds.ts';
import { FieldTable, parseFields } from './fields.ts';
import { findHeadEnd } from './head-end.ts';
import { maxTrailerBytes } from './limits.ts';

/**
 * RFC 9110 6.5.1: fields that frame, route, authenticate, modify or describe the content must not come as trailers. A careless
 * recipient merges trailers into the header section.
 */
const forbidden = new Set([
  ...['authorization', 'cookie', 'set-cookie', 'proxy-authorization', 'www-authenticate', 'proxy-authenticate'],
  ...['content-type', 'content-encoding', 'content-range', 'trailer', 'range', 'max-forwards', 'pragma', 'cache-control', 'age'],
  ...['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'],
  ...['date', 'expires', 'location', 'retry-after', 'vary', 'warning'],
]);

const trailerKinds = new Set<number>([fieldKind.plain, fieldKind.edgeOnly, fieldKind.requestId]);

/** Filled and read within one call. */
const table = new FieldTable();

/** Parsers that treat trailers as header fields obey them: one that no honest sender writes is not dropped but refused. */
function hasFraming(): boolean {
  for (let index = 0; index < table.count; index++) if (!trailerKinds.has(table.kind[index] as number)) return true;
  return false;
}

/** The trailer section of a chunked message, kept until it is whole, within a bound. */
export class TrailerSection {
  fault: string | undefined = undefined;
  /** The section to send instead, its empty line included; undefined until the section is whole. */
  text: string | undefined = undefined;
  private kept: Buffer = Buffer.alloc(0);

  /** Takes `bytes` from `from` on; answers where the section, and with it the message, ends. */
  take(bytes: Buffer, from: number): number {
    const before = this.kept.length;
    const room = maxTrailerBytes - before;
    this.kept = Buffer.concat([this.kept, bytes.subarray(from, from + room)]);
    const end = findHeadEnd(this.kept, Math.max(0, before - 3));
    if (end === -1) {
      if (this.kept.length === maxTrailerBytes) this.fault = 'trailer section too long';
      return bytes.length;
    }
    this.rewrite(end);
    return from + end - before;
  }

  private rewrite(end: number): void {
    this.fault = parseFields(this.kept, 0, end, table)?.reason ?? (hasFraming() ? 'framing field in trailers' : undefined);
    if (this.fault !== undefined) return;
    let text = '';
    for (let index = 0; index < table.count; index++) {
      if (table.kind[index] !== fieldKind.plain || this.isForbidden(index)) continue;
      text += this.kept.toString('latin1', table.nameStart[index], table.lineEnd[index]);
    }
    this.text = `${text}\r\n`;
  }

  /** Compared as CGI would read the name: see nameFold. */
  private isForbidden(index: number): boolean {
    const name = this.kept.toString('latin1', table.nameStart[index], table.nameEnd[index]).toLowerCase();
    return forbidden.has(name.replaceAll(/[^a-z0-9]/g, '-'));
  }
}
