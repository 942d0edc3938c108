// Package torture tests the embedded event store against the worst failures of
// machines: it kills the writer, suspends it, cuts the power, fills its disk and
// makes its system calls fail, and then checks that nothing acknowledged is
// missing.
//
// It holds only tests, and a worker that the test binary becomes when it starts
// itself again. A test that lacks a tool or a permission is skipped and says so;
// with PETS_REQUIRE_TOOLS=1 a missing tool fails. It refuses to test what can be
// tested through the store's FS interface, without a process: those tests are in
// eventstore/embedded. docs/reliability.md says what each promise is based on.
package torture
