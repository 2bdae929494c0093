/** What may come again and again: `burst` at once, and `perSecond` in the long run. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** Every way to make the server work for nothing. Over its rate the connection ends with ENHANCE_YOUR_CALM. */
export interface FloodRates {
  /** Requests that the client itself reset (CVE-2023-44487). Each completed request makes up for one. */
  resets: Rate;
  /** Streams that the client's faults made us reset or refuse (CVE-2025-8671). */
  faults: Rate;
  /** CVE-2019-9512. DATA that we send makes up for them: clients measure the round trip with it. */
  pings: Rate;
  /** CVE-2019-9515. A frame counts as one and each setting in it as one more. */
  settings: Rate;
  /** PRIORITY, and PRIORITY_UPDATE of RFC 9218. Completed requests make up for them. */
  priorities: Rate;
  /** WINDOW_UPDATE. DATA that we send makes up for them unless it is dribbled (CVE-2019-9511), completed requests do too. */
  windowUpdates: Rate;
  /** Empty DATA (CVE-2019-9518), frames of unknown types, frames for streams that are over. */
  uselessFrames: Rate;
}

/** What one client's connection may cost. */
export interface Http2Limits {
  /** SETTINGS_MAX_CONCURRENT_STREAMS. More are refused with REFUSED_STREAM, and count as faults. */
  concurrentStreams: number;
  /** Of a request body, not consumed yet. At least 65535, which a client may use before it saw our settings. */
  streamWindowBytes: number;
  /** The same, of all the connection's requests together. At least 65535. */
  connectionWindowBytes: number;
  /** Of a response body, waiting in a stream: from here on `sendData` asks to stop. */
  sendQueueBytes: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE, as RFC 9113 6.5.2 counts: name, value and 32 for each field. Over it the answer is 431. */
  fieldSectionBytes: number;
  /** Over this the connection ends. */
  fieldSectionHardBytes: number;
  /** A field section as it came (CVE-2024-27316). */
  headerBlockBytes: number;
  /** In how many frames it may come. */
  headerBlockFrames: number;
  /** Of control frames and heads, given to a socket that is backed up. */
  unsentBytes: number;
  floods: FloodRates;
}

export const defaultHttp2Limits: Http2Limits = {
  concurrentStreams: 100,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  sendQueueBytes: 32 * 1024,
  fieldSectionBytes: 64 * 1024,
  fieldSectionHardBytes: 256 * 1024,
  headerBlockBytes: 128 * 1024,
  headerBlockFrames: 16,
  unsentBytes: 1024 * 1024,
  floods: {
    resets: { burst: 200, perSecond: 20 },
    faults: { burst: 200, perSecond: 10 },
    pings: { burst: 100, perSecond: 20 },
    settings: { burst: 100, perSecond: 5 },
    priorities: { burst: 1_000, perSecond: 100 },
    windowUpdates: { burst: 1_000, perSecond: 100 },
    uselessFrames: { burst: 200, perSecond: 20 },
  },
};
