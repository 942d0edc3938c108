package domain

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEverything(t *testing.T) {
	r := events.byLiteral[everythingType]
	c := coded{
		name: r.literal, blank: r.blank,
		read:        func(d *Decoder, b []byte) (any, error) { return d.Decode(r.literal, b) },
		readGeneral: func(b []byte) (any, error) { return r.decodeGeneral(b) },
		write:       func(e any) ([]byte, error) { return Encode(e.(Event)) },
		writeOld:    func(e any) ([]byte, error) { return encodeGeneral(e.(Event)) },
	}
	var d Decoder
	for seed := range 3000 {
		e, bytes := &everything{}, filler{}
		for i := range 400 {
			bytes = append(bytes, fmt.Sprint(seed * (i + 7))[0]*byte(i+seed), byte(i*i*(seed%251)>>3))
		}
		bytes.fill(reflect.ValueOf(e).Elem())
		written := c.writtenAlike(t, e)
		if written == nil {
			continue
		}
		c.readAlike(t, &d, written)
	}
	whole := `{"venue":"v","bot":"a","Plain":"p","word":"w","words":["w",""],"whole":-7,"count":8,"yes":true,"yeses":[true,false],"amount":"-0.5","wait":"1s",` +
		`"waits":["1m0s"],"at":"2026-01-02T03:04:05Z","times":["2026-01-02T03:04:05+01:00"],"until":"2026-01-02T03:04:05Z","raw":{"a":[]},"raws":[[],{}],` +
		`"grain2":{"weight":"2"},"inner":{"bot":"b","grain":{"weight":"3"}},"inners":[{"grain":{"weight":"0"}},{"bot":"b","grain":{"weight":"0"}}],"lists":[[1,2],[]],` +
		`"prices":{"NO":"0.4","YES":"0.6"},"notes":{},"byname":[{"x":true},{}]}`
	e := &everything{}
	in := reader{data: []byte(whole)}
	require.True(t, readEvent(&in, e))
	require.True(t, in.whole(), "read as far as byte %d", in.at)
	require.Equal(t, whole, string(c.writtenAlike(t, e)))
	c.readAlike(t, &d, []byte(whole))

	old, err := Decode("all.forms.v1", []byte(`{"plain":"x"}`))
	require.NoError(t, err)
	require.Equal(t, &everything{Plain: "x"}, old)
	require.True(t, readEvent(&reader{}, &everythingV1{}), "an old version has code, too")
}
