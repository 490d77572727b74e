package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// A printer is the sink of a dry run: it prints each event as one line of JSON, and
// remembers nothing.
type printer struct{ w io.Writer }

// Write prints the events. A record that is not valid JSON is printed as a JSON string.
func (p *printer) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	var out bytes.Buffer
	for _, e := range b.Events {
		mark := out.Len()
		if json.Compact(&out, e.Raw) != nil {
			out.Truncate(mark)
			quoted, err := json.Marshal(string(e.Raw))
			if err != nil {
				return sdk.Result{}, fmt.Errorf("quote record %s: %w", e.ID, err)
			}
			out.Write(quoted)
		}
		out.WriteByte('\n')
	}
	if _, err := p.w.Write(plain.JSON(out.Bytes())); err != nil {
		return sdk.Result{}, sdk.Denied(fmt.Errorf("print events: %w", err))
	}
	return sdk.Result{}, nil
}

// Done knows nothing: a dry run shows everything that lies in its range.
func (p *printer) Done(_ context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	return make([]sdk.SplitState, len(q.Splits)), nil
}
