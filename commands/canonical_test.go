package commands

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// What is written without reflection is what encoding/json writes: the hashes of requests
// that are recorded already are made of it.
func TestCanonicalBodies(t *testing.T) {
	same := func(c Command) {
		t.Helper()
		r := &Request{Command: c}
		want, err := canonicalGeneral(r)
		require.NoError(t, err)
		got, err := canonical(r)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	for _, b := range bodies {
		same(b.command)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, blank := range []Command{AskPermit{}, RecordFill{}, RecordTrade{}, PlacePermit{}, ReleasePermit{}} {
		written := 0
		require.True(t, (&body{}).command(blank), "%T is written here", blank)
		for range 2000 {
			v := reflect.New(reflect.TypeOf(blank)).Elem()
			anything(rng, v)
			c := v.Interface().(Command) //nolint:forcetypeassert // it is made of one
			if same(c); (&body{}).command(c) {
				written++
			}
		}
		require.Greater(t, written, 100, "%T", blank)
	}
}

// anything sets a value to anything, and every third to nothing.
func anything(rng *rand.Rand, v reflect.Value) {
	texts := []string{"a", "bot 7", "<b>", "a&b", `say "so"`, `back\slash`, "ü", "\u2028", "\xff", "\x7f", "\t", "~!@#$%^*()_+`"}
	if rng.IntN(3) == 0 {
		return
	}
	switch v.Interface().(type) {
	case domain.Decimal:
		v.Set(reflect.ValueOf(dec([]string{"0", "-1.5", "0.000000000000000001", "999999999999999", "12", "-0.25"}[rng.IntN(6)])))
		return
	case domain.Duration:
		v.SetInt(rng.Int64N(1e15) - 1e14)
		return
	case time.Time:
		at := time.Unix(rng.Int64N(4e9), rng.Int64N(1e9))
		v.Set(reflect.ValueOf([]time.Time{at.UTC(), at.In(time.FixedZone("", 3600*5+60)), at.UTC().Truncate(time.Second)}[rng.IntN(3)]))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[rng.IntN(len(texts))%(1+rng.IntN(len(texts)))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(rng.IntN(100) - 50))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		anything(rng, v.Elem())
	case reflect.Slice:
		if rng.IntN(4) == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			anything(rng, v.Index(0))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			anything(rng, v.Field(i))
		}
	default:
		panic("a command has a " + v.Type().String())
	}
}

// Ids and keys that are made without allocating are those that were always made.
func TestIDsAreForEver(t *testing.T) {
	command, instance := uuid.MustParse("0e1c6c5c-5c0a-5b7e-9a39-0f4d7e0a7433"), uuid.MustParse("7e6d1a52-4c1b-4b7e-9a39-0f4d7e0a7400")
	for _, portfolio := range []string{"main", strings.Repeat("long", 100)} {
		for _, n := range []int{0, 7, 12345} {
			want := uuid.NewSHA1(namespace, []byte(portfolio+"\x00"+command.String()+"\x00"+instance.String()+"\x00"+strconv.Itoa(n)))
			require.Equal(t, want, recordID(portfolio, command, instance, n))
		}
	}
}

// The spaces of a caller are its own, also where two share a place.
func TestKnownSpaces(t *testing.T) {
	k := newKnownSpaces()
	for range 2 {
		for i := range 1000 {
			r := &Request{Caller: botCaller(fmt.Sprint("bot", i)), Key: "k", Command: permit("a", "1")}
			require.Equal(t, spacesOf(r), k.of(r))
		}
	}
	shared := &Request{Caller: botCaller("bot1"), Key: "k", Command: permit("a", "1"), Import: &Import{}}
	require.Equal(t, spacesOf(shared), k.of(shared))
	own := *shared
	own.Import = nil
	require.Equal(t, spacesOf(&own), k.of(&own))
}
