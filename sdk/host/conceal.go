package host

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// blank stands where a secret was.
const blank = "********"

// shortestSecret is the length below which a value would be found in ordinary words.
const shortestSecret = 6

// A concealer blanks the secrets that were given to a plugin in what comes back from it.
// The zero value knows none.
type concealer struct {
	mu       sync.RWMutex
	forms    []string
	longest  int
	replacer *strings.Replacer
}

// add makes values known. A value of several lines is known by each of them, since a log
// is read line by line.
func (c *concealer) add(values []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, value := range values {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= shortestSecret {
				c.forms = append(c.forms, formsOf(line)...)
			}
		}
	}
	// The longest first: one secret may hold another.
	slices.SortFunc(c.forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	c.forms = slices.Compact(c.forms)
	if len(c.forms) == 0 {
		return
	}
	c.longest = len(c.forms[0])
	pairs := make([]string, 0, 2*len(c.forms))
	for _, form := range c.forms {
		pairs = append(pairs, form, blank)
	}
	c.replacer = strings.NewReplacer(pairs...)
}

// formsOf are the ways in which a text turns up in logs and messages: as it is, quoted by
// Go or JSON, within a URL, or as base64.
func formsOf(s string) []string {
	forms := []string{s, inner(strconv.Quote(s)), url.QueryEscape(s), url.PathEscape(s)}
	if quoted, err := json.Marshal(s); err == nil {
		forms = append(forms, inner(string(quoted)))
	}
	// As in a header of HTTP. Padding is what follows.
	return append(forms, base64.RawStdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)))
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// text returns s without secrets.
func (c *concealer) text(s string) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.replacer == nil {
		return s
	}
	return c.replacer.Replace(s)
}

// reach is how long the longest secret is.
func (c *concealer) reach() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.longest
}

// err returns e, or an error of the same kind without the secrets in its text.
func (c *concealer) err(e error) error {
	if e == nil {
		return nil
	}
	if text := c.text(e.Error()); text != e.Error() {
		return &concealed{text, e}
	}
	return e
}

type concealed struct {
	text string
	err  error
}

func (e *concealed) Error() string { return e.text }
func (e *concealed) Unwrap() error { return e.err }

// status does the same for the status of a call.
func (c *concealer) status(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	if text := c.text(s.Message()); text != s.Message() {
		return status.Error(s.Code(), text)
	}
	return err
}

// dialOptions has every answer of the plugin pass through c.
func (c *concealer) dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return c.status(invoke(ctx, method, req, reply, cc, opts...))
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			stream, err := open(ctx, desc, cc, method, opts...)
			return concealedStream{stream, c}, c.status(err)
		}),
	}
}

type concealedStream struct {
	grpc.ClientStream
	concealer *concealer
}

func (s concealedStream) RecvMsg(m any) error { return s.concealer.status(s.ClientStream.RecvMsg(m)) }

// Conceal makes values known that the plugin is given and that nobody else may read. From
// now on they are blanked in its log and in the errors of its calls, unless they are shorter
// than six characters.
func (p *Process) Conceal(values ...string) { p.secrets.add(values) }

// Concealed returns text, which came from the plugin, without the values to conceal.
func (p *Process) Concealed(text string) string { return p.secrets.text(text) }
