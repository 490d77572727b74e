package cli

import (
	"testing"
	"unicode"
)

func TestWhatOthersWroteDoesNotSteerTheTerminal(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"printable text stays", `{"userAgent":"aws-cli/2 \"é\" 한국어 \u0000"}`, `{"userAgent":"aws-cli/2 \"é\" 한국어 \u0000"}`},
		{"escape sequences", "\x1b[2J\x07", `\x1b[2J\a`},
		{"controls of eight bits", "\u009b2J", `\u009b2J`},
		{"one line stays one line", "a\r\nb\tc\u2028d", `a\r\nb\tc\u2028d`},
		{"text that turns its direction", "\u202egnp.exe", `\u202egnp.exe`},
		{"bytes that are not UTF-8", "a\xff\xc3", `a\xff\xc3`},
		{"the replacement character itself", "\ufffd", "\ufffd"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := escaped(tc.text)
			if got != tc.want {
				t.Errorf("escaped(%q) = %q, want %q", tc.text, got, tc.want)
			}
			for _, r := range got {
				if !unicode.IsPrint(r) {
					t.Errorf("escaped(%q) = %q holds %q", tc.text, got, r)
				}
			}
		})
	}
}
