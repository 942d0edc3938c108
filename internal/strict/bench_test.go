package strict_test

import (
	"testing"

	"pets/commands"
	"pets/internal/strict"
)

var permitBody = []byte(`{"bot":"alpha","market":"will-it-rain-tomorrow","outcome":"YES","side":"buy","quantity":"12.5","limit_price":"0.43","ttl":"30s","reduce_only":false}`)

// BenchmarkDecode reads the body of a permit.
func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var c commands.AskPermit
		if err := strict.Decode(permitBody, &c); err != nil {
			b.Fatal(err)
		}
	}
}
