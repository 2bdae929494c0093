import { fieldKind } from '../http1/field-kinds.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { compressedFields, type FieldChanges, isEndless, mayCompress, notModifiedFields } from './compression.ts';
import { Compressor, type CompressorSink } from './compressor.ts';
import type { Exchange } from './exchange.ts';

const notModified = 304;

/**
 * Changes a response's head, and makes its compressor, when its app wants its answers compressed, its client takes a coding, and the
 * edge has room. BREACH: a secret beside what an attacker chose can be guessed by the length; so it is the app that asks for it.
 */
export function planCompression(exchange: Exchange, head: ResponseHead): void {
  if (!exchange.target?.compress) return;
  if (head.status === notModified) return applyChanges(exchange, head, notModifiedFields(head, exchange.coding));
  if (!mayCompress(head)) return;
  const coding = exchange.minor === 0 ? undefined : exchange.coding;
  const headOnly = exchange.method === 'HEAD';
  const { compression } = exchange.edge;
  const compresses = coding !== undefined && (headOnly || compression.enter(exchange.target.tenant.name, isEndless(head)));
  applyChanges(exchange, head, compressedFields(head, compresses ? coding : undefined));
  if (!compresses || headOnly) return;
  if (exchange.bodyForm === 'framed') exchange.bodyForm = 'chunked';
  exchange.compressor = new Compressor(coding, exchange.target.tenant.name, compression, new CompressedResponse(exchange));
}

/** A line that goes is one of this hop only, whatever the client speaks. */
function applyChanges({ addedFields }: Exchange, { fields }: ResponseHead, changes: FieldChanges | undefined): void {
  if (!changes) return;
  for (const index of changes.dropped) fields.kind[index] = fieldKind.hop;
  addedFields.push(...changes.added);
}

/** Passes compressed content on to the client. */
class CompressedResponse implements CompressorSink {
  private readonly exchange: Exchange;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  onCompressed(bytes: Buffer): void {
    const { client, compressor, edge } = this.exchange;
    this.exchange.countOut(bytes.length);
    if (client.sendBody(this.exchange, bytes, false, '')) return;
    this.exchange.downloadBlocked = true;
    compressor?.pause();
    this.exchange.limit(edge.limits.clientStallMs);
  }

  onCompressedEnd(): void {
    this.exchange.client.sendBody(this.exchange, undefined, true, '');
    this.exchange.complete();
    this.exchange.client.settle();
  }

  onCompressorDrain(): void {
    this.exchange.upstream?.socket.resume();
  }

  onCompressorFault(error: Error): void {
    this.exchange.edge.reportFault('error', `an answer could not be compressed: ${error.message} (request ${this.exchange.id})`);
    this.exchange.abort('cut');
    this.exchange.client.settle();
  }
}
