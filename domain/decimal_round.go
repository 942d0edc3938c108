package domain

import (
	"math/big"
	"math/bits"

	"github.com/holiman/uint256"
)

// What is rounded: products, quotients, and numbers with fewer decimals.

// MulDiv returns a × b ÷ c, rounded once, half to even, at 18 decimals. The
// caller makes sure that c is not 0. Division by 0 returns 0, so that folding
// never panics, even on a damaged stream.
func MulDiv(a, b, c Decimal) Decimal {
	an, az, aok := a.uint256()
	bn, bz, bok := b.uint256()
	cn, cz, cok := c.uint256()
	if c.IsZero() || a.IsZero() || b.IsZero() {
		return Zero
	}
	neg := an != bn != cn
	if !aok || !bok || !cok {
		return mulDivBig(a, b, c)
	}
	if q, ok := mulDivShort(&az, &bz, &cz); ok {
		return fromMagnitude(neg, q[1], q[0])
	}
	var product, q, r uint256.Int
	product.Mul(&az, &bz) // two 128-bit factors cannot overflow 256 bits
	q.DivMod(&product, &cz, &r)
	roundHalfEven(&q, &r, &cz)
	return fromUint256(neg, &q)
}

// mulDivShort is a × b ÷ c, rounded half to even, of most numbers that there are: a factor and the
// divisor are below 18, and the quotient is far from 128 bits. It returns false for others.
func mulDivShort(a, b, c *uint256.Int) (q [2]uint64, ok bool) {
	if b[1] != 0 {
		a, b = b, a
	}
	if b[1] != 0 || c[1] != 0 {
		return q, false
	}
	h1, p0 := bits.Mul64(a[0], b[0])
	h2, l2 := bits.Mul64(a[1], b[0])
	p1, carry := bits.Add64(h1, l2, 0)
	p2 := h2 + carry
	if p2 >= c[0]>>1 { // the quotient has 127 bits at most, and can be rounded up
		return q, false
	}
	var r uint64
	q[1], r = bits.Div64(p2, p1, c[0])
	q[0], r = bits.Div64(r, p0, c[0])
	if rest := c[0] - r; r > rest || r == rest && q[0]&1 == 1 {
		q[0], carry = bits.Add64(q[0], 1, 0)
		q[1] += carry
	}
	return q, true
}

// roundHalfEven adds one to q if the remainder r of a division by m requires it.
func roundHalfEven(q, r, m *uint256.Int) {
	var twice uint256.Int
	twice.Lsh(r, 1) // r < m < 2^128
	if c := twice.Cmp(m); c > 0 || (c == 0 && q[0]&1 == 1) {
		q.AddUint64(q, 1)
	}
}

func mulDivBig(a, b, c Decimal) Decimal {
	x, y, z := a.big(), b.big(), c.big()
	x.Mul(x, y)
	neg := x.Sign() < 0 != (z.Sign() < 0)
	x.Abs(x)
	z.Abs(z)
	q, r := new(big.Int).QuoRem(x, z, new(big.Int))
	if c := r.Lsh(r, 1).Cmp(z); c > 0 || (c == 0 && q.Bit(0) == 1) {
		q.Add(q, big.NewInt(1))
	}
	return fromBig(neg, q)
}

// Round rounds half to even at the given number of decimals (at most 18).
func (d Decimal) Round(decimals int) Decimal {
	q, r, m, neg, ok := d.split(decimals)
	if !ok {
		return d
	}
	roundHalfEven(&q, &r, &m)
	q.Mul(&q, &m)
	return fromUint256(neg, &q)
}

// Trunc cuts d off at the given number of decimals (at most 18), toward zero.
func (d Decimal) Trunc(decimals int) Decimal {
	q, _, m, neg, ok := d.split(decimals)
	if !ok {
		return d
	}
	q.Mul(&q, &m)
	return fromUint256(neg, &q)
}

func (d Decimal) split(decimals int) (q, r, m uint256.Int, neg, ok bool) {
	if decimals < 0 || decimals >= Scale {
		return q, r, m, false, false
	}
	neg, z, ok := d.uint256()
	if !ok {
		return q, r, m, false, false
	}
	m = pow10[Scale-decimals]
	q.DivMod(&z, &m, &r)
	return q, r, m, neg, true
}
