package httpapi

import (
	"errors"

	"golang.org/x/time/rate"

	"pets/commands"
)

// Facts do not count toward the bytes of a day, because what has happened must
// always be accepted. To keep a key from filling memory and disk with invented
// facts, they have a byte rate: enough for a thousand fills a second,
// permanently.
const (
	factBytes      rate.Limit = 1 << 20 // a second
	factBytesBurst            = 16 << 20
	// factOverhead is the size of a fact beside its body: names, times, sender.
	factOverhead = 768
	// factLarge is more than any fact adds to the history, except a void that
	// corrects many trades. Those bytes are counted once they are known.
	factLarge = 64 << 10
)

const boundFactBytes = "fact_bytes"

// parts returns how many facts a command reports at once.
func parts(c commands.Command) int {
	if m, is := c.(commands.MarkPrices); is {
		return len(m.Marks)
	}
	return 1
}

// weigh counts the content of a fact once it is known: its parts by the rate of
// facts, of which the first is already counted, and its bytes. Stops and other
// commands are not counted here.
func (q *request) weigh(c commands.Command, body int) error {
	class := commands.ClassOf(c)
	if class != commands.ClassFact {
		return nil
	}
	if err := q.charge(class, max(0, parts(c)-1)); err != nil {
		var later *laterError
		if errors.As(err, &later) { // the one counted before is counted again in that case
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
