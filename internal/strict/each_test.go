package strict_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/strict"
)

type part struct {
	Name string          `json:"name"`
	N    int             `json:"n,omitempty"`
	Body json.RawMessage `json:"body"`
}

type wholeBody struct {
	Parts []part `json:"parts"`
}

// each reads a body with [strict.Each].
func each(body io.Reader) (all []part, err error) {
	n, err := strict.Each(body, "parts", func(i int, p *part) {
		if i != len(all) {
			panic("out of order")
		}
		c := *p
		c.Body = json.RawMessage(strings.Clone(string(p.Body)))
		all = append(all, c)
	})
	if err == nil && n != len(all) {
		err = fmt.Errorf("%d elements are counted, and %d were read", n, len(all))
	}
	return all, err
}

// agree requires that a body is read to the same elements, or the same error, as at once.
// Only of an element that is not JSON the error may be another.
func agree(t *testing.T, body string, in io.Reader) {
	t.Helper()
	var whole wholeBody
	want := strict.General([]byte(body), &whole)
	got, err := each(in)
	if want != nil {
		require.Error(t, err, "%s", body)
		if err.Error() != want.Error() {
			var e *domain.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "body", e.Field, "%s: %v, and not %v", body, err, want)
		}
		return
	}
	require.NoError(t, err, "%s", body)
	require.Len(t, got, len(whole.Parts), "%s", body)
	for i := range got {
		require.Equal(t, whole.Parts[i], got[i], "%s", body)
	}
}

// bodies of every kind: plain ones, others that are right, and wrong ones.
var partBodies = []string{
	`{"parts":[]}`, ` { "parts" : [ ] } `, `{"parts":[{"name":"a","body":{}}]}`,
	"{\"parts\":[\n\t{\"name\":\"a\",\"n\":7,\"body\":{\"x\":[1,\"y\"]}} , {\"name\":\"b\",\"body\":[]}\r\n]}\n\n",
	`{"parts":[{"name":"a","body":{}},{"name":"\u00e9","body":{"é":null}},{"name":"c","body":1.5}]}`,
	`{"parts":[{"name":"a","body":{}},{"body":-1,"n":-3,"name":"b"}]}`,
	``, `{`, `null`, `[]`, `7`, `{}`, `{"parts":null}`, `{"parts":5}`, `{"parts":"x"}`, `{"parts":{}}`, `{"parts":[5]}`, `{"parts":[null]}`, `{"parts":[[]]}`,
	`{"Parts":[]}`, `{"other":1}`, `{"parts":[],"parts":[]}`, `{"parts":[],"other":1}`, `{"parts":[],"pasted secret":1}`, `{"parts":[]}x`, `{"parts":[]} {}`, `{"parts":[]`, `{"parts":[`,
	`{"parts":[{"name":"a","body":{}}]}]`, `{"parts":[{"name":"a","body":{}}],"parts":[]}`, `{"parts":[{"name":"a","body":{}}],"part":1}`,
	`{"parts":[{"name":"a","body":{}},]}`, `{"parts":[,{"name":"a","body":{}}]}`, `{"parts":[{"name":"a","body":{}} {"name":"b","body":{}}]}`, `{"parts":[{"name":"a","body":{}}`,
	`{"parts":[{"name":"a","body":{}},{"name":"a"}]}`, `{"parts":[{"name":"a","body":{}},{"name":"a","body":null}]}`, `{"parts":[{"name":"a","body":{}},{"name":"a","nome":1,"body":{}}]}`,
	`{"parts":[{"name":"a","body":{}},{"name":"a","name":"b","body":{}}]}`, `{"parts":[{"name":"a","body":{}},{"name":"a","body":{"x":1,"x":2}}]}`,
	`{"parts":[{"name":"a","body":{}},{"name":5,"body":{}}]}`, `{"parts":[{"name":5,"body":{}},{"name":"a","n":"x","body":{}},{"name":"c"}]}`, `{"parts":[{"name":"a","n":1.5,"body":{}}]}`,
	`{"parts":[{"name":5,"body":{}},{"name":"a","body":{}}]}`, `{"parts":[{"name":"a","body":{}},{"name":5,"body":{}},{"name":"b","body":{}}]}`,
	`{"parts":[{"name":"a","body":{}},{"name":"a","body":tru}]}`, `{"parts":[{"name":"a","body":{}},{"name":"a","body":{"x":01}}]}`, "{\"parts\":[{\"name\":\"\xff\",\"body\":{}}]}",
	`{"parts":[{"name":"a","body":{}},{"name":"` + strings.Repeat("x", 40<<10) + `","body":{}},{"name":"b","body":{},"x y":1}]}`,
}

