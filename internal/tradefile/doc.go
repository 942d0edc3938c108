// Package tradefile reads the CSV files of `pets import` into typed rows,
// merged in time order.
//
// It owns the formats: their columns, how a file is recognised, what each cell
// may hold, and the identity of a row. It refuses everything it cannot read
// exactly, with file, line, column, field and reason: no floats, no guessed time
// zones, no repaired cells, no trimmed names; it rounds a number only where
// [Options.Round] says so, and counts it. It writes nothing and knows no
// store, no portfolio and no command: whether a row is new, or contradicts what
// is recorded, is decided by its reader.
//
// # Files
//
// UTF-8 text in the quoting of RFC 4180, gzipped or not (told by content, not by
// name). A byte order mark, CRLF line ends and blank lines are tolerated. The
// first line names the columns, in any order; the set of names tells the format.
// Limits: 2 GiB per file unpacked, 5 million rows and 1 million bad rows per
// run, 64 KiB per row, 1 KB per cell.
//
// # Memory
//
// A run keeps the text of its files and 32 bytes for each row. [Read] checks every
// row; [Plan.All] reads them again, from the same bytes.
//
// # Order
//
// Rows of all files are merged by time. Rows of the same time keep the order of
// their files, then of their lines: the order decides which position a fill
// closes, so it must not depend on anything else.
//
// # Identity
//
// [Row.Key] is the same for the same fact in every run, whatever the file is
// called, however it is packed, and whatever stands beside it.
//
// A row with a trade id (fills, bot fills, tape, closed trades):
//
//	fill/H   H = SHA-256 in hex of: "fill", bot, venue, trade id, time, market, outcome,
//	         kind, side, quantity, price, notional (empty if not given), fee
//	trade/H  H = SHA-256 in hex of: "trade", bot, "", trade id, time, market, pnl, fee
//
// with every part preceded by its length as a varint, times in UTC as RFC 3339
// with the nanoseconds they have, numbers without trailing zeros. So the same
// fill has the same key in every format that can express it, and a second row
// with the same trade id but other content has another key: the domain sees it
// and reports the conflict. The trade id of a tape row is its number, from 1;
// bad rows count.
//
// A row without an id (settlements, resolutions, wallet ledger):
//
//	settlement/H#n
//	resolution/H#n
//	resolution-trade/BOT/H#n  (--as-trades)
//	wallet/BOT/H#n
//
// H = SHA-256 in hex of the row's bytes as they stand in the unpacked file,
// quotes included, without the line end; n = how many rows with the same text
// before the # this run has had, this one included, in merged order. Two files
// that overlap must therefore be imported in two runs: in one run the common rows
// would count as two occurrences. Fills and trades of such rows get the trade id
// "h#n", h being the first 16 digits of H.
package tradefile
