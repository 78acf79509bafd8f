// What was said, as files to keep.

const COLUMNS = ["file_name", "text", "log_prob", "confidence", "model"];

/** The server's records, one a line, without the attention. */
export function asJsonLines(records) {
  return records.map(({ attention, ...record }) => `${JSON.stringify(record)}\n`).join("");
}

const BYTE_ORDER_MARK = "\ufeff"; // without it Excel reads UTF-8 as the encoding of its country
const FORMULA = /^'*[=+\-@\t\r]/; // what a spreadsheet would run; behind apostrophes, one was put before

/** A row a caption, as RFC 4180 has it, for spreadsheets: as `captioner caption -f csv -o FILE` writes it. */
export function asCsv(records) {
  const rows = records.filter((record) => "text" in record).map((record) => COLUMNS.map((name) => record[name]));
  return BYTE_ORDER_MARK + [COLUMNS, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function cell(value) {
  const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value);
  return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function download(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
