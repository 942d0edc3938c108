package tradefile

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pets/domain"
)

func TestNumbersAsProgramsExportThem(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"12.5", "12.5"},
		{"+1.000", "1"},
		{"-0.0", "0"},
		{"00.50", "0.5"},
		{"0.100000000000000000000000", "0.1"},
		{"3.8000000000000000000000", "3.8"},
		{"000000000000000000000000000000001.5", "1.5"},
		{"1e-7", "0.0000001"},
		{"1.5E3", "1500"},
		{"-2.50e+2", "-250"},
		{"0e99999999999999999999", "0"},
		{"1e-18", "0.000000000000000001"},
		{"1000e-21", "0.000000000000000001"},
		{"0.0000000000000000000010e3", "0.000000000000000001"},
		{"999999999999999.999999999999999999", "999999999999999.999999999999999999"},
	} {
		if d, rounded, err := parseNumber(c.text, false); err != nil || rounded || d.String() != c.want {
			t.Errorf("%s: got %v, %v, %v; want %s", c.text, d, rounded, err, c.want)
		}
	}
	for _, c := range []struct {
		text string
		want error
	}{
		{"", errNoNumber},
		{"1e15", errTooLarge},
		{"1000000000000000", errTooLarge},
		{"1e1000000000000", errTooLarge},
		{"1e-19", errTooFine},
		{"0.0000000000000000001", errTooFine},
		{"1e-99999999999999", errTooFine},
	} {
		if _, _, err := parseNumber(c.text, false); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.text, err, c.want)
		}
	}
	for _, text := range []string{"1e", "e5", "1e+", "1e+-5", "1e5.0", "1.", ".5", ".", "-", "1,5", "1 000", " 1", "0x10", "1_000", "NaN", "inf", "1e5e5", "١"} {
		if _, _, err := parseNumber(text, true); !errors.Is(err, errNumber) {
			t.Errorf("%q: got %v, want %v", text, err, errNumber)
		}
	}
}

// "`--round` rounds (half-even)"
func TestRoundingIsHalfEven(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"0.1234567890123456785", "0.123456789012345678"},
		{"0.1234567890123456775", "0.123456789012345678"},
		{"0.12345678901234567850000000000001", "0.123456789012345679"},
		{"0.1234567890123456784999", "0.123456789012345678"},
		{"0.9999999999999999995", "1"},
		{"-0.0000000000000000015", "-0.000000000000000002"},
		{"0.0000000000000000005", "0"},
		{"0.00000000000000000051", "0.000000000000000001"},
		{"-4e-19", "0"},
		{"9e-100", "0"},
		{"99999999999999.9999999999999999999", "100000000000000"},
	} {
		if d, rounded, err := parseNumber(c.text, true); err != nil || !rounded || d.String() != c.want {
			t.Errorf("%s: got %v, %v, %v; want %s", c.text, d, rounded, err, c.want)
		}
	}
	if _, _, err := parseNumber("999999999999999.9999999999999999995", true); !errors.Is(err, errTooLarge) {
		t.Errorf("rounded up to 10^15: %v", err)
	}
}

// Against big.Rat, which knows no scale: what is read is what was written, rounded
// half-even where it is finer, whichever way it was written.
func TestNumbersAgainstRationals(t *testing.T) {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(domain.Scale), nil)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[+-]?[0-9]{1,18}(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "text")
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number to big.Rat", text)
		}
		d, rounded, err := parseNumber(text, true)
		if errors.Is(err, errTooLarge) {
			if bound := new(big.Rat).SetFrac64(999_999_999_999_999, 1); exact.Abs(exact).Cmp(bound) <= 0 {
				t.Fatalf("%s is below 10^15", text)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		scaled := new(big.Rat).Mul(exact, new(big.Rat).SetInt(scale))
		got, _ := new(big.Rat).SetString(d.String())
		got.Mul(got, new(big.Rat).SetInt(scale))
		if !got.IsInt() || rounded == scaled.IsInt() {
			t.Fatalf("%s: got %v, rounded %v", text, d, rounded)
		}
		off := new(big.Rat).Sub(scaled, got)
		switch off.Abs(off).Cmp(big.NewRat(1, 2)) {
		case 1:
			t.Fatalf("%s: %v is not the nearest", text, d)
		case 0:
			if got.Num().Bit(0) != 0 {
				t.Fatalf("%s: %v is not even", text, d)
			}
		}
		if _, _, err := parseNumber(text, false); (err != nil) != rounded {
			t.Fatalf("%s: without rounding %v", text, err)
		}
	})
}

// RFC 3339 allows a space for the T, and t and z.
func TestTimesAsProgramsExportThem(t *testing.T) {
	want := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2026-01-05 10:00:00Z", "2026-01-05 10:00:00+00:00", "2026-01-05T10:00:00+00:00", "2026-01-05t10:00:00z", "2026-01-05 12:30:00.000+02:30",
		"2026-01-05 10:00:00-00:00",
	} {
		if got, reason := parseTime(text); reason != "" || !got.Equal(want) {
			t.Errorf("%s: got %v %s", text, got, reason)
		}
	}
}

// Whatever is a time in one of these forms is the time that the time package reads in
// its own, and nothing else is one.
func TestTimesAgainstTheTimePackage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 9_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
		at = at.In(time.FixedZone("", 60*rapid.IntRange(-23*60, 23*60).Draw(t, "offset")))
		text := at.Format(time.RFC3339Nano)
		if rapid.Bool().Draw(t, "lower") {
			text = strings.ToLower(text)
		}
		if rapid.Bool().Draw(t, "space") {
			text = text[:10] + " " + text[11:]
		}
		if got, reason := parseTime(text); reason != "" || !got.Equal(at) {
			t.Fatalf("%s: got %v %s, want %v", text, got, reason, at)
		}
		wrong := []byte(text)
		i := rapid.IntRange(0, len(wrong)-1).Draw(t, "place")
		wrong[i] = rapid.SampledFrom([]byte("xX,/_")).Draw(t, "instead")
		if got, reason := parseTime(string(wrong)); reason == "" {
			t.Fatalf("%s was read as %v", wrong, got)
		}
	})
}

// FuzzNumber: whatever a cell holds, it is a number within bounds or refused, and reading
// what was read gives the same again.
func FuzzNumber(f *testing.F) {
	for _, text := range []string{"", "1e-7", "1.5E3", "-0.00000000000000000005", "9999999999999999e-1", "1e999999999999999999999", "0e0", "+", "1.e5"} {
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, round bool) {
		d, rounded, err := parseNumber(text, round)
		if err != nil || rounded && !round {
			return
		}
		again, rounded, err := parseNumber(d.String(), false)
		if err != nil || rounded || again != d || !d.InRange() {
			t.Errorf("%q: %v, then %v, %v, %v", text, d, again, rounded, err)
		}
	})
}

// FuzzTime: whatever a cell holds, it is a time or refused with a reason.
func FuzzTime(f *testing.F) {
	for _, text := range []string{"", "2026-01-05 10:00:00Z", "2026-01-05t10:00:00.123456789z", "2026-01-05T10:00:00+23:59", "2026-01-05T", "2026-01-05 10:00:00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, reason := parseTime(text)
		if reason != "" {
			return
		}
		if again, reason := parseTime(got.Format(time.RFC3339Nano)); reason != "" || !again.Equal(got) {
			t.Errorf("%q: %v, then %v %s", text, got, again, reason)
		}
	})
}
