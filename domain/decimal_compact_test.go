package domain

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A compact decimal is read as what it was, whatever follows it, and no part of it is.
func TestCompactDecimals(t *testing.T) {
	t.Parallel()
	huge := MustDecimal("999999999999999")
	for range 5 {
		huge = huge.Mul(huge)
	}
	for text, want := range map[string]int{
		"0": 1, "1": 2, "-1": 2, "12.5": 3, "-0.000000000000000001": 3, "999999999999999.999999999999999999": 18, "100000": 4,
	} {
		require.Len(t, MustDecimal(text).AppendCompact(nil), want, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]Decimal{
			Zero, One, huge, huge.Neg(), FromInt(1 << 62).Mul(FromInt(1 << 62)),
			FromInt(rapid.Int64().Draw(t, "whole")).Div(FromInt(rapid.Int64Range(1, 1<<40).Draw(t, "parts"))),
			FromInt(rapid.Int64Range(-1000, 1000).Draw(t, "cents")).Div(FromInt(100)),
		}).Draw(t, "decimal")
		b := d.AppendCompact(nil)
		for n := range b {
			_, size := ReadCompact(b[:n])
			require.Zero(t, size, "%x of %x", b[:n], b)
		}
		got, size := ReadCompact(append(b, 7))
		require.Equal(t, len(b), size)
		require.Zero(t, got.Cmp(d), "%s read as %s", d, got)
		if d.InRange() {
			require.Equal(t, d, got)
		}
	})
}

// Other bytes are refused, or are a number.
func FuzzReadCompact(f *testing.F) {
	f.Add([]byte{compactText, 3, '1', '.', '5'})
	f.Add([]byte{compactNegative | 18, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, size := ReadCompact(b)
		require.LessOrEqual(t, size, len(b))
		_ = d.String()
	})
}
