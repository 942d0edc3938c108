package payoff

import "pets/domain"

// SplitShares returns the cost that each outcome gets when complete sets are split
// out of a quantity of cash: the share that its mark has among all. The parts are
// equal where a mark is missing or all are 0. The marks are those of the live
// outcomes, one for each. The costs sum to exactly the quantity.
func SplitShares(quantity domain.Decimal, marks []Mark) []domain.Decimal {
	weights := make([]domain.Decimal, len(marks))
	for i, m := range marks {
		if !m.Known {
			clear(weights)
			break
		}
		weights[i] = m.Price
	}
	return shareOut(quantity, weights)
}

// MergeShares returns the cash that each outcome gets when complete sets are merged
// into a quantity of cash: the share that it has of the cost taken out. The parts are
// equal where no cost is taken out. The cash sums to exactly the quantity.
func MergeShares(quantity domain.Decimal, takenOut []domain.Decimal) []domain.Decimal {
	return shareOut(quantity, takenOut)
}

// shareOut divides a quantity in proportion to weights. The rounding goes to the
// largest part, the first of them if there are several. Weights of which one is
// negative or all are 0 count as equal.
func shareOut(quantity domain.Decimal, weights []domain.Decimal) []domain.Decimal {
	parts := make([]domain.Decimal, len(weights))
	sum := domain.Zero
	for _, w := range weights {
		if w.Sign() < 0 {
			sum = domain.Zero
			break
		}
		sum = sum.Add(w)
	}
	rest := quantity.Abs()
	for i, w := range weights {
		if sum.IsZero() {
			parts[i] = domain.MulDiv(quantity.Abs(), domain.One, domain.FromInt(int64(len(weights))))
		} else {
			parts[i] = domain.MulDiv(quantity.Abs(), w, sum)
		}
		rest = rest.Sub(parts[i])
	}
	settleRest(parts, rest)
	if quantity.Sign() < 0 {
		for i := range parts {
			parts[i] = parts[i].Neg()
		}
	}
	return parts
}

// settleRest gives what rounding left to the largest part, and takes from it what
// rounding gave too much. A few units of the last decimal may have been rounded up
// by more than the largest part is; then the next largest gives the remainder, so
// that no part becomes negative.
func settleRest(parts []domain.Decimal, rest domain.Decimal) {
	for range parts {
		if rest.IsZero() {
			return
		}
		largest := 0
		for i := range parts {
			if parts[largest].Less(parts[i]) {
				largest = i
			}
		}
		change := rest.Max(parts[largest].Neg())
		parts[largest] = parts[largest].Add(change)
		rest = rest.Sub(change)
	}
}
