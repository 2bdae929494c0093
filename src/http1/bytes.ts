export const carriageReturn = 0x0d;
export const lineFeed = 0x0a;
export const colon = 0x3a;
export const space = 0x20;
export const tab = 0x09;

function byteSet(has: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (has(code) ? 1 : 0));
}

const isAlphanumeric = (code: number): boolean => /[a-z0-9]/i.test(String.fromCharCode(code));

/** RFC 9110 5.6.2: tchar. */
export const tokenBytes = byteSet((code) => isAlphanumeric(code) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(code)));

/** RFC 9110 5.5: field-vchar, obs-text, space and tab; no other control character. */
export const valueBytes = byteSet((code) => code === tab || (code >= space && code !== 0x7f));

/**
 * What a request target may hold. Wider than RFC 3986: browsers send `|`, `"`, `{` or bytes over 0x7f raw. Nothing that could
 * end the target: no control character, no space, no `#`.
 */
export const targetBytes = byteSet((code) => code > space && code !== 0x7f && code !== 0x23);

/** What a host name may hold; narrower than RFC 3986's reg-name, whose other characters no resolver knows. */
export const hostNameBytes = byteSet((code) => isAlphanumeric(code) || '-._'.includes(String.fromCharCode(code)));

/** Between the brackets of an IPv6 literal. */
export const ipLiteralBytes = byteSet((code) => /[0-9a-f:.]/i.test(String.fromCharCode(code)));

export const digitBytes = byteSet((code) => code >= 0x30 && code <= 0x39);

/** The value of a hexadecimal digit, 255 for any other byte. */
export const hexValues = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 255 : value;
});

/**
 * How a field name is read when it is compared: lower case, and every character that is neither letter nor digit as `-`, because
 * CGI and WSGI turn `x-real-ip`, `x_real_ip` and `x.real.ip` into one variable.
 */
export const nameFold = Uint8Array.from({ length: 256 }, (_, code) => {
  if (code >= 0x41 && code <= 0x5a) return code + 0x20;
  return isAlphanumeric(code) ? code : 0x2d;
});
