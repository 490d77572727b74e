package file

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Settings are those of a source "file" block.
type Settings struct {
	Paths []string `agent:"paths" min:"1" desc:"Files, folders or patterns such as \"/evidence/*/AWSLogs\". Of a folder every .json and .json.gz below it is read; digests never are."`
}

// Validate checks the patterns.
func (s Settings) Validate() []sdk.Fault {
	var faults []sdk.Fault
	for i, p := range s.Paths {
		f := sdk.Fault{Path: fmt.Sprintf("paths[%d]", i)}
		_, err := filepath.Match(p, "")
		switch {
		case p == "":
			f.Summary, f.Detail = "Empty path", "Name a file, a folder or a pattern."
		case strings.Contains(p, "**"):
			f.Summary, f.Detail = "** is not understood", "Name the folder itself: all files below it are read."
		case err != nil:
			f.Summary, f.Detail = "Bad pattern", `Patterns know *, ?, [a-z] and \ before a character that stands for itself.`
		default:
			continue
		}
		faults = append(faults, f)
	}
	return faults
}
