package custody_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore"
)

// evacuate asks for an evacuation of cold to the partner, and works until it has a
// transaction.
func (s *server) evacuate(amount string) string {
	s.t.Helper()
	id := s.ask(commands.RequestTransfer{From: "cold", To: s.partner.Hex(), Amount: dec(amount), Reason: "the words leaked", Evacuate: true})
	s.idle()
	require.Equal(s.t, treasury.Prepared, s.transfer(id).Status)
	return id
}

// withdrawal asks for a payment out of cold to the partner, and works until it has a
// transaction.
func (s *server) withdrawal(amount string) string {
	s.t.Helper()
	id := s.ask(commands.RequestTransfer{From: "cold", To: s.partner.Hex(), Amount: dec(amount)})
	s.idle()
	require.Equal(s.t, treasury.Prepared, s.transfer(id).Status)
	return id
}

// mined works and mines until nothing changes any more.
func (s *server) mined() {
	s.t.Helper()
	for range 3 {
		s.idle()
		s.node.Mine(4)
	}
	s.idle()
}

func (s *server) ended(id string, status treasury.Status, code string) *treasury.Transfer {
	s.t.Helper()
	x := s.transfer(id)
	require.Equal(s.t, [2]string{string(status), code}, [2]string{string(x.Status), x.Code}, id)
	return x
}

// feesOf is what the ledger has of fees.
func (s *server) feesOf() domain.Decimal {
	sum := domain.Zero
	for account, amount := range s.state().Book {
		if account.Asset == coin && account.Place == "expense" {
			sum = sum.Add(amount)
		}
	}
	return sum
}

// "One transaction ends one transfer": an evacuation that pays what a signed withdrawal
// with its nonce pays, at the same fees, gets another transaction. Whichever of the two is
// included, one of them is confirmed, the other one replaced, and the money is booked once.
func TestAnEvacuationLikeASignedWithdrawal(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"the evacuation", "the withdrawal"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			x := s.withdrawal("8500")
			raw := s.signedElsewhere(x)
			s.bring(x)
			s.stop()
			e := s.evacuate("8500")
			require.Equal(t, s.transfer(x).Last().Nonce, s.transfer(e).Last().Nonce)
			require.NotEqual(t, s.transfer(x).Last().Digest, s.transfer(e).Last().Digest)
			paid, replaced := e, x
			if first == "the withdrawal" { // by whoever has the bytes
				paid, replaced = x, e
				require.NoError(t, s.chain().Send(s.ctx(), chainID, raw))
				s.node.Mine(4)
			}
			s.bring(e)
			s.mined()
			done := s.ended(paid, treasury.Confirmed, "")
			gone := s.ended(replaced, treasury.Failed, domain.FailedReplaced)
			require.Equal(t, done.TxHash, gone.TxHash)
			require.True(t, gone.Fee.IsZero())
			require.Contains(t, gone.Detail, paid)
			require.Equal(t, dec("8500"), s.holds(s.partner, "USDC"))
			require.True(t, s.state().Custody.Cold.IsZero())
			require.Equal(t, done.Fee, s.feesOf())
			s.agrees()
			s.rechecked(0)
		})
	}
}

// "Without that import nobody can free y truthfully": a prepared withdrawal whose nonce an
// evacuation has used ends by itself, whether what it pays is the same or not, and what was
// signed of it is not taken any more.
func TestAPreparedWithdrawalThatAnEvacuationOvertook(t *testing.T) {
	t.Parallel()
	for _, amount := range []string{"8500", "8000"} {
		t.Run(amount, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			y := s.withdrawal("8500")
			raw := s.signedElsewhere(y) // and not imported
			s.stop()
			e := s.evacuate(amount)
			require.NotEqual(t, s.transfer(y).Last().Digest, s.transfer(e).Last().Digest)
			s.bring(e)
			s.mined()
			done := s.ended(e, treasury.Confirmed, "")
			require.Equal(t, done.TxHash, s.ended(y, treasury.Failed, domain.FailedReplaced).TxHash)
			_, err := s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: y, Raw: raw}))
			s.code(domain.CodeConflict, err)
			require.Equal(t, dec("8500").Sub(dec(amount)), s.state().Custody.Cold)
			s.agrees()
			s.rechecked(0)
		})
	}
}

