package filter

import "strings"

// nearest returns the name that word most likely stands for: the same but for case,
// changed in few characters, or without the beginning, as in region for awsRegion.
func nearest(word string, names []string) (string, bool) {
	best, bestDistance := "", 1+len(word)/3
	for _, name := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best != "" {
		return best, true
	}
	if len(word) < shortestPart {
		return "", false
	}
	for _, name := range names {
		if strings.HasSuffix(strings.ToLower(name), strings.ToLower(word)) {
			return name, true
		}
	}
	return "", false
}

// shortestPart is how long the end of a name must be to tell the name.
const shortestPart = 4

// distance is the number of bytes to insert, remove or replace to make b of a
// (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
