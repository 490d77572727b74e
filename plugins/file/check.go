package file

import (
	"context"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/access"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

var _ sdk.Checker = (*Source)(nil)

// Check lists the files. That each can be opened shows when it is read.
func (s *Source) Check(ctx context.Context) []sdk.Finding {
	var r access.Report
	files := 0
	err := s.Discover(ctx, sdk.TimeRange{}, func(page []sdk.Split) error {
		files += len(page)
		return nil
	})
	switch {
	case err != nil:
		r.Fail("paths", err, "")
	case files == 0:
		r.Warn("paths", "no file that ends in .json or .json.gz", "check paths")
	default:
		r.OK("paths", "files found: %d", files)
	}
	return r.Findings
}
