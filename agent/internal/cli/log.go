package cli

import (
	"io"
	"log/slog"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// newLog makes the agent's log, as the agent block says; level may be changed later. Each
// message is one line, and holds nothing that a terminal acts on: the text handler quotes
// such characters, and what the JSON handler lets through is escaped.
func newLog(w io.Writer, a config.Agent, level *slog.LevelVar) *slog.Logger {
	level.Set(a.LogLevel)
	o := &slog.HandlerOptions{Level: level}
	if a.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(plain.JSONWriter(w), o))
	}
	return slog.New(slog.NewTextHandler(plain.TextWriter(w), o))
}
