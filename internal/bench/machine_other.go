//go:build !linux

package bench

import "time"

// look knows nothing more here.
func (*Machine) look(string) {}

// Resident is not known here.
func Resident(int) (now, most float64, ok bool) { return 0, 0, false }

var began = time.Now()

// Worked returns the time that has passed: the processor time is not known here.
func Worked() time.Duration { return time.Since(began) }
