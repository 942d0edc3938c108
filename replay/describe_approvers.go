package replay

import (
	"fmt"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/approval"
)

// describeApprovers describes the events of approvers' keys.
func describeApprovers(event domain.Event) string {
	switch e := event.(type) {
	case *domain.ApproverRegistered:
		return fmt.Sprintf("approver's key %s of %s registered by %s, fingerprint %s, counts from %s", e.Approver, e.User, e.By, approval.Fingerprint(e.PublicKey), e.CountsFrom.UTC().Format(time.RFC3339))
	case *domain.ApproverVouched:
		return fmt.Sprintf("approver's key %s counts by the word of %s", e.Approver, e.By)
	case *domain.ApproverRevoked:
		return strings.TrimSuffix(fmt.Sprintf("approver's key %s revoked by %s: %s", e.Approver, e.By, e.Reason), ": ")
	default:
		return event.EventType()
	}
}
