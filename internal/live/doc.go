// Package live follows the stream of every portfolio: one fold of each, to which all who
// read attach.
//
// It owns which portfolios are followed, the state of each as of its last durable record,
// and the readers that ride along. It refuses to decide, to append, and to show a state
// that it could not fold to its end.
//
// What an attached [Reader] may rely on:
//
//   - Order: it sees every record of the stream from the first one on, once, in order, and
//     the state as of that record. A reader of one portfolio is never called twice at a time;
//     those of different portfolios are called at the same time.
//   - Lag: a record is folded soon after it is durable, never before. [Portfolio.Reach]
//     waits for a revision, so that who was told of a trade finds it.
//   - Speed: it runs on the follower's goroutine, and everybody who reads that portfolio
//     waits for it. It must not block, write files or send: what is slow notes what it has
//     to do, and does it elsewhere.
//   - Failure: a reader that panics is detached from that portfolio, and [Attachment.Of]
//     says so from then on. The state and the other readers go on. A state that cannot be
//     folded any more ends the follower; nothing of that portfolio is shown then.
//   - Shutdown: after [Followers.Close] returns no reader is called again. What a reader
//     knows is lost then: it is folded anew at the next start.
package live
