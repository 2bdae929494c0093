import { carriageReturn, colon, lineFeed, space, tab, tokenBytes, valueBytes } from './bytes.ts';
import { classifyField } from './field-kinds.ts';
import { maxFields } from './limits.ts';
import { type Refusal, refusals } from './refusals.ts';

/** Where the fields of one head are, as offsets. One table is filled again and again: a request then makes no objects for fields. */
export class FieldTable {
  count = 0;
  readonly nameStart = new Int32Array(maxFields);
  readonly nameEnd = new Int32Array(maxFields);
  readonly valueStart = new Int32Array(maxFields);
  /** Without trailing whitespace. */
  readonly valueEnd = new Int32Array(maxFields);
  /** After the line's CRLF. */
  readonly lineEnd = new Int32Array(maxFields);
  readonly kind = new Uint8Array(maxFields);
}

/**
 * Fills `table` from the field lines in `bytes[start, end)`, where `end` is after the empty line that closes them
 * (RFC 9112 5). That empty line is why the inner loops need no bounds: a CR always stops them.
 */
export function parseFields(bytes: Uint8Array, start: number, end: number, table: FieldTable): Refusal | undefined {
  const emptyLine = end - 2;
  let at = start;
  table.count = 0;
  while (at < emptyLine) {
    if (table.count === maxFields) return refusals.tooManyFields;
    let nameEnd = at;
    while (tokenBytes[bytes[nameEnd] as number] === 1) nameEnd++;
    if (nameEnd === at || bytes[nameEnd] !== colon) return nameFault(bytes, at, nameEnd);
    let valueStart = nameEnd + 1;
    while (bytes[valueStart] === space || bytes[valueStart] === tab) valueStart++;
    let valueEnd = valueStart;
    while (valueBytes[bytes[valueEnd] as number] === 1) valueEnd++;
    if (bytes[valueEnd] !== carriageReturn || bytes[valueEnd + 1] !== lineFeed) return valueFault(bytes, valueEnd);
    addField(bytes, table, at, nameEnd, valueStart, valueEnd);
    at = valueEnd + 2;
  }
  return undefined;
}

function addField(bytes: Uint8Array, table: FieldTable, start: number, nameEnd: number, valueStart: number, lastByte: number): void {
  const index = table.count++;
  let valueEnd = lastByte;
  while (valueEnd > valueStart && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === tab)) valueEnd--;
  table.nameStart[index] = start;
  table.nameEnd[index] = nameEnd;
  table.valueStart[index] = valueStart;
  table.valueEnd[index] = valueEnd;
  table.lineEnd[index] = lastByte + 2;
  table.kind[index] = classifyField(bytes, start, nameEnd);
}

function nameFault(bytes: Uint8Array, start: number, at: number): Refusal {
  const byte = bytes[at];
  const blank = byte === space || byte === tab;
  // RFC 9112 5.2: a folded line; 5.1: "no whitespace is allowed between the field name and colon".
  if (blank) return at === start ? refusals.fold : refusals.spaceBeforeColon;
  return byte === carriageReturn || byte === lineFeed ? refusals.bareLineEnding : refusals.fieldName;
}

function valueFault(bytes: Uint8Array, at: number): Refusal {
  return bytes[at] === carriageReturn || bytes[at] === lineFeed ? refusals.bareLineEnding : refusals.fieldValue;
}
