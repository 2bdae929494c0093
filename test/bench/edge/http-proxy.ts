import { join } from 'node:path';
import { type Proxy, type ProxyOptions, startListening } from './proxy.ts';

/** What http-proxy-process.ts gets as argv[2], as JSON. */
export interface HttpProxySettings {
  httpPort: number;
  httpsPort: number;
  upstream: string;
  chainFile: string;
  keyFile: string;
  logFile: string;
}

const script = new URL('http-proxy-process.ts', import.meta.url).pathname;

export function startHttpProxy(options: ProxyOptions): Promise<Proxy> {
  const { folder, certificate, upstreams } = options;
  return startListening('http-proxy', options, (ports) => {
    const settings: HttpProxySettings = {
      ...ports,
      upstream: upstreams[0] ?? '',
      chainFile: certificate.chainFile,
      keyFile: certificate.keyFile,
      logFile: join(folder, 'requests.log'),
    };
    return { command: [process.execPath, '--no-deprecation', script, JSON.stringify(settings)], env: { NODE_ENV: 'production' } };
  });
}
