import { type FieldEntry, fieldKind } from './field-entry.ts';
import type { FieldSink } from './hpack-decoder.ts';

/**
 * The field section of a request, or its trailer section, as it is read (RFC 9113 8.2, 8.3). One object is filled again and again.
 */
export class RequestFields implements FieldSink {
  method = '';
  scheme = '';
  authority = '';
  path = '';
  lines = '';
  contentLength = -1;
  /** As SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  bytes = 0;
  tooLarge = false;
  malformed = false;
  private host = '';
  private cookie = '';
  /** A field that is no pseudo-header field has come. */
  private regular = false;
  /** A bit for each kind of pseudo-header field. */
  private pseudoSeen = 0;
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  clear(): void {
    this.method = '';
    this.scheme = '';
    this.authority = '';
    this.path = '';
    this.lines = '';
    this.contentLength = -1;
    this.bytes = 0;
    this.tooLarge = false;
    this.malformed = false;
    this.host = '';
    this.cookie = '';
    this.regular = false;
    this.pseudoSeen = 0;
  }

  add(entry: FieldEntry): void {
    this.bytes += entry.size;
    if (this.bytes > this.maxBytes) this.tooLarge = true;
    if (entry.kind === fieldKind.plain) {
      this.regular = true;
      if (!this.tooLarge) this.lines += entry.line;
    } else if (entry.kind <= fieldKind.path) this.addPseudo(entry);
    else this.addKnown(entry);
  }

  /** Takes it for a request's. False when it is malformed. */
  finishRequest(): boolean {
    if (this.host !== '' && this.authority === '' && this.method !== 'CONNECT') this.authority = this.host;
    if (this.host !== '' && this.host.toLowerCase() !== this.authority.toLowerCase()) this.malformed = true;
    if (this.authority === '' || !this.hasTarget()) this.malformed = true;
    if (this.cookie !== '' && !this.tooLarge) this.lines += `cookie: ${this.cookie}\r\n`;
    return !this.malformed;
  }

  /**
   * Takes it for a trailer section. RFC 9113 8.1: no pseudo-header fields; RFC 9110 6.5.1: nothing that frames or routes the message.
   */
  finishTrailers(): boolean {
    return !this.malformed && this.pseudoSeen === 0 && this.host === '' && this.cookie === '' && this.contentLength === -1;
  }

  /** RFC 9113 8.3.1; for CONNECT 8.5. */
  private hasTarget(): boolean {
    if (this.method === 'CONNECT') return this.scheme === '' && this.path === '';
    return this.method !== '' && this.scheme !== '' && (this.path === '*' ? this.method === 'OPTIONS' : this.path !== '');
  }

  /** RFC 9113 8.3: before all other fields, none of them twice. No legal one is empty. */
  private addPseudo({ kind, value }: FieldEntry): void {
    if (this.regular || (this.pseudoSeen & (1 << kind)) !== 0) this.malformed = true;
    this.pseudoSeen |= 1 << kind;
    if (kind === fieldKind.method) this.method = value;
    else if (kind === fieldKind.scheme) this.scheme = value;
    else if (kind === fieldKind.authority) this.authority = value;
    else this.path = value;
  }

  private addKnown({ kind, value, line }: FieldEntry): void {
    this.regular = true;
    if (kind === fieldKind.cookie) {
      // RFC 9113 8.2.3: crumbs are one field for HTTP/1.1.
      if (!this.tooLarge) this.cookie += this.cookie === '' ? value : `; ${value}`;
    } else if (kind === fieldKind.contentLength && this.contentLength === -1) {
      this.contentLength = Number(value);
      this.lines += line;
    } else if (kind === fieldKind.host && this.host === '') this.host = value;
    else this.malformed = true;
  }
}
