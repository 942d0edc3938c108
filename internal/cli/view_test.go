package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// The parts of a view are joined list by list; if the portfolio moves on in between, the view is
// read again as of one revision.
func TestPartsOfAView(t *testing.T) {
	t.Parallel()
	revision := 7
	var asked []string
	get := func(path string, into *json.RawMessage) error {
		asked = append(asked, path)
		_, query, _ := cutPath(path)
		shown := revision
		if query.Has("at") {
			_, err := fmt.Sscan(query.Get("at"), &shown)
			require.NoError(t, err)
		}
		switch query.Get("after") {
		case "":
			*into = fmt.Appendf(nil, `{"revision":%d,"a":["%d"],"b":[],"next":"one"}`, shown, shown)
			revision++ // the portfolio moves on
		case "one":
			*into = fmt.Appendf(nil, `{"revision":%d,"a":["x"],"b":[],"next":2}`, shown)
		case "2":
			*into = fmt.Appendf(nil, `{"revision":%d,"a":[],"b":[1,2],"c":{"d":[3]}}`, shown)
		}
		return nil
	}
	raw, err := whole("/state?bot=x", get)
	require.NoError(t, err)
	var v struct {
		Revision int
		A        []string
		B        []int
		C        struct{ D []int }
	}
	require.NoError(t, json.Unmarshal(raw, &v))
	require.Equal(t, 7, v.Revision)
	require.Equal(t, []string{"7", "x"}, v.A)
	require.Equal(t, []int{1, 2}, v.B)
	require.Equal(t, []string{
		"/state?bot=x", "/state?after=one&bot=x", "/state?at=7&bot=x", "/state?after=one&at=7&bot=x", "/state?after=2&at=7&bot=x",
	}, asked)
	// A single part is passed on unchanged.
	raw, err = whole("/x", func(_ string, into *json.RawMessage) error { *into = []byte(`{"next":null, "a":[ 1]}`); return nil })
	require.NoError(t, err)
	require.Equal(t, `{"next":null, "a":[ 1]}`, string(raw))
}

func cutPath(path string) (string, url.Values, error) {
	u, err := url.Parse(path)
	if err != nil {
		return "", nil, err
	}
	return u.Path, u.Query(), nil
}
