package portfolio

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"time"
)

// Moments are times, each as its nanoseconds since 1970. A bot may have thousands of them, so
// in JSON they are one text: the first, and by how much each is later, as varints in base64.
type Moments []int64

// momentOf returns a time, or the nearest that nanoseconds of 64 bits can say.
func momentOf(t time.Time) int64 {
	switch year := t.Year(); {
	case year < 1678:
		return math.MinInt64
	case year > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Times returns them as times of UTC.
func (m Moments) Times() []time.Time {
	all := make([]time.Time, len(m))
	for i, at := range m {
		all[i] = time.Unix(0, at).UTC()
	}
	return all
}

// MarshalJSON implements json.Marshaler.
func (m Moments) MarshalJSON() ([]byte, error) {
	b, before := make([]byte, 0, 8+6*len(m)), int64(0)
	for _, at := range m {
		b = binary.AppendVarint(b, at-before) // the difference may wrap, and then wraps back
		before = at
	}
	return json.Marshal(base64.RawStdEncoding.EncodeToString(b))
}

var errMoments = errors.New("portfolio: times do not decode")

// UnmarshalJSON implements json.Unmarshaler.
func (m *Moments) UnmarshalJSON(text []byte) error {
	var encoded string
	if err := json.Unmarshal(text, &encoded); err != nil {
		return errMoments
	}
	b, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return errMoments
	}
	all, at := make(Moments, 0, len(b)/5), int64(0)
	for len(b) > 0 {
		later, n := binary.Varint(b)
		if n <= 0 {
			return errMoments
		}
		at += later
		all, b = append(all, at), b[n:]
	}
	*m = all
	return nil
}
