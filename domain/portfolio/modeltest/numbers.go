package modeltest

import "math/big"

// Num is an exact number; nil stands for none.
type Num = *big.Rat

// N parses a number.
func N(text string) Num {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("modeltest: " + text + " is no number")
	}
	return r
}

// Whole returns a whole number.
func Whole(n int) Num { return big.NewRat(int64(n), 1) }

var (
	zero = Whole(0)
	one  = Whole(1)
	unit = N("0.000001") // of the base asset
)

func add(a Num, more ...Num) Num {
	sum := new(big.Rat).Set(a)
	for _, b := range more {
		sum.Add(sum, b)
	}
	return sum
}

func sub(a, b Num) Num { return new(big.Rat).Sub(a, b) }
func neg(a Num) Num    { return new(big.Rat).Neg(a) }
func abs(a Num) Num    { return new(big.Rat).Abs(a) }

func less(a, b Num) bool    { return a.Cmp(b) < 0 }
func atLeast(a, b Num) bool { return a.Cmp(b) >= 0 }

func smaller(a, b Num) Num {
	if less(b, a) {
		return b
	}
	return a
}

func larger(a, b Num) Num {
	if less(a, b) {
		return b
	}
	return a
}

// "A product or a quotient is rounded half to even at 18 decimals; a × b ÷ c is
// rounded once."

func mul(a, b Num) Num { return round(new(big.Rat).Mul(a, b)) }
func div(a, b Num) Num { return round(new(big.Rat).Quo(a, b)) }

func muldiv(a, b, c Num) Num {
	product := new(big.Rat).Mul(a, b)
	return round(product.Quo(product, c))
}

var scale = new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)

func round(x Num) Num {
	scaled := new(big.Rat).Mul(x, new(big.Rat).SetInt(scale))
	floor, rest := new(big.Int).DivMod(scaled.Num(), scaled.Denom(), new(big.Int))
	switch twice := rest.Lsh(rest, 1).Cmp(scaled.Denom()); {
	case twice > 0, twice == 0 && floor.Bit(0) == 1:
		floor.Add(floor, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(floor, scale)
}
