package cli

import (
	"io"
	"log/slog"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

// newLog makes the agent's log, as the agent block says.
func newLog(w io.Writer, a config.Agent) *slog.Logger {
	o := &slog.HandlerOptions{Level: a.LogLevel}
	if a.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
