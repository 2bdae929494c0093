import { z } from 'zod';

interface Node {
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  items?: Node;
  anyOf?: Node[];
}

/** The keys that `schema` knows at a place of its input. Reads the JSON Schema, which says it in a documented form. */
export function keysAt(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node;
  const nodes = path.reduce<Node[]>((level, step) => level.flatMap((node) => childrenOf(node, step)), [root]);
  return nodes.flatMap(formsOf).flatMap((node) => Object.keys(node.properties ?? {}));
}

function childrenOf(node: Node, step: string | number): Node[] {
  return formsOf(node).flatMap(({ items, properties, additionalProperties }) => {
    if (typeof step === 'number') return items ? [items] : [];
    const known = properties && Object.hasOwn(properties, step) ? properties[step] : undefined;
    if (known) return [known];
    return typeof additionalProperties === 'object' ? [additionalProperties] : [];
  });
}

function formsOf(node: Node): Node[] {
  return node.anyOf ? node.anyOf.flatMap(formsOf) : [node];
}
