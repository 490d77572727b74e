package host

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLinesBeyondTheRateAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := newLineLog(slog.New(slog.NewTextHandler(&out, nil))).stream()
		write := func(n int) {
			for range n {
				_, _ = w.Write([]byte("line\n"))
			}
		}
		write(lineBurst + 7)
		if n := strings.Count(out.String(), "msg=line"); n != lineBurst {
			t.Errorf("%d lines at once", n)
		}
		<-time.After(time.Second)
		write(linesASecond)
		if n := strings.Count(out.String(), "msg=line"); n != lineBurst+linesASecond {
			t.Errorf("%d lines after a second", n)
		}
		if !strings.Contains(out.String(), "lines=7") {
			t.Errorf("nothing is said of the lines left out:\n%s", out.String()[:200])
		}
	})
}

// Whatever a plugin writes, in whatever pieces, each line is one record of the log.
func FuzzOutput(f *testing.F) {
	for _, line := range []string{
		"plain", `{"@message":1}`, `{"@level":[]}`, `{"msg":"m","level":"WARN","a":{"b":[1,null]}}`,
		`{"msg":null}`, `{"msg":"m","level":{}}`, "\x00\xff", "{", "\r", strings.Repeat("x", 70_000),
	} {
		f.Add([]byte(line+"\n"), 3)
	}
	f.Fuzz(func(t *testing.T, output []byte, cut int) {
		var out bytes.Buffer
		w := newLineLog(slog.New(slog.NewJSONHandler(&out, nil))).stream()
		cut = max(0, min(cut, len(output)))
		for _, part := range [][]byte{output[:cut], output[cut:]} {
			if n, err := w.Write(part); n != len(part) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		lines := 0
		for _, line := range bytes.Split(output[:bytes.LastIndexByte(output, '\n')+1], []byte("\n")) {
			if len(bytes.TrimRight(line[:min(len(line), maxLine)], "\r")) > 0 {
				lines++
			}
		}
		if got := bytes.Count(out.Bytes(), []byte("\n")); got > min(lines, lineBurst) {
			t.Errorf("%d records of %d lines", got, lines)
		}
	})
}
