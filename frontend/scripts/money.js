// Amounts of money as the reader writes them.

// Currencies whose minor unit is not a hundredth, as `shared/src/money.rs` has them.
const WHOLE = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split(" "));
const THOUSANDTHS = new Set("bhd jod kwd omr tnd".split(" "));

/**
 * @param {number} amount in the currency's minor unit: cents of a dollar, whole yen
 * @param {string} currency three letters of ISO 4217
 * @param {"exact" | "short"} [form] `short` leaves out `.00`
 */
export function money(amount, currency, form = "exact") {
  const digits = digitsOf(currency.toLowerCase());
  const isWhole = amount % 10 ** digits === 0;
  const format = new Intl.NumberFormat(undefined, {
    style: "currency",
    currency,
    minimumFractionDigits: form === "short" && isWhole ? 0 : digits,
    maximumFractionDigits: digits,
  });
  return format.format(amount / 10 ** digits);
}

/** @param {string} currency */
function digitsOf(currency) {
  if (WHOLE.has(currency)) return 0;
  return THOUSANDTHS.has(currency) ? 3 : 2;
}
