import type { DaemonConfig } from '../config/daemon-config.ts';

/** The address of something that clients ask for; the edge may serve it by https. */
export type UrlOf = (at: { host: string; path: string }, isSecure: boolean) => string;

const usualPorts = { http: 80, https: 443 } as const;

/** By the port that is listed first, as clients see it where nothing stands in front. */
export function createUrlOf({ http, https }: Pick<DaemonConfig, 'http' | 'https'>): UrlOf {
  const ports = { http: http.listen[0]?.port, https: https?.listen[0]?.port };
  return ({ host, path }, isSecure) => {
    const scheme = isSecure && ports.https !== undefined ? 'https' : 'http';
    const port = ports[scheme] ?? usualPorts[scheme];
    return `${scheme}://${host}${port === usualPorts[scheme] ? '' : `:${port}`}${path}`;
  };
}

export function showAddress({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
