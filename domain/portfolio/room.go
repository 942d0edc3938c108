package portfolio

import "pets/domain"

// Room is how much one decision may record. The zero Room is no bound.
type Room struct {
	Records int
	Bytes   int
	// Fills is how many fills may have come after one that is taken back: all of them are
	// looked at to find out what would be recorded, which takes time, too.
	Fills int
	// Each is what a record takes beside its event.
	Each int
}

// What is recorded beside the trades that a void revises: the void, a new day, breakers
// and what they stop, legs and transfers whose time is over.
const (
	besideRecords = 256
	besideBytes   = 256 << 10
)

// roomToRefold refuses what would take too long to find out about.
func (d *Decision) roomToRefold(id domain.FillID) error {
	h := d.s.Instruments[d.s.Provisional[id]].Holding(id.Bot)
	if d.room.Fills == 0 || h == nil || h.Later(id) <= d.room.Fills {
		return nil
	}
	return tooLate(h.Later(id), "fills came after")
}

// roomFor refuses what would not fit, before anything is emitted.
func (d *Decision) roomFor(events []domain.Event) error {
	room := d.room
	if room.Records == 0 || len(events) <= besideRecords {
		return nil
	}
	if len(events)+besideRecords > room.Records {
		return tooLate(len(events), "trades depend on")
	}
	bytes := besideBytes
	for _, e := range events {
		data, err := domain.Encode(e)
		if err != nil {
			return err
		}
		if bytes += room.Each + len(e.EventType()) + len(data); bytes > room.Bytes {
			return tooLate(len(events), "trades depend on")
		}
	}
	return nil
}

// tooLate: there is nothing to split, but there is another way to set the books right.
func tooLate(n int, what string) error {
	return domain.Errorf(domain.CodeTooLarge, "the fill cannot be voided any more: %d later %s it, which is more than one command may correct. Confirm it, and post an adjustment for what it moved", n, what)
}
