package s3

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// What answers in place of S3 must not look like a bucket without logs.
func TestAPageOfAProxyIsNoEmptyBucket(t *testing.T) {
	for name, body := range map[string]string{
		"an empty page":   "",
		"a page of HTML":  "<html><body>Please log in</body></html>",
		"another element": `<?xml version="1.0"?><Welcome/>`,
	} {
		t.Run(name, func(t *testing.T) {
			credentialed(t)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
			defer srv.Close()
			src, err := open(t.Context(), Settings{Bucket: bucket, Endpoint: srv.URL, ForcePathStyle: true}, quick())
			if err != nil {
				t.Fatal(err)
			}
			splits, err := discover(t, src, sdk.TimeRange{})
			if err == nil || len(splits) > 0 {
				t.Errorf("Discover = %d splits, %v, want an error", len(splits), err)
			} else if body == "" && !strings.Contains(err.Error(), "no listing") {
				t.Errorf("Discover = %v", err)
			}
		})
	}
}
