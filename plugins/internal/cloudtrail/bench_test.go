package cloudtrail_test

import (
	"bytes"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3/s3test"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// BenchmarkRead is all a source does with an object that lies in memory.
func BenchmarkRead(b *testing.B) {
	var objects []s3test.Object
	for o := range (s3test.Trail{Events: 2000, EventsPerObject: 1000}).Objects() {
		objects = append(objects, o)
	}
	events, size := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range objects {
			err := cloudtrail.Read(bytes.NewReader(o.Body), "", cloudtrail.Limits{}, func(page []sdk.Event) error {
				events += len(page)
				for i := range page {
					size += len(page[i].Raw)
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.SetBytes(int64(size / b.N)) // of the records, not of what is compressed
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
