package look_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/cli/chart"
	"pets/internal/pets/petstest"
	"pets/projections"
	"pets/replay/scenario"
)

const (
	trippedDay     = "../../../replay/testdata/tripped_day.txt"
	trippedPage    = "../../../docs/why-did-it-trip.md"
	trippedPicture = "../../../docs/img/tripped-day.svg"
)

// fold runs a scenario and shows every record of it to the readers.
func fold(t *testing.T, text string, readers ...projections.Projection) *portfolio.State {
	t.Helper()
	store, err := scenario.Store(t.Context(), scenario.Options{Name: "tripped"}, strings.NewReader(text))
	require.NoError(t, err)
	s := portfolio.New()
	require.NoError(t, eventstore.Walk(t.Context(), store, commands.Stream(scenario.Portfolio), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		for _, r := range readers {
			r.Apply(rec, e, s)
		}
		return nil
	}))
	return s
}

// The picture of the page is the one that `pets equity --svg --why` draws of the worked day.
func TestThePictureOfTheTrippedDay(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(trippedDay)
	require.NoError(t, err)
	series, marks, why := projections.NewEquity(), &chart.Marks{}, &chart.Why{}
	fold(t, string(text), series, marks, why)
	picture, err := chart.NewWhySVG("A day on which daily_loss trips", series.Points(time.Time{}, time.Time{}, 0), marks.All, why)
	require.NoError(t, err)
	var got bytes.Buffer
	require.NoError(t, picture.Write(&got))
	if *petstest.Rewrite {
		require.NoError(t, os.WriteFile(filepath.FromSlash(trippedPicture), got.Bytes(), 0o600))
	}
	want, err := os.ReadFile(trippedPicture)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "go test ./internal/cli/look -run Tripped -rewrite draws it again")
}
