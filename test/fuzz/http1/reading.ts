/** One direction of a connection. Text is latin1: a character a byte. */
export interface Stream {
  kind: 'request' | 'response';
  text: string;
  /** The responses answer HEAD requests. */
  toHead: boolean;
}

/** A message as a reader understood it. */
export interface Message {
  /** Method, target and minor version; or status and minor version. */
  line: string;
  /** Of a request: lower case, without port and trailing dot. */
  host: string;
  /** Name, value, name, value... */
  fields: string[];
  headEnd: number;
  content: string;
  trailers: string[];
  /** Where the message ends in the stream; -1 while it is not whole. */
  end: number;
  keepAlive: boolean;
  /** It has no body, whatever its fields say. */
  bodyless: boolean;
}

export interface Reading {
  messages: Message[];
  /** Why the reader takes no more. */
  fault: string | undefined;
  /** It reads no further, though nothing is wrong: the connection ends or becomes something else. */
  stopped: boolean;
}

/** RFC 9110 6.4.1. */
export function isBodyless(status: number, toHead: boolean): boolean {
  return toHead || status < 200 || status === 204 || status === 304;
}
