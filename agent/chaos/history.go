package main

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"

	"github.com/s-developer-team-inu/inu-logsmith/agent/chaos/internal/oracle"
)

// filesConfig reads a folder. The s3 source beside it brings the marker.
func filesConfig() string {
	return strings.Replace(listedConfig, filterBlock, "  source \"file\" {\n    paths    = [\"logs\"]\n    interval = \"1s\"\n  }\n"+filterBlock, 1)
}

// filesKilled is agentKilled with a folder of files as the source.
func filesKilled(t *trial) error {
	if err := t.Configure(filesConfig()); err != nil {
		return err
	}
	t.Folder = filepath.Join(t.Dir, "logs")
	defer func() { t.Folder = "" }()
	if err := agentKilled(t); err != nil {
		return err
	}
	return t.stopFeeding() // what comes later comes through S3
}

// historyLookedUp reads the event history, which throttles every other request and whose
// tokens do not live long, beside bucket and queue; the agent is killed now and then.
func historyLookedUp(t *trial) error {
	service := lookuptest.New(lookuptest.Options{Regions: []string{oracle.Region}, TokenLife: 3 * time.Second})
	var asked, refused atomic.Int64
	service.Refuse(func(lookuptest.Request) string {
		if asked.Add(1)%2 == 0 {
			return ""
		}
		refused.Add(1)
		return "ThrottlingException"
	})
	l, err := new(net.ListenConfig).Listen(t.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: service, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // until Close
	t.cleanups = append(t.cleanups, func() { _ = server.Close() })

	const events = 600
	var issued []oracle.Issued
	var looked []lookuptest.Event
	for i := range events {
		at := time.Now().Add(-15*time.Minute - time.Duration(i)*9*time.Second).UTC().Truncate(time.Second)
		id := t.Generator.ID()
		text := fmt.Sprintf(`{"eventVersion":"1.11","eventID":%q,"eventTime":%q,"eventName":"DescribeInstances","eventSource":"ec2.amazonaws.com",`+
			`"awsRegion":%q,"recipientAccountId":%q,"readOnly":true,"requestParameters":{"n":%d}}`, id, at.Format(time.RFC3339), oracle.Region, oracle.Account, i)
		issued = append(issued, oracle.NewIssued(id, oracle.Kept, text))
		looked = append(looked, lookuptest.Event{ID: id, Name: "DescribeInstances", Source: "ec2.amazonaws.com", ReadOnly: true, Time: at, Record: text})
	}
	if err := t.Manifest.Issue("", issued); err != nil {
		return err
	}
	service.Add(oracle.Region, looked...)
	source := fmt.Sprintf("  source \"cloudtrail_api\" {\n    regions  = [%q]\n    since    = \"2h\"\n    interval = \"1s\"\n    endpoint = %q\n  }\n",
		oracle.Region, "http://"+l.Addr().String())
	if err := t.Configure(strings.Replace(defaultConfig, filterBlock, source+filterBlock, 1)); err != nil {
		return err
	}
	if err := t.busy(); err != nil {
		return err
	}
	for range max(t.kills, 3) {
		t.between(2*time.Second, 6*time.Second)
		if err := t.crash(); err != nil {
			return err
		}
	}
	err = t.until("the history is stored", 4*time.Minute, func() bool {
		var n int
		return t.owner.QueryRow(t.ctx, `select count(*)::int from cloudtrail where event_name = 'DescribeInstances' and event_source = 'ec2.amazonaws.com'`).Scan(&n) == nil && n >= events
	})
	t.note("%d of %d requests were throttled, at most %d in a second", refused.Load(), asked.Load(), service.Busiest())
	if service.Busiest() > 2 {
		t.wrong("%d requests in a second, CloudTrail takes 2", service.Busiest())
	}
	if refused.Load() == 0 {
		return errVoid("no request was throttled")
	}
	return err
}
