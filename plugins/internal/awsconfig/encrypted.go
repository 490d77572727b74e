package awsconfig

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// EndpointFault says what is wrong with the setting endpoint, if anything is. insecure is
// the setting allow_insecure.
func EndpointFault(endpoint, example string, insecure bool) (sdk.Fault, bool) {
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		return sdk.Fault{}, false
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return sdk.Fault{
			Path: "endpoint", Summary: "Not a URL",
			Detail: fmt.Sprintf("Write it with its scheme, such as %q.", example),
		}, true
	case u.Scheme == "http" && !insecure && !isLoopback(u.Hostname()):
		return sdk.Fault{
			Path: "endpoint", Summary: "Endpoint without TLS",
			Detail: "Whoever is on the way could read everything, and change it. Write https://, or allow_insecure = true if the way is safe.",
		}, true
	}
	return sdk.Fault{}, false
}

// isLoopback reports whether a host's name or address stays on this machine.
func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// encrypted sends no request in the clear beyond this machine: endpoints come from the
// environment and the AWS configuration files too, and an answer may redirect.
type encrypted struct{ aws.HTTPClient }

// Do implements [aws.HTTPClient].
func (c encrypted) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !isLoopback(r.URL.Hostname()) {
		return nil, sdk.Denied(errClear{r.URL.Host})
	}
	return c.HTTPClient.Do(r)
}

type errClear struct{ host string }

func (e errClear) Error() string {
	return fmt.Sprintf("the endpoint for %s has no TLS: let it begin with https://, or write allow_insecure = true if the way is safe", e.host)
}

// RetryableError tells the AWS SDK that another try is of no use.
func (e errClear) RetryableError() bool { return false }
