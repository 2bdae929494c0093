export const maxHeadBytes = 64 * 1024;
export const maxFields = 1_000;
export const maxTargetBytes = 8 * 1024;
/** A method, two spaces, a version: a request line with a legal target is never longer than the target and this. */
export const requestLineSlackBytes = 64;
/** Below 2^53, so that counting stays exact. */
export const maxLengthDigits = 15;
export const maxChunkSizeDigits = 12;
export const maxChunkExtensionBytes = 256;
/** Extensions of one whole message (CVE-2023-39326: they make a small body cost much). */
export const maxMessageExtensionBytes = 16 * 1024;
export const maxTrailerBytes = 8 * 1024;
export const maxConnectionOptions = 64;
export const maxCodings = 64;
