// Package tradefile reads the CSV files of `pets import` into typed rows, merged
// in time order.
//
// It owns the formats: their columns, how a file is recognised, what each cell
// may hold, and the identity of a row. It refuses everything that it cannot read
// exactly, with file, line, column, field and reason: no floats, no guessed time
// zones, no repaired cells, no trimmed names. It rounds a number only with
// [Options.Round], and counts that. It writes nothing and knows no store,
// portfolio or command: the caller decides whether a row is new or contradicts
// what is recorded.
//
// # Files
//
// UTF-8 text in the quoting of RFC 4180, gzipped or not (detected by content, not
// by name). A byte order mark, CRLF line ends and blank lines are tolerated. The
// first line names the columns, in any order; the set of names determines the
// format. Limits: 2 GiB per file unpacked, 5 million rows and 1 million bad rows
// per run, 64 KiB per row, 1 KB per cell.
//
// # Memory
//
// A run keeps the text of its files and 32 bytes for each row. [Read] checks
// every row; [Plan.All] reads them again, from the same bytes.
//
// # Order
//
// Rows of all files are merged by time. Rows of the same time keep the order of
// their files, then of their lines. The order decides which position a fill
// closes, so it must not depend on anything else.
//
// # Identity
//
// [Row.Key] is the same for the same fact in every run, whatever the file is
// called, however it is packed, and whatever other rows it holds.
//
// A row with an id (fills, bot fills, tape, closed trades, funding, sets, movements with
// a transaction):
//
//	fill/H   H = SHA-256 in hex of: "fill", bot, venue, trade id, time, market, outcome,
//	         kind, side, quantity, price, notional (empty if not given), fee, and the asset
//	         of the fee if it is given
//	trade/H  H = SHA-256 in hex of: "trade", bot, "", trade id, time, market, pnl, fee
//
//	funding/H   H = SHA-256 in hex of: "funding", bot, funding id, time, market, outcome, amount
//	movement/H  H = SHA-256 in hex of: "deposit" or "withdrawal", wallet, asset, tx, leg, time,
//	            amount
//	sets/H      H = SHA-256 in hex of: "sets", bot, set id, time, market, split or merge,
//	            quantity, fee
//
// with every part preceded by its length as a varint, times in UTC as RFC 3339
// with the nanoseconds they have, numbers without trailing zeros. So the same
// fill has the same key in every format that can express it, and a second row
// with the same trade id but other content has another key: the domain sees it
// and reports the conflict. The trade id of a tape row is its number, from 1; bad
// rows count.
//
// A row without an id (settlements, resolutions, wallet ledger, fees, markets, and movements
// without a transaction):
//
//	settlement/H#n
//	resolution/H#n
//	resolution-trade/BOT/H#n  (--as-trades)
//	wallet/BOT/H#n
//	fee/H#n
//	market/H#n
//	movement/H#n
//
// H = SHA-256 in hex of the row's bytes in the unpacked file, including quotes,
// without the line end; n = how many rows with the same text before the # this
// run has had, including this one, in merged order. Two files that overlap must
// therefore be imported in two runs: in one run the common rows would count as
// two occurrences. Fills, trades and sets of such rows get the id "h#n", h being
// the first 16 digits of H.
//
// A settlement also knows what the other rows of its market at its time say
// ([Settlement.Together]). That is no part of its key: a row is the same fact
// whatever stands beside it.
package tradefile
