package bench

import "math"

// Point is a cost Y at a size X.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Slope returns the steepest exponent between neighbouring points: a cost that grows like
// the size has 1, one that grows like its square has 2. Points are in the order of their sizes. It
// returns 0 if fewer than two are above 0.
func Slope(points []Point) float64 {
	steepest := math.Inf(-1)
	var before Point
	for _, p := range points {
		if p.X <= 0 || p.Y <= 0 {
			continue
		}
		if before.X > 0 && p.X > before.X {
			steepest = max(steepest, math.Log(p.Y/before.Y)/math.Log(p.X/before.X))
		}
		before = p
	}
	if math.IsInf(steepest, -1) {
		return 0
	}
	return steepest
}
