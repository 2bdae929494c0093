import type { Paint } from './terminal.ts';

export interface Row {
  cells: readonly string[];
  /** The last cell's text may have colour. */
  paintCell?: (text: string, column: number) => string;
  /** Lines above it: the title of a group. */
  above?: readonly string[];
  /** Lines below it. */
  details?: readonly string[];
}

interface TableLayout {
  width: number;
  paint: Paint;
  indent: string;
}

const gap = '  ';

/**
 * Columns as wide as they need to be. Where a row does not fit, its first cell (a name, which is to be copied whole) gets a line of
 * its own. Columns that are empty in every row are left out.
 */
export function renderTable(heads: readonly string[], rows: readonly Row[], { width, paint, indent }: TableLayout): string[] {
  const used = heads.map((_, column) => column === 0 || rows.some(({ cells }) => (cells[column] ?? '') !== ''));
  const others = heads.map((head, column) => Math.max(head.length, ...rows.map(({ cells }) => (cells[column] ?? '').length)));
  const taken = others.reduce((total, size, column) => total + (column > 0 && used[column] ? gap.length + size : 0), indent.length);
  const sizes = others.with(0, Math.max(heads[0]?.length ?? 0, Math.min(others[0] ?? 0, width - taken)));
  return [paint('dim', renderCells(heads)), ...rows.flatMap(renderRow)];

  function renderCells(cells: readonly string[], paintCell: Row['paintCell'] = (text) => text): string {
    const padded = cells.map((cell, column) => paintCell(cell, column) + ' '.repeat(Math.max(0, (sizes[column] ?? 0) - cell.length)));
    return (indent + padded.filter((_, column) => used[column]).join(gap)).trimEnd();
  }

  function renderRow({ cells, paintCell, above = [], details = [] }: Row): string[] {
    const [name = '', ...rest] = cells;
    const fits = name.length <= (sizes[0] ?? 0);
    const lines = fits ? [renderCells(cells, paintCell)] : [indent + name, renderCells(['', ...rest], paintCell)];
    return [...above, ...lines, ...details];
  }
}
