package portfolio

import "pets/domain"

// Room limits how much one decision may record. The zero Room is no limit.
type Room struct {
	Records int
	Bytes   int
	// Fills limits how many fills may follow a voided one. All of them are
	// examined to find out what would be recorded, which takes time, too.
	Fills int
	// Each is the size of a record without its event.
	Each int
}

// The space for records other than the revised trades of a void: the void, a new
// day, breakers and what they stop, and overdue legs and transfers.
const (
	besideRecords = 256
	besideBytes   = 256 << 10
)

// roomToRefold refuses a void that would take too long to examine.
func (d *Decision) roomToRefold(id domain.FillID, p *ProvisionalFill) error {
	h := d.s.Instruments[p.In].Holding(id.Bot)
	if d.room.Fills == 0 || h == nil || h.Later(id) <= d.room.Fills {
		return nil
	}
	return tooLate(h.Later(id), "fills came after")
}

// roomFor refuses a void that would not fit, before anything is emitted.
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

// tooLate returns the refusal of a void. A void cannot be split, but an
// adjustment can correct the books.
func tooLate(n int, what string) error {
	return domain.Errorf(domain.CodeTooLarge, "the fill cannot be voided any more: %d later %s it, which is more than one command can correct. Confirm it, and post an adjustment for the amount it moved", n, what)
}
