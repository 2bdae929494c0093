/** Why a message is not taken: the status a client gets, and a short reason for logs and tests. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

const refuse = (status: number, reason: string): Refusal => Object.freeze({ status, reason });

/** Made once: refusing must cost an attacked edge nothing. */
export const refusals = {
  requestLine: refuse(400, 'malformed request line'),
  statusLine: refuse(400, 'malformed status line'),
  bareLineEnding: refuse(400, 'bare CR or LF'),
  method: refuse(400, 'invalid method'),
  methodNotAllowed: refuse(405, 'method not allowed'),
  target: refuse(400, 'invalid request target'),
  targetTooLong: refuse(414, 'request target too long'),
  version: refuse(505, 'HTTP version not supported'),
  fold: refuse(400, 'folded field line'),
  fieldName: refuse(400, 'invalid field name'),
  spaceBeforeColon: refuse(400, 'whitespace before colon'),
  fieldValue: refuse(400, 'control character in field value'),
  tooManyFields: refuse(431, 'too many fields'),
  headTooLarge: refuse(431, 'head too large'),
  interimEnd: refuse(400, 'interim response that ends its connection'),
  noHost: refuse(400, 'no Host'),
  severalHosts: refuse(400, 'several Hosts'),
  host: refuse(400, 'invalid Host'),
  contentLength: refuse(400, 'invalid Content-Length'),
  severalContentLengths: refuse(400, 'several Content-Lengths'),
  transferEncoding: refuse(400, 'unsupported Transfer-Encoding'),
  transferEncodingIn10: refuse(400, 'Transfer-Encoding in HTTP/1.0'),
  bothLengths: refuse(400, 'both Content-Length and Transfer-Encoding'),
  tooManyOptions: refuse(400, 'too many Connection options'),
} as const;
