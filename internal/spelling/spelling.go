// Package spelling compares names by how many slips of the keyboard lie between them, for
// messages that say what was probably meant.
//
// It owns the distance. It refuses to choose: how near is near enough depends on what the
// names are for, and is decided where they are.
package spelling

// Distance is the least number of bytes put in, left out or exchanged that make b of a.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			exchanged := diagonal
			if a[i] != b[j] {
				exchanged++
			}
			diagonal = row[j+1]
			row[j+1] = min(exchanged, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
