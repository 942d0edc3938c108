package projections

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"pets/domain"
)

// encoder writes rows in few bytes: revisions and times as the distance from those before,
// repeated names as numbers.
type encoder struct {
	b        []byte
	names    map[string]uint64 // from 1, in the order of their first use
	revision uint64
	at       time.Time
}

func newEncoder(b []byte) *encoder {
	return &encoder{b: b, names: map[string]uint64{}, at: time.Unix(0, 0)}
}

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

func (e *encoder) decimal(d domain.Decimal) { e.b = d.AppendCompact(e.b) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

// name writes a text that is likely to appear again.
func (e *encoder) name(s string) {
	n := e.names[s]
	if e.uint(n); n == 0 {
		e.text(s)
		e.names[s] = uint64(len(e.names)) + 1
	}
}

// moment writes a revision. Those that decrease take more bytes.
func (e *encoder) moment(revision uint64) {
	e.uint(revision - e.revision)
	e.revision = revision
}

func (e *encoder) time(t time.Time) {
	e.b = binary.AppendVarint(e.b, t.Unix()-e.at.Unix())
	e.uint(uint64(t.Nanosecond())) //nolint:gosec // below 10^9
	e.at = t
}

// maxNumber bounds the numbers of names such as t42, so that their distance fits an int64.
const maxNumber = 1 << 62

// numbered returns the number in a name such as t42.
func numbered(prefix byte, s string) (n uint64, ok bool) {
	if len(s) < 2 || s[0] != prefix || s[1] == '0' && len(s) > 2 || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:], 10, 64)
	return n, err == nil && n < maxNumber
}

// id writes the name of a trade, which most often has a revision not far from its own.
func (e *encoder) id(s string) {
	n, ok := numbered('t', s)
	if !ok || e.revision >= maxNumber {
		e.uint(0)
		e.text(s)
		return
	}
	far := int64(e.revision) - int64(n) //nolint:gosec // both are below 2^62
	e.uint(uint64(far<<1^far>>63) + 1)  //nolint:gosec // zigzag
}

// decoder reads what an encoder wrote. After something else it reads zeros, and bad is set.
type decoder struct {
	b        []byte
	bad      bool
	names    []string
	revision uint64
	at       time.Time
}

func newDecoder(b []byte) *decoder { return &decoder{b: b, at: time.Unix(0, 0)} }

func (d *decoder) fail() {
	d.bad, d.b = true, nil
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number that is at most most.
func (d *decoder) count(most int) int {
	v := d.uint()
	if v > uint64(most) { //nolint:gosec // most is not negative
		d.fail()
		return 0
	}
	return int(v) //nolint:gosec // it is at most most
}

func (d *decoder) decimal() domain.Decimal {
	v, n := domain.ReadCompact(d.b)
	if n == 0 {
		d.fail()
		return domain.Zero
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) name() string {
	n := d.count(len(d.names))
	if n > 0 {
		return d.names[n-1]
	}
	s := d.text()
	d.names = append(d.names, s)
	return s
}

func (d *decoder) moment() uint64 {
	d.revision += d.uint()
	return d.revision
}

// secondsMost bounds the seconds of a time, far outside all that can be recorded.
const secondsMost = 1 << 40

func (d *decoder) time() time.Time {
	seconds, n := binary.Varint(d.b)
	if n <= 0 || seconds > secondsMost || seconds < -secondsMost {
		d.fail()
		return time.Time{}
	}
	d.b = d.b[n:]
	d.at = time.Unix(d.at.Unix()+seconds, int64(d.count(int(time.Second-1)))).UTC()
	return d.at
}

func (d *decoder) id() string {
	v := d.uint()
	if v == 0 {
		return d.text()
	}
	v--
	n := int64(d.revision) - (int64(v>>1) ^ -int64(v&1)) //nolint:gosec // zigzag; what is out of range is refused
	if n < 0 {
		d.fail()
	}
	return "t" + strconv.FormatInt(n, 10)
}

// errKept reports bytes that Keep did not return.
var errKept = errors.New("these are not the bytes of a projection of this build")

// restored returns an error unless a projection keeps the same bytes that it was restored from.
func restored(d *decoder, data []byte, p Kept) error {
	if err := d.end(); err != nil {
		return err
	}
	if again, err := p.Keep(); err != nil || !bytes.Equal(again, data) {
		return errKept
	}
	return nil
}

// end returns an error unless everything was read and was as an encoder writes it.
func (d *decoder) end() error {
	if d.bad || len(d.b) > 0 {
		return errKept
	}
	return nil
}
