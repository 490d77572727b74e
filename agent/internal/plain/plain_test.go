package plain_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// hostile draws texts of which many hold what a terminal or a reader of lines acts on.
func hostile() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"\n", "\r", "\t", "\x00", "\x1b[2J\x1b[1;1H", "\x1b]0;title\x07", "\x7f", "\u009b31m", "\u0085", "\u2028", "\u2029", "\u202e", "\u2066",
			"\xff", "\xc2", "\xe2\x80", "\ufffd", "\ufeff", "\U000e0001", `\`, `"`, "time=2026-01-01T00:00:00Z level=ERROR msg=forged", "agent: forged",
		}),
		rapid.String(),
		rapid.StringMatching(`[ -~]{0,20}`),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
	})
}

// acts is the first character of a text that a terminal acts on or that breaks a line.
func acts(text string) (rune, bool) {
	if !utf8.ValidString(text) {
		return utf8.RuneError, true
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return r, true
		}
	}
	return 0, false
}

func TestTextHoldsNothingThatATerminalActsOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := hostile().Draw(t, "text")
		if r, bad := acts(plain.Text(in)); bad {
			t.Fatalf("Text(%q) holds %U", in, r)
		}
		for i, line := range strings.Split(plain.Lines(in), "\n") {
			if r, bad := acts(line); bad || i > 0 && !strings.HasPrefix(line, "  ") {
				t.Fatalf("line %d of Lines(%q) is %q (%U)", i, in, line, r)
			}
		}
	})
}

func TestOrdinaryTextStaysAsItIs(t *testing.T) {
	for _, text := range []string{"", "read s3://bucket/key", "한국어 ✓ é", `back\slash "quoted"`} {
		if got := plain.Text(text); got != text {
			t.Errorf("Text(%q) = %q", text, got)
		}
	}
}

// Every way in which the agent logs text from outside: as a message, as a value, as a
// name, inside of values, and as an error.
func TestOneMessageIsOneLineOfTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := hostile().Draw(t, "text")
		for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(plain.TextWriter(b), nil) },
			"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(plain.JSONWriter(b), nil) },
		} {
			var out bytes.Buffer
			log := slog.New(handler(&out)).With("with", in, "name "+in, 1)
			log.Error(in, "value", in, "map", map[string]any{in: []any{in}}, "list", []string{in}, "err", errorString(in)) //nolint:sloglint // what is tested
			line, more, _ := strings.Cut(out.String(), "\n")
			if more != "" {
				t.Fatalf("%s: %q makes more than one line:\n%s", name, in, out.String())
			}
			if r, bad := acts(line); bad {
				t.Fatalf("%s: %q leaves %U in\n%q", name, in, r, line)
			}
		}
	})
}

type errorString string

func (e errorString) Error() string { return string(e) }

func TestJSONMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := map[string]string{"k" + hostile().Draw(t, "key"): hostile().Draw(t, "value")}
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]string
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		out := plain.JSON(raw)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q became %q: %v", raw, out, err)
		}
		for k, v := range want {
			if got[k] != v {
				t.Fatalf("%q became %q", raw, out)
			}
		}
		if r, bad := acts(string(out)); bad {
			t.Fatalf("%U in %q", r, out)
		}
	})
}
