package httpapi

import (
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

func apiPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	return strings.Join(strings.Fields(string(page)), " ")
}

// "`command` is one of …; any other is sent by itself."
func TestTheDocsNameWhatABatchTakes(t *testing.T) {
	text := regexp.MustCompile("`command` is one of (.*?); any other is sent by itself").FindStringSubmatch(apiPage(t))
	require.Len(t, text, 2)
	var named []string
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(text[1], -1) {
		named = append(named, m[1])
	}
	require.Equal(t, strings.Split(batchable, ", "), named)
	r := newRig(t, rigged{}).opened()
	a := r.post("operator", main+"/batch", `{"commands":[{"idempotency_key":"`+uuid.NewString()+`","command":"register_bot","body":{}}]}`)
	require.Contains(t, a.body, "is not one that a batch takes: "+strings.Join(named, ", "))
}

// "Every GET of a portfolio but `/stream` takes `?at=` and `?min_revision=`, and every GET
// with a list `?after=` and `?limit=`, but `/equity` … and `/stream` …".
func TestTheDocsNameTheParametersOfGETs(t *testing.T) {
	require.Contains(t, apiPage(t), "Every GET of a portfolio but `/stream` takes `?at=` and `?min_revision=`, and every GET with a list `?after=` and `?limit=`, "+
		"but `/equity` (`?from=`, `?to=`, `?points=`, `?after=`) and `/stream` (`?types=`, `?after=`).")
	noList := []string{inPortfolio + "/treasury", inPortfolio + "/approvals/{kind}/{id}", "/v1/keys"}
	for i := range table {
		row := &table[i]
		if row.method != http.MethodGet {
			continue
		}
		var takes []string
		for _, p := range row.params {
			takes = append(takes, p.name)
		}
		switch {
		case row.path == inPortfolio+"/stream":
			require.Equal(t, []string{"types", "after"}, takes)
			continue
		case row.path == inPortfolio+"/equity":
			require.Equal(t, []string{"at", "min_revision", "from", "to", "points", "after"}, takes)
			continue
		case strings.HasPrefix(row.path, inPortfolio):
			require.Subset(t, takes, []string{"at", "min_revision"}, row.path)
		}
		if !slices.Contains(noList, row.path) {
			require.Subset(t, takes, []string{"after", "limit"}, row.path)
		}
	}
}

// Every action of a directive, every status of a permit and every time in force stands in the
// page, and the page's bots are told of each action.
func TestTheDocsNameEveryDirective(t *testing.T) {
	page := apiPage(t)
	action, ok := reflect.TypeFor[commands.Directive]().FieldByName("Action")
	require.True(t, ok)
	actions := strings.Split(action.Tag.Get("enum"), ",")
	require.Equal(t, []string{
		commands.ActionStop, commands.ActionClosePositions, commands.ActionCancelOrders, commands.ActionGroupShrunk, commands.ActionCloseLegs,
	}, actions)
	for _, name := range actions {
		require.Contains(t, page, "| it gets `"+name+"` |")
	}
	for _, name := range among([]domain.TimeInForce{domain.GoodTillCancelled, domain.GoodTillDate, domain.ImmediateOrCancel, domain.FillOrKill}).Enum {
		require.Contains(t, page, "`"+name.(string)+"`")
	}
	status, ok := reflect.TypeFor[commands.PermitAnswer]().FieldByName("Status")
	require.True(t, ok)
	for name := range strings.SplitSeq(status.Tag.Get("enum"), ",") {
		require.Contains(t, page, "| `"+name+"` |")
	}
}
