/** A parsed HTTP/1.1 head to copy fields from: what `http1`'s ResponseHead is. */
export interface FieldSource {
  /** latin1. */
  text: string;
  fields: {
    count: number;
    nameStart: Int32Array;
    nameEnd: Int32Array;
    valueStart: Int32Array;
    valueEnd: Int32Array;
    kind: Uint8Array;
  };
}

/** Which fields of a head are sent on. One function for all, not a closure for each response. */
export type KeepsField<Source extends FieldSource> = (source: Source, index: number) => boolean;

/** Alternating names and values: `['server', 'x', 'x-request-id', '1']`. */
export type FieldList = readonly string[];
