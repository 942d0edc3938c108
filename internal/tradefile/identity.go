package tradefile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"pets/domain"
)

// The hashes in this file must never change, because ledgers hold them: with
// another hash every row of an old file would count as new. See the package
// comment.

const (
	hashDigits = 2 * sha256.Size
	idDigits   = 16 // of a trade id made from a row's bytes
)

// hasID reports whether the file itself gave the row an id.
func (r *Row) hasID() bool {
	switch {
	case r.Fill != nil:
		return r.Fill.TradeID != ""
	case r.Trade != nil:
		return r.Trade.TradeID != ""
	case r.Funding != nil:
		return true
	case r.Movement != nil:
		return r.Movement.Tx != ""
	case r.Sets != nil:
		return r.Sets.SetID != ""
	default:
		return false
	}
}

// identify returns the key of a row. For a row without an id it is the part
// before the occurrence number. scope separates rows of different formats and
// owners.
func (m *meaning) identify(r *Row, scope string, raw []byte) string {
	switch {
	case !r.hasID():
		sum := sha256.Sum256(raw)
		return scope + "/" + hex.EncodeToString(sum[:])
	case r.Fill != nil:
		return m.fill(r.Time, r.Fill)
	case r.Funding != nil:
		return m.funding(r.Time, r.Funding)
	case r.Movement != nil:
		return m.movement(r.Time, r.Movement)
	case r.Sets != nil:
		return m.sets(r.Time, r.Sets)
	default:
		return m.trade(r.Time, r.Trade)
	}
}

// meaning collects the hashed parts of a row. Each part is preceded by its
// length, so that no two rows have the same sequence of bytes.
type meaning struct {
	parts   []byte
	scratch []byte
}

// fill hashes in the order of the package comment. A notional equal to price ×
// quantity differs from a missing one, because the file said more.
func (m *meaning) fill(at time.Time, f *Fill) string {
	m.begin("fill", f.Bot, f.Venue, f.TradeID)
	m.time(at)
	m.text(f.Market, f.Outcome, string(f.Kind), string(f.Side))
	m.number(f.Quantity, f.Price)
	if f.Notional != nil {
		m.number(*f.Notional)
	} else {
		m.text("")
	}
	m.number(f.Fee)
	if f.FeeAsset != "" { // Older files have no such column.
		m.text(f.FeeAsset)
	}
	return m.key("fill/")
}

func (m *meaning) funding(at time.Time, f *Funding) string {
	m.begin("funding", f.Bot, f.FundingID)
	m.time(at)
	m.text(f.Market, f.Outcome)
	m.number(f.Amount)
	return m.key("funding/")
}

func (m *meaning) movement(at time.Time, v *Movement) string {
	way := "deposit"
	if v.Withdrawal {
		way = "withdrawal"
	}
	m.begin(way, v.Wallet, v.Asset, v.Tx, strconv.Itoa(v.Leg))
	m.time(at)
	m.number(v.Amount)
	return m.key("movement/")
}

func (m *meaning) sets(at time.Time, s *Sets) string {
	m.begin("sets", s.Bot, s.SetID)
	m.time(at)
	m.text(s.Market, s.Action)
	m.number(s.Quantity, s.Fee)
	return m.key("sets/")
}

func (m *meaning) trade(at time.Time, t *Trade) string {
	m.begin("trade", t.Bot, "", t.TradeID)
	m.time(at)
	m.text(t.Market)
	m.number(t.PnL, t.Fee)
	return m.key("trade/")
}

func (m *meaning) begin(parts ...string) {
	m.parts = m.parts[:0]
	m.text(parts...)
}

func (m *meaning) text(parts ...string) {
	for _, s := range parts {
		m.parts = binary.AppendUvarint(m.parts, uint64(len(s)))
		m.parts = append(m.parts, s...)
	}
}

// time drops trailing zeros, however many the file has.
func (m *meaning) time(at time.Time) {
	m.scratch = at.AppendFormat(m.scratch[:0], time.RFC3339Nano)
	m.addScratch()
}

func (m *meaning) number(numbers ...domain.Decimal) {
	for _, d := range numbers {
		// Its error is always nil: a Decimal has a text.
		m.scratch, _ = d.AppendText(m.scratch[:0])
		m.addScratch()
	}
}

func (m *meaning) addScratch() {
	m.parts = binary.AppendUvarint(m.parts, uint64(len(m.scratch)))
	m.parts = append(m.parts, m.scratch...)
}

func (m *meaning) key(family string) string {
	sum := sha256.Sum256(m.parts)
	m.scratch = hex.AppendEncode(append(m.scratch[:0], family...), sum[:])
	return string(m.scratch)
}