// "Hot: hot→cold 1020 broadcast and not mined; stop; POST sweep with amount 1020."
func TestASweepLikeATransferThatIsOnItsWay(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"the sweep", "the transfer"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			x, block := s.sending()
			s.stop()
			if first == "the sweep" {
				s.node.Forget()
			}
			e := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10"), Reason: "a drill", Sweep: true})
			_, _ = s.custody.Work(s.ctx(), main) // the transfer may not be sent again
			require.Equal(t, s.transfer(x).Last().Nonce, s.transfer(e).Last().Nonce)
			require.NotEqual(t, s.transfer(x).Last().Digest, s.transfer(e).Last().Digest)
			s.mined()
			require.Len(t, s.sent(s.hot, block), 1)
			var outcomes []string
			for _, id := range []string{x, e} {
				one := s.transfer(id)
				outcomes = append(outcomes, string(one.Status)+one.Code)
			}
			require.ElementsMatch(t, []string{"confirmed", "failed" + domain.FailedReplaced}, outcomes)
			s.agrees()
			s.rechecked(0)
		})
	}
}

// "Twin cancellations need no equal amounts: cancel a cold transfer and the evacuation with
// its nonce. Same bytes, both failed cancelled, fee booked twice."
func TestTwinCancellations(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	x := s.withdrawal("5")
	s.stop()
	e := s.evacuate("7")
	s.must(olga, commands.CancelTransfer{Transfer: e, Reason: "a test"})
	s.idle()
	s.clear()
	s.must(olga, commands.CancelTransfer{Transfer: x, Reason: "a test"})
	s.idle()
	require.True(t, s.transfer(x).Last().Cancel && s.transfer(e).Last().Cancel)
	require.NotEqual(t, s.transfer(x).Last().Digest, s.transfer(e).Last().Digest)
	s.bring(x)
	s.bring(e)
	s.mined()
	var codes []string
	fees := domain.Zero
	for _, id := range []string{x, e} {
		one := s.transfer(id)
		codes, fees = append(codes, one.Code), fees.Add(one.Fee)
	}
	require.ElementsMatch(t, []string{domain.FailedCancel, domain.FailedReplaced}, codes)
	require.Equal(t, fees, s.feesOf())
	s.agrees()
	s.rechecked(0)
}

// clear clears the stop, on the word of two people.
func (s *server) clear() {
	s.t.Helper()
	s.must(olga, commands.RequestClear{Reason: "the drill is over"})
	s.must(paul, commands.ConfirmClear{Request: s.state().Stop.Request})
}

// "A true number is refused and a false one forced": y's signed file was sent directly, and
// the evacuation with its nonce was imported. The fee of y's transaction is booked once,
// with whichever of the two names it first.
func TestAFeeIsBookedOncePerTransaction(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]string{"with the one that paid it": "0", "with the one that was replaced": ""} {
		for _, amount := range []string{"8000", "8500"} {
			t.Run(name+" "+amount, func(t *testing.T) {
				t.Parallel()
				s := newWorld(t).inMemory()
				y := s.withdrawal("8500")
				raw := s.signedElsewhere(y)
				s.stop()
				e := s.evacuate(amount)
				require.NoError(t, s.chain().Send(s.ctx(), chainID, raw))
				s.node.Mine(4)
				s.bring(e)
				s.idle()
				require.ErrorContains(t, s.work(), "pets cold import")
				tx := s.sent(s.cold.Address, 0)[0].Hash()
				receipt, err := s.rpc().TransactionReceipt(t.Context(), tx)
				require.NoError(t, err)
				paid, err := s.registry.Assets[0].Amount(unitsOf(t, receipt))
				require.NoError(t, err)
				fee := with
				if fee == "" {
					fee = paid.String()
				}
				settle := func(id, outcome, fee string) error {
					asked, err := s.custody.RequestOverride(s.ctx(), main, by(olga, commands.RequestOverride{
						Kind: domain.OverrideTransfer, Reason: "they looked", Limits: settlement(id, outcome, tx.Hex(), receipt.BlockNumber.Uint64(), fee),
					}))
					if err == nil {
						_, err = s.custody.ConfirmOverride(s.ctx(), main, by(paul, s.signed(commands.ConfirmOverride{Override: asked.ID})))
					}
					return err
				}
				require.NoError(t, settle(e, "failed", fee))
				if with == "" { // its fee is in the ledger
					require.ErrorContains(t, settle(y, "confirmed", paid.String()), "limits.fee")
					require.NoError(t, settle(y, "confirmed", "0"))
				} else {
					require.ErrorContains(t, settle(y, "confirmed", "0"), "limits.fee")
					require.NoError(t, settle(y, "confirmed", paid.String()))
				}
				require.Equal(t, paid, s.feesOf())
				s.rechecked(0)
				s.agrees()
			})
		}
	}
}

