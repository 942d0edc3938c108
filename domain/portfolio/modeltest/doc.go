// Package modeltest is a second, plain implementation of docs/semantics.md: what a
// portfolio is worth and what a bot may do. It is as slow and obvious as possible, and
// tests compare the engine with it.
//
// It keeps a flat list of facts, and adds up all of them for every question. It owns its
// own arithmetic, in fractions, and its own terms. It imports nothing of this project
// (internal/archtest checks that), so that the only mistakes it can share with the engine
// are mistakes in the documents. The caller passes in all times. Days are in UTC.
//
// [Model] is the first edition of the rules: the base asset and one other asset, paper
// portfolios. [Second] is the second edition, paper and live, with any other assets. They
// share the arithmetic and nothing else.
//
// # How a storm drives Second
//
// Open one with [NewSecond]; its rules are those of the policy, in fractions, nil or 0
// where a limit is not set. Before each request call [Second.At] with the wall clock of the
// server. Then send the request; each is one command and one append:
//
//	Deposit CorrectFlow Allocate Charge Reconcile   money (Charge: fees, rebates, adjustments)
//	Register AddBot Start Stop Change               markets, bots, limits
//	Ask AskLegs Place Release MaySign               permits, named by number
//	Record Confirm Void Fund Report ChangeSets      facts
//	Marks Settle Correct                            prices and payouts
//	Emergency AskClear Clear Reset                  people
//	AcceptClock Tick                                the clock
//
// An [Answer] has the code of a refusal, and then nothing has changed; or it is accepted,
// with flags (sorted, each once), the indexes of bad marks, and whether it was Again: known
// already, and noted. Ask returns 0 and the reasons of a denial instead, a denial being a
// record too; compare the set of [Codes]. A preview records nothing. A command that the
// engine retries under its first key must not be sent to the model again. Tick stands for
// the server's own look at the clock; it is refused with nothing if no mark was due.
//
// What opens a day or confirms a mark happens within the next request, as the engine does
// it before the next record. So compare after requests, not after At alone.
//
// Compare [Second.Portfolio], [Second.Bot], [Second.Breakers], [Second.Holdings] and
// [Second.Figures] of [Second.Markets], [Second.Mark], [Second.Waiting], [Second.Permits],
// [Second.Allowed], [Second.Directed] and [Second.Pool]. Money and prices are rounded where
// they are booked, to 18 decimals, and should be equal; an own mark that earns nothing is
// the highest that fits, to the last decimal, and an engine that finds it by a division may
// differ there by a tick. Ratios are not rounded at all: compare them within 1e-12, and end
// a storm in which [BreakerView] says Near, since the rounding of the engine's references
// then decides whether it trips.
//
// Not modelled: imports, adoption by a portfolio of the first edition, sizes of records,
// transfers and keys, statistics, and the directive that ends an arbitrage after its time-out.
package modeltest
