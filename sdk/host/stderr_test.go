package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestLinesBeyondTheRateAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := newLineLog(slog.New(slog.NewTextHandler(&out, nil)), &concealer{}).stream()
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

func TestNoFormOfASecretReachesTheLog(t *testing.T) {
	const password, key = `pass"word&<7`, "-----BEGIN-----\nMIIBOgIBAAJBAK\n"
	var out bytes.Buffer
	secrets := &concealer{}
	secrets.add([]string{password, key, "short", ""})
	l := newLineLog(slog.New(slog.NewTextHandler(&out, nil)), secrets)
	w := l.stream()
	for _, line := range []string{
		"plain " + password, fmt.Sprintf("quoted %q", password), "in a URL https://u:" + url.QueryEscape(password) + "@h/" + url.PathEscape(password),
		`{"msg":"m pass\"word&<7","a":{"b":["pass\"word\u0026\u003c7"]}}`, "a line of a key: MIIBOgIBAAJBAK",
		strings.Repeat("x", maxLine-5) + password, strings.Repeat("x", maxLine+5) + password, "brief text stays",
	} {
		for _, b := range []byte(line + "\n") { // in the smallest pieces
			_, _ = w.Write([]byte{b})
		}
	}
	for _, text := range []string{out.String(), strings.Join(l.recent(), "\n")} {
		for _, part := range []string{"pass", "word", "MIIB"} {
			if i := strings.Index(text, part); i >= 0 {
				t.Errorf("a part of a secret in the log: %s", text[max(0, i-40):min(len(text), i+40)])
			}
		}
		if !strings.Contains(text, "brief text stays") || strings.Count(text, blank) < 6 {
			t.Errorf("log:\n%.2000s", text)
		}
	}
}

func TestAConcealedErrorKeepsItsKind(t *testing.T) {
	secrets := &concealer{}
	secrets.add([]string{"hunter2hunter2"})
	err := secrets.err(sdk.Denied(errors.New("hunter2hunter2 is refused")))
	if !sdk.IsDenied(err) || err.Error() != blank+" is refused" {
		t.Errorf("error %v", err)
	}
	if err := secrets.err(nil); err != nil {
		t.Errorf("of nil: %v", err)
	}
	err = secrets.status(status.Error(codes.NotFound, "no hunter2hunter2"))
	if status.Code(err) != codes.NotFound || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("status %v", err)
	}
	if err := secrets.status(io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("the end of a stream: %v", err)
	}
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
		w := newLineLog(slog.New(slog.NewJSONHandler(&out, nil)), &concealer{}).stream()
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