// Two people may not say of one transaction that it made two payments, and what was signed
// of the one that made it ends both by itself.
func TestAnImportEndsBoth(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	y := s.withdrawal("8500")
	raw := s.signedElsewhere(y)
	s.stop()
	e := s.evacuate("8500")
	require.NoError(t, s.chain().Send(s.ctx(), chainID, raw))
	s.node.Mine(4)
	s.bring(e)
	s.idle()
	_, err := s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: y, Raw: raw}))
	if err != nil { // a stop stops imports, too
		s.clear()
		_, err = s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: y, Raw: raw}))
	}
	require.NoError(t, err)
	hash := s.transfer(y).Last().TxHash
	_, err = s.do(olga, commands.RequestOverride{Kind: domain.OverrideTransfer, Reason: "they say so", Limits: settlement(e, "confirmed", hash, 7, "0")})
	require.ErrorContains(t, err, "one transaction ends one transfer")
	_, err = s.do(olga, commands.RequestOverride{Kind: domain.OverrideTransfer, Reason: "they say so", Limits: settlement(e, "failed", hash, 7, "0.1")})
	require.ErrorContains(t, err, "limits.fee")
	s.mined()
	require.Equal(t, hash, s.ended(y, treasury.Confirmed, "").TxHash)
	require.Equal(t, hash, s.ended(e, treasury.Failed, domain.FailedReplaced).TxHash)
	s.agrees()
	s.rechecked(0)
}

// write appends an event to the stream as another build would have.
func (s *server) write(e domain.Event) {
	s.t.Helper()
	data, err := domain.Encode(e)
	require.NoError(s.t, err)
	meta, err := json.Marshal(domain.Metadata{Actor: domain.ServerUser, Role: domain.RoleAdmin, Command: "confirm_transfer", CommandID: uuid.NewString(), RequestHash: strings.Repeat("ab", 32)})
	require.NoError(s.t, err)
	head, err := s.truth.Head(s.t.Context(), commands.Stream(main))
	require.NoError(s.t, err)
	_, err = s.truth.Append(s.t.Context(), commands.Stream(main), eventstore.Expected(int64(head)), []eventstore.Proposed{{
		ID: uuid.New(), Type: e.EventType(), Time: s.state().Time, Metadata: meta, Data: data,
	}})
	require.NoError(s.t, err)
}

// "State from before that holds such a pair is … mended by the recheck": an older build gave both transfers the same transaction, and booked it twice.
func TestAPairOfAnOlderBuildIsMended(t *testing.T) {
	t.Parallel()
	for name, older := range map[string]func(*server, *treasury.Transfer, string){
		"both confirmed": func(s *server, x *treasury.Transfer, e string) {
			last := x.Last()
			s.write(&domain.TransferPrepared{Transfer: e, Transaction: last.Transaction, Nonce: last.Nonce, Digest: last.Digest})
			s.write(&domain.TransferSigned{Transfer: e, Digest: last.Digest, TxHash: last.TxHash, Raw: last.Raw})
			s.write(&domain.TransferBroadcast{Transfer: e, TxHash: last.TxHash})
			s.write(&domain.TransferConfirmed{Transfer: e, TxHash: x.TxHash, Block: x.Block, Fee: x.Fee})
		},
		"the fee twice": func(s *server, x *treasury.Transfer, e string) {
			last := s.transfer(e).Last()
			s.write(&domain.TransferSigned{Transfer: e, Digest: last.Digest, TxHash: madeUp, Raw: "0x01"})
			s.write(&domain.TransferFailed{Transfer: e, Code: domain.FailedByHand, TxHash: x.TxHash, Block: x.Block, Fee: x.Fee})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t).inMemory()
			x := s.withdrawal("5")
			s.stop()
			e := s.evacuate("5")
			s.clear()
			s.bring(x)
			s.idle()
			s.node.Mine(4)
			// Only x, whatever the custodian would do with e.
			out, err := s.chain().Follow(s.ctx(), s.transfer(x).Attempts)
			require.NoError(t, err)
			s.write(&domain.TransferConfirmed{Transfer: x, TxHash: out.TxHash, Block: out.Block, Fee: out.Fee})
			older(s, s.transfer(x), e)
			require.False(t, s.transfer(e).Open())
			require.Equal(t, out.Fee.Add(out.Fee), s.feesOf())
			require.Equal(t, 1, s.doubles())

			s.rechecked(1)
			require.Equal(t, 0, s.doubles())
			s.mined()
			s.ended(x, treasury.Confirmed, "")
			require.Equal(t, out.TxHash, s.ended(e, treasury.Failed, domain.FailedReplaced).TxHash)
			require.Equal(t, out.Fee, s.feesOf())
			s.rechecked(0)
			s.agrees()
		})
	}
}

// doubles is how many recorded ends are wrong whatever the chain says.
func (s *server) doubles() int {
	s.t.Helper()
	return len(s.state().Custody.DoubleEnds())
}
