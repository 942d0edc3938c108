package portfolio

import "pets/domain"

// Room is how much one decision may record. The zero Room is no bound.
type Room struct {
	Records int
	Bytes   int
	// Each is what a record takes beside its event.
	Each int
}

// What is recorded beside the trades that a void revises: the void, a new day, breakers
// and what they stop, legs and transfers whose time is over.
const (
	besideRecords = 256
	besideBytes   = 256 << 10
)

// Room says how much the decision may record.
func (d *Decision) Room(r Room) { d.room = r }

// roomFor refuses what would not fit, before anything is emitted.
func (d *Decision) roomFor(events []domain.Event) error {
	room := d.room
	if room.Records == 0 || len(events) <= besideRecords {
		return nil
	}
	if len(events)+besideRecords > room.Records {
		return tooLate(len(events))
	}
	bytes := besideBytes
	for _, e := range events {
		data, err := domain.Encode(e)
		if err != nil {
			return err
		}
		if bytes += room.Each + len(e.EventType()) + len(data); bytes > room.Bytes {
			return tooLate(len(events))
		}
	}
	return nil
}

// tooLate: there is nothing to split, but there is another way to set the books right.
func tooLate(trades int) error {
	return domain.Errorf(domain.CodeTooLarge, "the fill cannot be voided any more: it would change %d later trades, which is more than one command may record. Confirm it, and post an adjustment for what it moved", trades)
}
