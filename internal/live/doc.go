// Package live follows the stream of every portfolio. It keeps one fold of each,
// to which all readers attach.
//
// It owns which portfolios are followed, the state of each as of its last durable
// record, the attached readers, when a checkpoint of a state and its readers is made, and
// from where a start goes on. It refuses to decide, to append, to show a state that it
// could not fold to its end, and to restore some of the readers without the others.
//
// There are two ways to read. An attached [Reader] (see [Attach]) sees each event together
// with the state as of it, on the follower's goroutine. [Followers.News] hands on the
// records alone, on a goroutine of the caller's.
//
// What an attached [Reader] may rely on:
//
//   - Order: it sees every record of the stream from the first one on, or from the one after
//     those that it was restored from, once, in order, and the state as of that record. A reader of one portfolio is never called concurrently;
//     readers of different portfolios are.
//   - Lag: a record is folded soon after it is durable, never before. [Portfolio.Reach]
//     waits for a revision, so that a caller that was told of a trade finds it.
//   - Speed: it runs on the follower's goroutine, and everyone who reads that portfolio
//     waits for it. It must not block, send, or write other files than its pieces. Slow work
//     belongs into [Followers.News]; where it needs the state of the moment, the reader notes
//     it in memory, and a goroutine of the server's does it.
//   - History: it cannot tell history from news. A start folds records since the last
//     checkpoint, or since the portfolio was opened, months ago, and each passes by the reader
//     as if it were new. So a reader derives numbers; what acts (logs, alerts, sends) follows
//     [Followers.News].
//   - Failure: a reader that panics is detached from that portfolio, and [Attachment.Of]
//     returns an error from then on. The state and the other readers continue. One that cannot
//     answer any more, because what it has written cannot be read, says so ([projections.Kept]):
//     its portfolio is folded again from the first record, by new readers with new pieces, and
//     the state and the other readers are shown meanwhile. If the state
//     cannot be folded any more, the follower ends, and nothing of that portfolio is shown.
//   - Restarts: if every reader is a [projections.Kept], checkpoints have what they keep, and a
//     start goes on from there. Otherwise, and if anything does not fit, all of them see the
//     history from its first record. Keep and Err are called like a read: while nothing is
//     applied, and beside other reads.
//   - Shutdown: after [Followers.Close] returns no reader is called again.
//
// What a function that is given to [Followers.News] may rely on:
//
//   - Order: it sees every record of every stream, that of the system included, which
//     became durable after [Options].Since, once, in the order of the store, one at a time.
//     Nothing is folded for it: a record that no longer folds is handed on as well. For the
//     state it asks [Followers.Open], [Portfolio.Reach] and [Portfolio.Read].
//   - Speed: it may be slow, write files and send, for it holds up nobody. The store is
//     the queue: what it has not taken yet waits there, and not in memory. It gives up when
//     its context ends.
//   - Failure: if it panics, News ends with an error; nothing else does.
//   - Shutdown: Close ends its context and waits until it returns, so whoever drains a
//     queue that it or a reader fills does so after Close, and before the store is closed.
//     Records that it was not given by then are history at the next start. What must not
//     miss any has to keep the position it has come to, and subscribe from there.
package live
