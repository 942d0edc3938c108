// Package live follows the stream of every portfolio. It keeps one fold of each,
// to which all readers attach.
//
// It owns which portfolios are followed, the state of each as of its last durable
// record, and the attached readers. It refuses to decide, to append, and to show
// a state that it could not fold to its end.
//
// What an attached [Reader] may rely on:
//
//   - Order: it sees every record of the stream from the first one on, once, in order, and
//     the state as of that record. A reader of one portfolio is never called concurrently;
//     readers of different portfolios are.
//   - Lag: a record is folded soon after it is durable, never before. [Portfolio.Reach]
//     waits for a revision, so that a caller that was told of a trade finds it.
//   - Speed: it runs on the follower's goroutine, and everyone who reads that portfolio
//     waits for it. It must not block, write files or send: slow work has to be noted and
//     done elsewhere.
//   - Failure: a reader that panics is detached from that portfolio, and [Attachment.Of]
//     returns an error from then on. The state and the other readers continue. If the state
//     cannot be folded any more, the follower ends, and nothing of that portfolio is shown.
//   - Shutdown: after [Followers.Close] returns no reader is called again. What a reader
//     knows is lost then: it is folded again at the next start.
package live
