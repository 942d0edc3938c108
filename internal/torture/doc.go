// Package torture treats the embedded event store as machines do on their worst
// days: it kills the writer, stops it, cuts the power under it, fills its disk
// and answers its system calls with errors, and then asks whether anything that
// was acknowledged is missing.
//
// It holds tests only, and a worker that the test binary becomes when it starts
// itself anew. What needs a tool or a right that is missing skips and says so;
// with PETS_REQUIRE_TOOLS=1 a missing tool fails. It refuses to test what can be
// tested through the seam of the store, without a process: those tests are in
// eventstore/embedded. What each promise rests on: docs/reliability.md.
package torture
