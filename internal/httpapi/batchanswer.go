package httpapi

import (
	"bytes"
	"net/http"
	"runtime"
	"time"

	"pets/commands"
	"pets/domain"
)

// batchAnswer holds the answers by index.
type batchAnswer struct {
	Results []batchResult `json:"results"`
}

// batchResult is the answer, or the problem, of one command.
type batchResult struct {
	Status   int      `json:"status"`
	Replayed bool     `json:"replayed,omitempty"`
	Answer   any      `json:"answer,omitempty"`
	Problem  *Problem `json:"problem,omitempty"`
	// Short reports that the answers of the batch were too long and that this one
	// lacks its reasons and events. The same command sent again by itself, under
	// its key, is answered in full.
	Short bool `json:"short,omitempty"`
}

// roomForCommand is the memory reserved for the answer to each command of a
// batch: five times what most answers need.
const roomForCommand = 2 << 10

// batchPiece is how much of an answer is gathered before it is sent. A shorter answer is
// sent at once, with its length.
const batchPiece = 32 << 10

// batchWriter writes the answer to a batch while it is being decided. The decisions do not
// wait for it, and none of them depends on whether the answer is read.
type batchWriter struct {
	q    *request
	b    *batch
	out  bytes.Buffer // not sent yet
	next int          // the command that is answered next

	sent  int           // bytes
	whole int           // from so many bytes on, answers are shortened
	left  time.Duration // that the reader may still take
	gone  bool          // the reader has left, or is too slow
}

func (q *request) newBatchWriter(b *batch) *batchWriter {
	w := &batchWriter{q: q, b: b, left: deliverWithin}
	w.whole = int(q.answerLease.bytes * 3 / 4) // the rest is for the shortened answers
	w.out.WriteString(`{"results":[`)
	return w
}

// decided adds the answer to the next command that was not refused before.
func (w *batchWriter) decided(r *commands.Result) {
	w.refused()
	v := w.q.batched(r)
	w.add(&v)
}

// refused adds the answers to the commands before that one.
func (w *batchWriter) refused() {
	for w.next < len(w.b.commands) && w.b.commands[w.next].err != nil {
		v := failed(w.b.commands[w.next].err)
		w.add(&v)
	}
}

// add adds one answer. Its decision is final, so an answer that does not fit is shortened to
// what the caller has to know at once.
func (w *batchWriter) add(r *batchResult) {
	w.next++
	if w.gone {
		return
	}
	if w.next > 1 {
		w.out.WriteByte(',')
	}
	if w.next%answersInARow == 0 {
		runtime.Gosched() // many answers must not keep a stop from a processor
	}
	before := w.out.Len()
	err := appendResult(&w.out, r)
	if err == nil && w.sent+w.out.Len() > w.whole {
		w.out.Truncate(before)
		err = appendJSON(&w.out, shortened(*r))
	}
	if err != nil {
		w.q.api.logDefect(w.q, err)
		w.out.Truncate(before)
		_ = appendJSON(&w.out, failed(errNoAnswer)) // it has only texts and numbers
	}
}

// answersInARow is how many answers are written before others get the processor.
const answersInARow = 64

var errNoAnswer = domain.Errorf(domain.CodeUnavailable, "the command is decided, but its answer cannot be written; send it again with the same Idempotency-Key to learn the outcome")

// flush sends what was gathered, if that is enough.
func (w *batchWriter) flush() {
	if w.out.Len() >= batchPiece {
		w.send()
	}
}

// send sends what was gathered. Only the time in which the reader could have read counts for
// how long it may take, not that in which its commands are decided.
func (w *batchWriter) send() {
	if w.gone {
		return
	}
	if w.sent == 0 {
		w.q.w.Header().Set("Content-Type", "application/json")
	}
	began := time.Now()
	if rec, is := w.q.w.(*recorder); is && rec.wrote {
		rec.until = began.Add(w.left)
	}
	n, err := w.q.w.Write(w.out.Bytes())
	if err == nil {
		err = http.NewResponseController(w.q.w).Flush()
	}
	w.left -= time.Since(began)
	w.sent += n
	w.gone = err != nil
	w.out.Reset()
}

// end sends the rest. A reader that has left gets nothing more, and its commands stand.
func (w *batchWriter) end() error {
	w.refused()
	w.out.WriteString("]}\n")
	if w.sent == 0 && !w.gone {
		return w.q.write(w.out.Bytes())
	}
	w.send()
	return nil
}

// appendResult appends one result.
func appendResult(out *bytes.Buffer, r *batchResult) error {
	if b, plain := appendBatched(out.AvailableBuffer(), r); plain {
		_, err := out.Write(b)
		return err
	}
	return appendJSON(out, r)
}

// shortened keeps the part of an answer that its sender has to know now: the
// decision, and what to do.
func shortened(r batchResult) batchResult {
	r.Short = r.Answer != nil
	switch a := r.Answer.(type) {
	case *commands.Answer:
		r.Answer = &commands.Answer{Revision: a.Revision, Events: []commands.EventRef{}, Directives: a.Directives, ID: a.ID}
	case permitAnswered:
		a.Reasons, a.Events = []domain.Reason{}, []commands.EventRef{}
		r.Answer = a
	}
	return r
}

func (q *request) batched(r *commands.Result) batchResult {
	if r.Err != nil {
		if domain.CodeOf(r.Err) == domain.CodeInternal {
			q.api.logDefect(q, r.Err)
		}
		return failed(r.Err)
	}
	a := &r.Answer
	a.Directives = q.told(a.Directives)
	v := batchResult{Status: http.StatusOK, Replayed: a.Replayed, Answer: a}
	if a.Permit != nil {
		v.Answer = permitAnswerOf(a)
	}
	return v
}

func failed(err error) batchResult {
	p := problemOf(err)
	return batchResult{Status: p.Status, Problem: &p}
}
