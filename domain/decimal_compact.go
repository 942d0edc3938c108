package domain

import (
	"encoding/binary"
	"math/bits"

	"github.com/quagmt/udecimal"
)

// The first byte of a compact decimal: how many decimals follow the whole part, 0 to [Scale],
// with compactNegative for those below 0; or one of the others alone.
const (
	compactNegative = 0x20
	compactZero     = 0x40
	compactText     = 0x41 // the text of a number that is far outside the accepted range
	compactDigits   = 0x1f
)

// AppendCompact appends d exactly, in few bytes: 12.5 takes 3. It is for bytes that only this
// program reads.
func (d Decimal) AppendCompact(b []byte) []byte {
	if d.IsZero() {
		return append(b, compactZero)
	}
	neg, hi, lo, ok := d.magnitude()
	if !ok || hi >= unit {
		text := d.String()
		b = binary.AppendUvarint(append(b, compactText), uint64(len(text)))
		return append(b, text...)
	}
	whole, decimals := bits.Div64(hi, lo, unit)
	n := 0
	if decimals != 0 {
		for n = Scale; decimals%1_000_000 == 0; n -= 6 {
			decimals /= 1_000_000
		}
		for ; decimals%10 == 0; n-- {
			decimals /= 10
		}
	}
	head := byte(n) //nolint:gosec // at most Scale
	if neg {
		head |= compactNegative
	}
	b = binary.AppendUvarint(append(b, head), whole)
	if n > 0 {
		b = binary.AppendUvarint(b, decimals)
	}
	return b
}

// ReadCompact reads what [Decimal.AppendCompact] wrote at the beginning of b, and returns how
// many bytes that is, or 0 if it is something else.
func ReadCompact(b []byte) (d Decimal, size int) {
	switch {
	case len(b) == 0:
		return Zero, 0
	case b[0] == compactZero:
		return Zero, 1
	case b[0] == compactText:
		return readCompactText(b)
	}
	digits := int(b[0] & compactDigits)
	if digits > Scale || b[0]&^(compactNegative|compactDigits) != 0 {
		return Zero, 0
	}
	size = 1
	whole, n := binary.Uvarint(b[size:])
	if n <= 0 {
		return Zero, 0
	}
	size += n
	decimals := uint64(0)
	if digits > 0 {
		if decimals, n = binary.Uvarint(b[size:]); n <= 0 || decimals == 0 || decimals >= pow10[digits][0] {
			return Zero, 0
		}
		size += n
		decimals *= pow10[Scale-digits][0]
	}
	hi, lo := bits.Mul64(whole, unit)
	lo, carry := bits.Add64(lo, decimals, 0)
	if whole == 0 && decimals == 0 {
		return Zero, 0
	}
	return fromMagnitude(b[0]&compactNegative != 0, hi+carry, lo), size
}

func readCompactText(b []byte) (d Decimal, size int) {
	long, n := binary.Uvarint(b[1:])
	if n <= 0 || long > maxBigDigits+2 || uint64(len(b)-1-n) < long { //nolint:gosec // n is at most what is left
		return Zero, 0
	}
	size = 1 + n + int(long)
	u, err := udecimal.Parse(string(b[1+n : size]))
	if err != nil {
		return Zero, 0
	}
	d, ok := rescale(u)
	if !ok {
		z := coefficient(u)
		d = fromBig(z.Sign() < 0, z.Abs(z))
	}
	return d, size
}
