package httpapi

import (
	"errors"

	"golang.org/x/time/rate"

	"pets/commands"
)

// Facts are outside the bytes of a day, for what has happened has to be told. A key that
// makes facts up would fill memory and disk with them, so they have a rate of bytes: of a
// fill, a thousand a second for ever.
const (
	factBytes      rate.Limit = 1 << 20 // a second
	factBytesBurst            = 16 << 20
	// factOverhead is what a fact costs beside its body: names, times, who sent it.
	factOverhead = 768
	// factLarge is what no fact adds to the history but a void that corrects many trades:
	// those bytes are counted once they are known.
	factLarge = 64 << 10
)

const boundFactBytes = "fact_bytes"

// parts is how many facts a command tells at once.
func parts(c commands.Command) int {
	if m, is := c.(commands.MarkPrices); is {
		return len(m.Marks)
	}
	return 1
}

// weigh counts what a fact holds, once it is known: each of its parts by the rate of
// facts, where the first is counted already, and its bytes. Neither stops nor other
// commands are weighed.
func (q *request) weigh(c commands.Command, body int) error {
	class := commands.ClassOf(c)
	if class != commands.ClassFact {
		return nil
	}
	if err := q.charge(class, max(0, parts(c)-1)); err != nil {
		var later *laterError
		if errors.As(err, &later) { // the one that was counted before is counted again then
			later.after += q.api.limits.oneFact()
		}
		return err
	}
	wait := q.api.limits.takeBytes(q.key.id, body+factOverhead, q.api.now())
	if wait <= 0 {
		return nil
	}
	return q.limited(boundFactBytes, wait, "the key reports more than %d bytes a second for long. Send this again with the same Idempotency-Key in %s; a stop is never kept waiting", int(factBytes), seconds(wait))
}