// "The body is decoded command by command while it arrives": the elements and the errors are
// those of the whole body, in whatever pieces it comes.
func TestEachReadsWhatDecodeReads(t *testing.T) {
	t.Parallel()
	for _, body := range partBodies {
		agree(t, body, strings.NewReader(body))
		agree(t, body, iotest.OneByteReader(strings.NewReader(body)))
		agree(t, body, iotest.DataErrReader(strings.NewReader(body)))
	}
}

// A body of many pieces: good, with white space between all of it, and wrong in one place.
func TestEachReadsLongBodies(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var b strings.Builder
		b.WriteString(`{"parts":[`)
		for i := range 300 {
			if i > 0 {
				b.WriteString(strings.Repeat(" ", random.IntN(3)) + ",")
			}
			fmt.Fprintf(&b, `{"name":"n%d","body":{"text":%q}}`, i, strings.Repeat("é"[:2*random.IntN(2)]+"y", 1+random.IntN(600)))
		}
		b.WriteString(`]}` + strings.Repeat("\n", random.IntN(100_000)))
		body := b.String()
		agree(t, body, strings.NewReader(body))
		wrong := []byte(body)
		wrong[random.IntN(len(wrong))] = "x\"{}[],:1 \x00"[random.IntN(11)]
		agree(t, string(wrong), strings.NewReader(string(wrong)))
		cut := body[:random.IntN(len(body))]
		agree(t, cut, strings.NewReader(cut))
	}
}

// "Bounded memory: one command at a time, not the whole body twice": a body
// of 46 MB takes hardly more than its names.
func TestEachHoldsOneElement(t *testing.T) {
	const n = 200_000
	element := `{"name":"a","body":{"text":"` + strings.Repeat("x", 200) + `"}}`
	body := io.MultiReader(strings.NewReader(`{"parts":[`+element), &repeated{text: `,` + element, times: n - 1}, strings.NewReader(`]}`))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	counted, err := strict.Each(body, "parts", func(int, *part) {})
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Equal(t, n, counted)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(n*len(element)/8), "the bytes that were ever allocated for it")
}

// repeated reads a text so many times.
type repeated struct {
	text  string
	at    int
	times int
}

func (r *repeated) Read(b []byte) (n int, err error) {
	for n < len(b) && r.times > 0 {
		m := copy(b[n:], r.text[r.at:])
		if r.at += m; r.at == len(r.text) {
			r.at, r.times = 0, r.times-1
		}
		n += m
	}
	if n == 0 {
		err = io.EOF
	}
	return n, err
}

// What reading says is returned as it is, wherever it happens, and not taken for the end.
func TestEachFailsWhereReadingFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for _, body := range []string{``, `{"parts":[{"name":"a","body":{}}`, `{"parts":[{"name":"é"`, `{"parts":[]}`, `{"parts":[{"name":"é","body":1}]}`} {
		for _, err := range []error{gone, io.ErrUnexpectedEOF} {
			_, got := each(io.MultiReader(strings.NewReader(body), iotest.ErrReader(err)))
			require.ErrorIs(t, got, err, "%s", body)
		}
	}
}

// FuzzEach: the elements and the errors are those of the whole body.
func FuzzEach(f *testing.F) {
	for _, body := range partBodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		agree(t, body, strings.NewReader(body))
		agree(t, body, iotest.HalfReader(strings.NewReader(body)))
	})
}
