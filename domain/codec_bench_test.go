package domain

import (
	"fmt"
	"testing"
)

// Every size is of a record as a stream holds it. The general codec is the contender:
//
//	go test ./domain -run '^$' -bench Codec -count 5
var benched = []RawEvent{
	{TradeClosedType, []byte(`{"trade":"t123456","bot":"momentum-7","market":"will-it-rain-in-berlin","outcome":"YES","direction":"long","closed_by":"fill","opened_at":"2026-11-02T09:30:00.123456789Z","quantity":"150","entry_notional":"63.75","exit_notional":"82.5","fee":"0.4125","pnl":"18.3375","result":"win"}`)},
	{FillRecordedType, []byte(`{"bot":"momentum-7","trade_id":"0x8f3a9c51d2e4b607","market":"will-it-rain-in-berlin","outcome":"YES","side":"buy","quantity":"150","price":"0.425","notional":"63.75","fee":"0.20625","permit":"p123455","status":"confirmed","effective_at":"2026-11-02T09:30:00.123456789Z","mark":"0.425"}`)},
	{PermitGrantedType, []byte(`{"permit":"p123455","bot":"momentum-7","market":"will-it-rain-in-berlin","outcome":"YES","side":"buy","quantity":"150","limit_price":"0.43","fee":"0.32","reducing":"0","reserved":"64.82","expires_at":"2026-11-02T09:30:30.123456789Z"}`)},
}

var benchedMetadata = []byte(`{"actor":"momentum-7-key","role":"bot","bot":"momentum-7","command":"record_fill","command_id":"5c3f0a9e-8a52-5f0e-9d6f-0c7d4d8f8b11","request_hash":"3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b"}`)

func BenchmarkCodecDecode(b *testing.B) {
	for _, r := range benched {
		b.Run(r.Type+"/general", func(b *testing.B) {
			run(b, len(r.Data), func() error { _, err := events.byLiteral[r.Type].decodeGeneral(r.Data); return err })
		})
		b.Run(r.Type+"/fast", func(b *testing.B) {
			var d Decoder
			run(b, len(r.Data), func() error { _, err := d.Decode(r.Type, r.Data); return err })
		})
	}
	b.Run("metadata/general", func(b *testing.B) {
		run(b, len(benchedMetadata), func() error { _, err := decodeMetadataGeneral(benchedMetadata); return err })
	})
	b.Run("metadata/fast", func(b *testing.B) {
		var d Decoder
		run(b, len(benchedMetadata), func() error { _, err := d.Metadata(benchedMetadata); return err })
	})
}

func BenchmarkCodecEncode(b *testing.B) {
	for _, r := range benched {
		e, err := Decode(r.Type, r.Data)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(r.Type+"/general", func(b *testing.B) {
			run(b, len(r.Data), func() error { _, err := encodeGeneral(e); return err })
		})
		b.Run(r.Type+"/fast", func(b *testing.B) {
			run(b, len(r.Data), func() error { _, err := Encode(e); return err })
		})
	}
	m, err := DecodeMetadata(benchedMetadata)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("metadata/general", func(b *testing.B) {
		run(b, len(benchedMetadata), func() error { _, err := encodeMetadataGeneral(m); return err })
	})
	b.Run("metadata/fast", func(b *testing.B) {
		run(b, len(benchedMetadata), func() error { _, err := EncodeMetadata(m); return err })
	})
}

func run(b *testing.B, size int, work func() error) {
	b.Helper()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := work(); err != nil {
			b.Fatal(fmt.Errorf("%s: %w", b.Name(), err))
		}
	}
}
