package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/eventstore"
	"pets/projections"
)

// jury is a rig with approvers of every kind: bob counts, carl waits, dora is revoked,
// and emma has an API key of the role approver and no key of her own.
type jury struct {
	*rig
	clock *time.Time
}

func newJury(t *testing.T) *jury {
	t.Helper()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	j := &jury{clock: &now}
	j.rig = newRig(t, rigged{now: func() time.Time { return *j.clock }}).opened()
	j.unsigned = true
	for _, user := range []string{"carl", "dora", "emma"} {
		token, hash := NewToken()
		j.keys[user] = token
		j.system(domain.Caller{User: "anna", Role: domain.RoleAdmin}, commands.IssueKey{User: user, Role: domain.RoleApprover, Hash: hash})
	}
	j.must("admin", "/v1/approvers", j.half("carl"))
	dora := j.register("dora")
	a := j.call("admin", http.MethodDelete, "/v1/approvers/"+dora, uuid.NewString(), `{"reason":"lost"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	head, _, err := j.engine.SystemHead(context.Background())
	require.NoError(t, err)
	require.NoError(t, j.ring.Wait(context.Background(), head))
	return j
}

func (j *jury) half(user string) string {
	return fmt.Sprintf(`{"user":%q,"public_key":%q}`, user, approvaltest.Public(user))
}

func (j *jury) register(user string) string {
	j.t.Helper()
	var v struct{ ID string }
	a := j.post("admin", "/v1/approvers", j.half(user))
	require.Equal(j.t, http.StatusOK, a.status, a.body)
	a.into(j.t, &v)
	return v.ID
}

// live opens portfolio real, with everything that custody needs.
func (j *jury) live(t *testing.T) {
	t.Helper()
	j.unsigned = false
	inCustodyOf(t, j.rig)
	j.unsigned = true
}

// asks sends a request and returns the name of what waits.
func (j *jury) asks(path, body string) string {
	j.t.Helper()
	var v struct{ ID string }
	who := "operator"
	if strings.Contains(body, `"kind":"adjustment"`) {
		who = "admin"
	}
	a := j.post(who, path, body)
	require.Equal(j.t, http.StatusOK, a.status, a.body)
	a.into(j.t, &v)
	require.NotEmpty(j.t, v.ID)
	return v.ID
}

// shown returns what stands to be approved.
func (j *jury) shown(portfolio, kind, id string) approval.Subject {
	j.t.Helper()
	var v projections.Approval
	a := j.get("auditor", "/v1/portfolios/"+portfolio+"/approvals/"+kind+"/"+id)
	require.Equal(j.t, http.StatusOK, a.status, a.body)
	a.into(j.t, &v)
	require.True(j.t, v.Signed)
	return v.Subject
}

// act is one approval: where it goes, with what body, and what is signed.
type act struct {
	path, body, stream string
	subject            approval.Subject
	// another is one of the same kind that waits beside it.
	another *approval.Subject
}

// acts are the approvals there are, each with what leads to it.
var acts = map[string]func(*testing.T, *jury) act{
	"transfer": func(t *testing.T, j *jury) act {
		j.live(t)
		ask := func() (string, approval.Subject) {
			id := j.asks(real+"/transfers", `{"from":"hot","to":"cold","amount":"20","reason":"too much in hot"}`)
			return id, j.shown("real", "transfer", id)
		}
		_, another := ask()
		id, s := ask()
		hash := strings.TrimPrefix(s.Lines[slices.IndexFunc(s.Lines, func(l string) bool { return strings.HasPrefix(l, "hash: ") })], "hash: ")
		return act{real + "/transfers/" + id + "/approve", `{"hash":"` + hash + `"}`, "portfolio-real", s, &another}
	},
	"clear": func(t *testing.T, j *jury) act {
		j.live(t)
		ask := func() (string, approval.Subject) {
			j.must("operator", real+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
			id := j.asks(real+"/emergency-stop/clear", `{"reason":"no fire"}`)
			return id, j.shown("real", "clear", id)
		}
		_, another := ask()
		id, s := ask() // another stop voids the first request
		return act{real + "/emergency-stop/clear/" + id + "/confirm", "", "portfolio-real", s, &another}
	},
	"override of limits":    overriding("real", `{"kind":"limits","limits":{"max_daily_loss_pct":"0.08","loss_dust":"0.5"},"reason":"election night"}`),
	"override of treasury":  overriding("real", `{"kind":"treasury_policy","limits":{"approval_threshold_usd":"5000"},"reason":"too slow"}`),
	"override of the books": overriding("real", `{"kind":"adjustment","limits":{"account":"hot:treasury","asset":"USDC","amount":"-0.37"},"reason":"an old fee"}`),
	"override of tokens": func(t *testing.T, j *jury) act {
		j.live(t)
		j.must("operator", real+"/markets", `{"market":"rain","kind":"outcome","outcomes":["YES","NO"],"tokens":{"YES":"72","NO":"71"}}`)
		return overridden(j, "real", `{"kind":"market_tokens","limits":{"market":"rain","tokens":{"YES":"71","NO":"72"}},"reason":"the wrong way round"}`)
	},
	"override of the gate": overriding("main", `{"kind":"go_live","portfolio":"next","reason":"another month on paper"}`),
	"override of the clock": func(t *testing.T, j *jury) act {
		j.live(t)
		*j.clock = j.clock.Add(-48 * time.Hour) // the one before was wrong
		return overridden(j, "real", `{"kind":"clock","reason":"it was ahead"}`)
	},
	"override of an outcome": func(t *testing.T, j *jury) act {
		j.live(t)
		id := j.underWay(t)
		return overridden(j, "real", `{"kind":"transfer","limits":{"transfer":"`+id+`","outcome":"failed","tx_hash":"0x`+digest+`","block":7,"fee":"0"},"reason":"the nodes have forgotten it"}`)
	},
	"override that switches": func(t *testing.T, j *jury) act {
		j.older(t)
		return overridden(j, "older", `{"kind":"signed_approvals","reason":"as new ones have it"}`)
	},
	"word": func(t *testing.T, j *jury) act {
		var list approverList
		j.get("auditor", "/v1/approvers").into(t, &list)
		waiting := slices.IndexFunc(list.Approvers, func(a approverAnswer) bool { return a.User == "carl" })
		require.NotNil(t, list.Approvers[waiting].Subject)
		id := list.Approvers[waiting].Approver
		return act{"/v1/approvers/" + id + "/vouch", "", "system", *list.Approvers[waiting].Subject, nil}
	},
}

// underWay is a transfer that was approved and signed.
func (j *jury) underWay(t *testing.T) string {
	t.Helper()
	id := j.asks(real+"/transfers", `{"from":"hot","to":"cold","amount":"20","reason":"too much in hot"}`)
	var all transfersAnswer
	j.get("auditor", real+"/transfers").into(t, &all)
	x := all.Transfers[0]
	j.unsigned = false
	j.must("approver", real+"/transfers/"+id+"/approve", `{"hash":"`+x.Hash+`"}`)
	j.unsigned = true
	for _, c := range []commands.Command{
		commands.PrepareTransfer{Transfer: id, Prepared: commands.Prepared{Transaction: []byte(`{"chain_id":137}`), Nonce: 1, Digest: digest, Says: x.Payment}},
		commands.SignTransfer{Transfer: id, Digest: digest, TxHash: "0x" + digest},
	} {
		_, err := j.engine.Do(t.Context(), "real", commands.Request{Caller: domain.Caller{User: "server", Role: domain.RoleAdmin}, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
	}
	return id
}

func overriding(portfolio, body string) func(*testing.T, *jury) act {
	return func(t *testing.T, j *jury) act {
		j.live(t)
		return overridden(j, portfolio, body)
	}
}

func overridden(j *jury, portfolio, body string) act {
	j.t.Helper()
	ask := func() (string, approval.Subject) {
		id := j.asks("/v1/portfolios/"+portfolio+"/overrides", body)
		return id, j.shown(portfolio, "override", id)
	}
	_, another := ask()
	id, s := ask() // replaces the first
	return act{"/v1/portfolios/" + portfolio + "/overrides/" + id + "/confirm", "", "portfolio-" + portfolio, s, &another}
}

// older makes a live portfolio as builds before signed approvals opened it.
func (j *jury) older(t *testing.T) {
	t.Helper()
	meta, err := json.Marshal(domain.Metadata{Actor: "olga", Role: domain.RoleOperator, Command: "open_portfolio", CommandID: uuid.NewString(), RequestHash: strings.Repeat("0", 64)})
	require.NoError(t, err)
	data, err := domain.Encode(&domain.PortfolioOpened{
		Portfolio: "older", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModeLive),
	})
	require.NoError(t, err)
	_, err = j.store.Append(t.Context(), "portfolio-older", eventstore.NoStream, []eventstore.Proposed{{
		ID: uuid.New(), Type: domain.PortfolioOpenedType, Time: *j.clock, Metadata: meta, Data: data,
	}})
	require.NoError(t, err)
}

// mutations are the subject with every field, and every line, changed in turn.
func mutations(s approval.Subject) map[string]approval.Subject {
	all := map[string]approval.Subject{}
	add := func(name string, change func(*approval.Subject)) {
		m := s
		m.Lines = slices.Clone(s.Lines)
		change(&m)
		all[name] = m
	}
	add("ledger", func(m *approval.Subject) { m.Ledger = "ledger-" + strings.Repeat("0", 32) })
	add("portfolio", func(m *approval.Subject) { m.Portfolio += "2" })
	add("kind", func(m *approval.Subject) { m.Kind = "anything" })
	for i, line := range s.Lines {
		add("without "+line, func(m *approval.Subject) { m.Lines = slices.Delete(m.Lines, i, i+1) })
		add("another "+line, func(m *approval.Subject) { m.Lines[i] += "0" })
		add("twice "+line, func(m *approval.Subject) { m.Lines = slices.Insert(m.Lines, i, line) })
	}
	add("one line more", func(m *approval.Subject) { m.Lines = append(m.Lines, "and: more") })
	add("another order", func(m *approval.Subject) { slices.Reverse(m.Lines) })
	return all
}

// One approval of each kind, mutated in every field and signed by every wrong key, is
// refused through the running handler, and nothing is recorded. As it was shown, signed by
// the key of the caller's user, it is taken once.
func TestOneApprovalMutatedInEveryFieldAndSignedByEveryWrongKey(t *testing.T) {
	for name, prepare := range acts {
		t.Run(name, func(t *testing.T) {
			j := newJury(t)
			a := prepare(t, j)
			before := len(j.records(a.stream))
			refused := func(what, who string, g *domain.ApprovalSignature, says string) {
				t.Helper()
				body := a.body
				if g != nil {
					body = withSignature(t, a.body, g)
				}
				got := j.post(who, a.path, body)
				require.Equal(t, http.StatusForbidden, got.status, "%s: %s", what, got.body)
				p := got.problem(t)
				require.Equal(t, "signature", p.Field, what)
				require.Contains(t, p.Detail, says, what)
			}
			sign := func(s approval.Subject, user string) *domain.ApprovalSignature { return approvaltest.Sign(t, s, user) }
			if a.stream != "system" { // there the body has to have it
				refused("no signature", "approver", nil, "is missing")
			}
			for what, m := range mutations(a.subject) {
				refused(what, "approver", sign(m, "bob"), "over what stands to be approved")
			}
			if a.another != nil {
				require.NotEqual(t, a.subject, *a.another)
				refused("one for another of its kind", "approver", sign(*a.another, "bob"), "over what stands to be approved")
			}
			wrongKeys(t, a, sign, refused)
			require.Len(t, j.records(a.stream), before, "nothing was recorded")

			body := withSignature(t, a.body, sign(a.subject, "bob"))
			j.must("approver", a.path, body)
			taken := len(j.records(a.stream))
			again := j.post("approver", a.path, body)
			var v commands.Answer
			if again.status == http.StatusOK {
				again.into(t, &v)
				require.Len(t, v.Events, 1)
				require.Equal(t, domain.CommandNotedType, v.Events[0].Type, "one signature approves once")
				taken++
			}
			require.Len(t, j.records(a.stream), taken)
			requireSigned(t, j.records(a.stream), sign(a.subject, "bob"))
		})
	}
}

// wrongKeys are those that do not count, or belong to another user, and damaged ones.
func wrongKeys(t *testing.T, a act, sign func(approval.Subject, string) *domain.ApprovalSignature, refused func(what, who string, g *domain.ApprovalSignature, says string)) {
	t.Helper()
	if a.stream != "system" { // carl gives no word for himself
		refused("a key that does not count yet", "carl", sign(a.subject, "carl"), "counts from 2026-03-03T10:00:00Z on")
		refused("the API key of one, the signature of another", "carl", sign(a.subject, "bob"), "belongs to another user")
	}
	refused("the same of one without a key", "emma", sign(a.subject, "bob"), "belongs to another user")
	refused("a revoked key", "dora", sign(a.subject, "dora"), "is revoked for good")
	refused("a key that nobody registered", "emma", sign(a.subject, "emma"), "which is not registered")
	refused("another's key", "approver", sign(a.subject, "dora"), "belongs to another user")
	good := sign(a.subject, "bob")
	refused("another name of the key", "approver", &domain.ApprovalSignature{Key: good.Key + "=", Signature: good.Signature}, "not registered")
	refused("another key named", "approver", &domain.ApprovalSignature{Key: approvaltest.Public("dora"), Signature: good.Signature}, "does not fit")
	refused("no bytes", "approver", &domain.ApprovalSignature{Key: good.Key}, "does not fit")
	raw, err := base64.StdEncoding.DecodeString(good.Signature)
	require.NoError(t, err)
	for i := range raw {
		damaged := slices.Clone(raw)
		damaged[i] ^= 1
		refused(fmt.Sprint("damaged at ", i), "approver", &domain.ApprovalSignature{Key: good.Key, Signature: base64.StdEncoding.EncodeToString(damaged)}, "does not fit")
	}
}

// requireSigned requires that one record of a stream holds a signature.
func requireSigned(t *testing.T, records []eventstore.Record, g *domain.ApprovalSignature) {
	t.Helper()
	held := 0
	for _, rec := range records {
		held += strings.Count(string(rec.Data), g.Signature)
	}
	require.Equal(t, 1, held, "the signature stands in the event")
}

// "Older live portfolios keep bearer approval until they are switched (two people), never
// back; paper keeps it."
func TestOlderPortfoliosAreSwitched(t *testing.T) {
	j := newJury(t)
	j.older(t)
	older := "/v1/portfolios/older"
	loosen := func() string {
		return older + "/overrides/" + j.asks(older+"/overrides", `{"kind":"limits","limits":{"max_daily_loss_pct":"0.08"},"reason":"more"}`) + "/confirm"
	}
	j.must("emma", loosen(), "")
	var v portfolioAnswer
	j.get("auditor", older).into(t, &v)
	require.False(t, v.SignedApprovals)

	id := j.asks(older+"/overrides", `{"kind":"signed_approvals","reason":"as new ones"}`)
	confirm := older + "/overrides/" + id + "/confirm"
	require.Equal(t, domain.CodeDenied, j.post("emma", confirm, "").code(t), "the switch is the first signed one")
	require.Equal(t, domain.CodeDenied, j.post("olga", confirm, "").code(t), "two people")
	j.must("approver", confirm, withSignature(t, "", approvaltest.Sign(t, j.shown("older", "override", id), "bob")))
	j.get("auditor", older).into(t, &v)
	require.True(t, v.SignedApprovals)
	require.Equal(t, domain.CodeDenied, j.post("emma", loosen(), "").code(t))
	require.Equal(t, domain.CodeConflict, j.post("operator", older+"/overrides", `{"kind":"signed_approvals","reason":"again"}`).code(t), "there is no way back")

	j.must("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	j.must("emma", main+"/emergency-stop/clear/"+j.asks(main+"/emergency-stop/clear", `{"reason":"no fire"}`)+"/confirm", "")
	require.Equal(t, domain.CodeConflict, j.post("operator", main+"/overrides", `{"kind":"signed_approvals","reason":"x"}`).code(t), "paper has none")
}

// "By bearer key (older live portfolios that were not switched: two people too, unsigned)",
// and "also through batches: no way past".
func TestAnOlderLivePortfolioIsCorrectedByTwo(t *testing.T) {
	j := newJury(t)
	j.older(t)
	older := "/v1/portfolios/older"
	alone := `{"account":"hot:treasury","amount":"5","reason":"found it"}`
	require.Equal(t, domain.CodeDenied, j.post("admin", older+"/adjustments", alone).code(t))
	batch := j.post("admin", older+"/batch", `{"commands":[{"idempotency_key":"`+uuid.NewString()+`","command":"post_adjustment","body":`+alone+`},
		{"idempotency_key":"`+uuid.NewString()+`","command":"request_override","body":{"kind":"adjustment","reason":"x"}}]}`)
	var v batchAnswer
	batch.into(t, &v)
	require.Equal(t, []int{http.StatusForbidden, http.StatusBadRequest}, []int{v.Results[0].Status, v.Results[1].Status}, batch.body)

	id := j.asks(older+"/overrides", `{"kind":"adjustment","limits":{"account":"hot:treasury","amount":"5"},"reason":"found it"}`)
	confirm := older + "/overrides/" + id + "/confirm"
	require.Equal(t, domain.CodeDenied, j.post("admin", confirm, "").code(t))
	var shown projections.Approval
	j.get("auditor", older+"/approvals/override/"+id).into(t, &shown)
	require.False(t, shown.Signed)
	j.must("emma", confirm, "")
	records := j.records("portfolio-older")
	require.Equal(t, domain.AdjustmentPostedType, records[len(records)-1].Type)
	require.Contains(t, string(records[len(records)-1].Data), `"override":"`+id+`"`)
	require.Equal(t, domain.OverrideRecordedType, records[len(records)-2].Type)
}

// A batch waits for no chain, so a market with a condition is registered by itself.
func TestABatchRegistersNoMarketWithACondition(t *testing.T) {
	r, _ := inCustody(t)
	market := `{"market":"rain","kind":"outcome","outcomes":["YES","NO"],"tokens":{"YES":"71","NO":"72"},"condition":"0x` + strings.Repeat("ab", 32) + `"}`
	var v batchAnswer
	r.post("operator", real+"/batch", `{"commands":[{"idempotency_key":"`+uuid.NewString()+`","command":"register_market","body":`+market+`}]}`).into(t, &v)
	require.Equal(t, http.StatusBadRequest, v.Results[0].Status)
	r.must("operator", real+"/markets", market)
}

// "A live portfolio whose stop could never be cleared" is not opened: the refusal says
// what to do first.
func TestNoLivePortfolioWithoutAnApprover(t *testing.T) {
	j := newJury(t)
	id := j.asks(main+"/overrides", `{"kind":"go_live","portfolio":"next","reason":"a month on paper"}`)
	revision := j.must("approver", main+"/overrides/"+id+"/confirm", withSignature(t, "", approvaltest.Sign(t, j.shown("main", "override", id), "bob")))
	var list approverList
	j.get("auditor", "/v1/approvers").into(t, &list)
	require.Equal(t, "bob", list.Approvers[0].User)
	j.call("admin", http.MethodDelete, "/v1/approvers/"+list.Approvers[0].Approver, uuid.NewString(), `{"reason":"lost"}`)
	open := fmt.Sprintf(`{"id":"next","mode":"live","gate":{"portfolio":"main","revision":%d}}`, revision)
	a := j.post("operator", "/v1/portfolios", open)
	require.Equal(t, domain.CodeConflict, a.code(t))
	require.Contains(t, a.body, "pets apikey request")
	require.Contains(t, a.body, "POST /v1/approvers")

	// "Revoking all approvers and then registering a first one must not count at once."
	j.register("emma")
	require.Equal(t, domain.CodeConflict, j.post("operator", "/v1/portfolios", open).code(t))
	*j.clock = j.clock.Add(24*time.Hour - time.Nanosecond)
	require.Equal(t, domain.CodeConflict, j.post("operator", "/v1/portfolios", open).code(t))
	*j.clock = j.clock.Add(time.Nanosecond)
	j.must("operator", "/v1/portfolios", open)
	var v portfolioAnswer
	j.get("auditor", "/v1/portfolios/next").into(t, &v)
	require.True(t, v.SignedApprovals)
}

// Each change of the approvers' keys is a critical notice, as issuing an approver's API
// key is; the answers and the list hold public halves only.
func TestApproversAreTold(t *testing.T) {
	j := newJury(t)
	var log strings.Builder
	j.api.log = slog.New(slog.NewTextHandler(&log, nil))
	id := j.register("emma")
	require.Contains(t, log.String(), "CRITICAL: an approver's key was registered")
	require.Contains(t, log.String(), approval.Fingerprint(approvaltest.Public("emma")))
	require.Equal(t, domain.CodeConflict, j.post("admin", "/v1/approvers", j.half("emma")).code(t), "a key is registered once")
	require.Equal(t, domain.CodeDenied, j.call("carl", http.MethodDelete, "/v1/approvers/"+id, uuid.NewString(), "").code(t), "an approver revokes the own keys only")
	require.Equal(t, http.StatusOK, j.call("emma", http.MethodDelete, "/v1/approvers/"+id, uuid.NewString(), `{"reason":"left it on a train"}`).status)
	require.Contains(t, log.String(), "CRITICAL: an approver's key was revoked")
	var list approverList
	j.get("auditor", "/v1/approvers").into(t, &list)
	require.Regexp(t, "^ledger-[0-9a-f]{32}$", list.Ledger)
	require.Len(t, list.Approvers, 4)
	require.Equal(t, approvaltest.Public("bob"), list.Approvers[0].PublicKey)
	require.True(t, list.Approvers[0].Counts)
	require.False(t, list.Approvers[1].Counts)
	require.NotNil(t, list.Approvers[3].RevokedAt)
	require.Nil(t, list.Approvers[3].Subject)
}

// GET /approvals lists all that waits, oldest first, as what an approver signs; a transfer
// that was approved shows by whom, and the signature over the same subject.
func TestApprovalsRoute(t *testing.T) {
	j := newJury(t)
	j.live(t)
	limits := j.asks(real+"/overrides", `{"kind":"limits","limits":{"max_daily_loss_pct":"0.08"},"reason":"more"}`)
	transfer := j.asks(real+"/transfers", `{"from":"hot","to":"cold","amount":"20","reason":"too much in hot"}`)
	var list approvalsAnswer
	j.get("auditor", real+"/approvals").into(t, &list)
	require.Len(t, list.Approvals, 2)
	require.Equal(t, []string{limits, transfer}, []string{list.Approvals[0].ID, list.Approvals[1].ID})
	require.Equal(t, j.shown("real", "transfer", transfer), list.Approvals[1].Subject)
	require.Len(t, list.Transfers, 1)
	require.Equal(t, "olga", list.Approvals[0].RequestedBy)

	g := approvaltest.Sign(t, list.Approvals[1].Subject, "bob")
	j.must("approver", real+"/transfers/"+transfer+"/approve", withSignature(t, `{"hash":"`+list.Transfers[0].Hash+`"}`, g))
	var v approvalAnswer
	j.get("auditor", real+"/approvals/transfer/"+transfer).into(t, &v)
	require.Equal(t, "bob", v.ApprovedBy)
	require.Equal(t, g, v.Signature)
	require.Equal(t, list.Approvals[1].Subject, v.Subject)
	require.Equal(t, domain.CodeNotFound, j.get("auditor", real+"/approvals/clear/"+transfer).code(t), "of another kind")
	*j.clock = j.clock.Add(24 * time.Hour)
	require.Equal(t, domain.CodeNotFound, j.get("auditor", real+"/approvals/override/"+limits).code(t), "it has expired")
	list = approvalsAnswer{}
	j.get("auditor", real+"/approvals").into(t, &list)
	require.Empty(t, list.Approvals)
}
