package domain

// ApprovalSignature is the signature of an approver over what was shown (package
// approval), as it stands in requests and events. It holds no secret.
type ApprovalSignature struct {
	// Key is the public key in its text form, Signature the 64 bytes of Ed25519 in
	// standard base64.
	Key       string `json:"key"`
	Signature string `json:"signature"`
}
