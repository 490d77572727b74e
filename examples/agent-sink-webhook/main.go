// agent-sink-webhook is a sink for the agent: it posts CloudTrail records to an HTTPS
// endpoint, a batch in one request, signed as Standard Webhooks describes
// (https://www.standardwebhooks.com).
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

func main() { plugin.ServeSink("webhook", "1.0.0", open) }

// Settings are those of a block `sink "webhook"`.
type Settings struct {
	_        struct{}          `desc:"Posts records to an HTTPS endpoint, a batch in one request."`
	URL      string            `agent:"url" desc:"Where to post."`
	Secret   string            `agent:"secret" desc:"Key of the signature: whsec_ and base64, or any text." optional:"true" sensitive:"true"`
	Headers  map[string]string `agent:"headers" desc:"More headers, such as Authorization." optional:"true" sensitive:"true"`
	CAFile   string            `agent:"ca_file" desc:"Certificates to trust instead of the system's, PEM." optional:"true"`
	Timeout  time.Duration     `agent:"timeout" desc:"Patience with one request." default:"30s" min:"1s"`
	Attempts int               `agent:"attempts" desc:"Requests for one batch before the agent is told; it then tries again, ever slower." default:"3" min:"1" max:"10"`
	Parallel int               `agent:"parallel" desc:"Requests at a time." default:"2" min:"1" max:"32"`
}

// Validate refuses what tags cannot: credentials and events must not travel in clear.
func (s Settings) Validate() []sdk.Fault {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "":
		return []sdk.Fault{{Path: "url", Summary: "Not a URL", Detail: "Write it as https://host/path."}}
	case u.User != nil:
		return []sdk.Fault{{Path: "url", Summary: "Password in the URL", Detail: `Write it into "headers", where it is kept secret.`}}
	case u.Scheme != "https":
		return []sdk.Fault{{Path: "url", Summary: "Not HTTPS", Detail: "Events hold names and addresses; post them to an https URL."}}
	}
	if _, err := signingKey(s.Secret); err != nil {
		return []sdk.Fault{{Path: "secret", Summary: "Not a key", Detail: "What follows whsec_ must be base64."}}
	}
	return nil
}

// A sink posts to one endpoint. Its methods may be called concurrently.
type sink struct {
	settings Settings
	key      []byte
	client   *http.Client
}

// open does not connect: an endpoint that is down shows in Write, which is retried.
func open(_ context.Context, s Settings) (sdk.Sink, error) {
	if faults := s.Validate(); len(faults) > 0 {
		return nil, sdk.Invalid(errors.New(faults[0].Detail))
	}
	key, err := signingKey(s.Secret)
	if err != nil {
		return nil, sdk.Invalid(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.Parallel
	if s.CAFile != "" {
		if transport.TLSClientConfig, err = trusting(s.CAFile); err != nil {
			return nil, sdk.Denied(err)
		}
	}
	return &sink{settings: s, key: key, client: &http.Client{
		Transport: transport,
		Timeout:   s.Timeout,
		// A redirect could lead the headers, and what is signed, to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// Parallel is the setting of that name.
func (s *sink) Parallel() int { return s.settings.Parallel }

// Close is called once all writes have returned.
func (s *sink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
