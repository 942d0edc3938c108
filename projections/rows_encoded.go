package projections

import (
	"encoding/binary"

	"pets/domain"
)

// What a row is, beside its fields.
const (
	rowIsFlow = 1 << iota
	rowIsGone
	rowIsDeferred
	rowIsRevised
	rowHasOpened
)

// rowFlagsMost is the highest value of the flags.
const rowFlagsMost = 1<<5 - 1

// hashSize is how many bytes a piece begins with for each row: the hash of the trade's name,
// by which most pieces are passed over without decoding them.
const hashSize = 4

// encodeRows returns the bytes of a piece.
func encodeRows(rows []row) []byte {
	b := make([]byte, 0, len(rows)*80)
	for i := range rows {
		b = binary.LittleEndian.AppendUint32(b, nameHash(rows[i].Trade.Trade))
	}
	e := newEncoder(b)
	for i := range rows {
		e.row(&rows[i])
	}
	return e.b
}

// decodeRows reads the n rows of a piece.
func decodeRows(b []byte, n int, into []row) ([]row, error) {
	if len(b) < n*hashSize {
		return nil, errKept
	}
	if cap(into) < n {
		into = make([]row, n)
	}
	rows := into[:n]
	d := newDecoder(b[n*hashSize:])
	for i := range rows {
		d.row(&rows[i])
	}
	return rows, d.end()
}

func (e *encoder) row(r *row) {
	flags := uint64(0)
	for _, f := range []struct {
		on   bool
		flag uint64
	}{{r.flow, rowIsFlow}, {r.gone, rowIsGone}, {r.deferred, rowIsDeferred}, {r.Revised, rowIsRevised}, {r.OpenedAt != nil, rowHasOpened}} {
		if f.on {
			flags |= f.flag
		}
	}
	e.uint(flags)
	e.moment(r.Revision)
	e.name(r.Bot)
	if r.flow {
		e.decimal(r.amount)
		return
	}
	if r.OpenedAt != nil {
		e.time(*r.OpenedAt)
	}
	e.time(r.ClosedAt)
	e.id(r.Trade.Trade)
	for _, s := range []string{r.Market, r.Outcome, r.Direction, r.ClosedBy, string(r.Result), r.ResultID} {
		e.name(s)
	}
	e.text(r.TradeID)
	for _, d := range []domain.Decimal{r.Quantity, r.EntryNotional, r.ExitNotional, r.Fee, r.Funding, r.PnL} {
		e.decimal(d)
	}
}

func (d *decoder) row(r *row) {
	flags := d.count(rowFlagsMost)
	*r = row{flow: flags&rowIsFlow > 0, Trade: Trade{gone: flags&rowIsGone > 0, deferred: flags&rowIsDeferred > 0, Revised: flags&rowIsRevised > 0}}
	r.Revision = d.moment()
	r.Bot = d.name()
	if r.flow {
		r.amount = d.decimal()
		return
	}
	if flags&rowHasOpened > 0 {
		at := d.time()
		r.OpenedAt = &at
	}
	r.ClosedAt = d.time()
	r.Trade.Trade = d.id()
	r.Market, r.Outcome, r.Direction, r.ClosedBy = d.name(), d.name(), d.name(), d.name()
	r.Result, r.ResultID = domain.Result(d.name()), d.name()
	r.TradeID = d.text()
	r.Quantity, r.EntryNotional, r.ExitNotional = d.decimal(), d.decimal(), d.decimal()
	r.Fee, r.Funding, r.PnL = d.decimal(), d.decimal(), d.decimal()
}

// keep writes what restore needs: the summaries, and the young rows.
func (l *rowLog) keep(e *encoder) {
	e.uint(uint64(l.per)) //nolint:gosec // a small positive number
	e.uint(uint64(len(l.sums)))
	for i := range l.sums {
		s := &l.sums[i]
		e.place(s.at)
		e.uint(uint64(s.standing)) //nolint:gosec // at most per
		e.uint(s.first)
		e.uint(s.last - s.first)
		for _, bits := range s.bots {
			e.uint(bits)
		}
	}
	e.uint(uint64(len(l.young)))
	for i := range l.young {
		e.row(&l.young[i])
	}
}

// restore reads what keep wrote.
func (l *rowLog) restore(d *decoder) {
	if d.count(rowsPerPieceMost) != l.per {
		d.fail()
	}
	for range d.count(len(d.b)) { // a summary has more than a byte
		s := rowSum{at: d.place(), standing: d.count(l.per), first: d.uint()}
		s.last = s.first + d.uint()
		for i := range s.bots {
			s.bots[i] = d.uint()
		}
		if d.bad || len(l.sums) > 0 && s.first < l.sums[len(l.sums)-1].last || s.last < s.first {
			d.fail()
			return
		}
		l.sums = append(l.sums, s)
	}
	for range d.count(min(2*l.per-1, len(d.b))) {
		var r row
		d.row(&r)
		if d.bad {
			return
		}
		l.young = append(l.young, r)
	}
}

// rowsPerPieceMost is more than any piece has.
const rowsPerPieceMost = 1 << 16
