package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// fakeCatalog knows plugins by kind and type.
type fakeCatalog map[string]map[string]fakePlugin

// A fakePlugin describes itself by a settings struct and checks settings the way a real
// one does.
type fakePlugin struct {
	settings func() any // a pointer to a new one
	err      error      // of Describe
}

func newCatalog(config.Agent, []config.Plugin) (config.Catalog, error) {
	return fakeCatalog{
		"source": {
			"s3":             {settings: func() any { return new(s3Settings) }},
			"file":           {settings: func() any { return new(fileSettings) }},
			"cloudtrail_api": {settings: func() any { return new(apiSettings) }},
		},
		"sink": {
			"rds_direct": {settings: func() any { return new(rdsSettings) }},
			"webhook":    {settings: func() any { return new(webhookSettings) }},
			"leaky":      {settings: func() any { return new(leakySettings) }},
			"broken":     {err: errors.New("plugin broken 1.0.0 does not answer")},
			"either":     {settings: func() any { return new(eitherSettings) }},
			"greedy":     {settings: func() any { return new(greedySettings) }},
		},
	}, nil
}

func (c fakeCatalog) Types(kind string) []string { return slices.Sorted(maps.Keys(c[kind])) }

func (c fakeCatalog) Describe(kind, typ string) (schema.Block, error) {
	p := c[kind][typ]
	if p.err != nil {
		return schema.Block{}, p.err
	}
	return schema.Of(p.settings())
}

func (c fakeCatalog) Validate(kind, typ string, settings json.RawMessage) []sdk.Fault {
	into := c[kind][typ].settings()
	if err := schema.Decode(settings, into); err != nil {
		return []sdk.Fault{{Summary: "Settings do not arrive as described", Detail: err.Error()}}
	}
	if v, ok := into.(sdk.Validator); ok {
		return v.Validate()
	}
	return nil
}

type s3Settings struct {
	Bucket              string      `agent:"bucket" desc:"Bucket that holds the trail."`
	Prefix              string      `agent:"prefix" desc:"Where to look." optional:"true"`
	Prefixes            []string    `agent:"prefixes" desc:"Several places to look." optional:"true"`
	Region              string      `agent:"region" desc:"Region of the bucket." optional:"true"`
	Profile             string      `agent:"profile" desc:"Profile of the AWS configuration." optional:"true"`
	AssumeRole          *assumeRole `agent:"assume_role,block" desc:"Role to take on."`
	Endpoint            string      `agent:"endpoint" desc:"URL of an S3-compatible server." optional:"true"`
	ForcePathStyle      bool        `agent:"force_path_style" desc:"Bucket in the path." optional:"true"`
	ExpectedBucketOwner string      `agent:"expected_bucket_owner" desc:"Account of the bucket." optional:"true"`

	Notifications *notifications `agent:"notifications,block" desc:"A queue that tells of new objects."`
}

type notifications struct {
	QueueURL   string        `agent:"queue_url" desc:"The queue."`
	Endpoint   string        `agent:"endpoint" desc:"Where it is asked." optional:"true"`
	Wait       time.Duration `agent:"wait" desc:"Of one request." default:"20s"`
	Visibility time.Duration `agent:"visibility" desc:"Of a message in hand." default:"5m"`
}

type apiSettings struct {
	Regions       []string `agent:"regions" desc:"Where to look." optional:"true"`
	EventCategory string   `agent:"event_category" desc:"Which events." default:"management"`
	Rate          float64  `agent:"rate" desc:"Requests a second." default:"1.8"`
	Endpoint      string   `agent:"endpoint" desc:"Where AWS is." optional:"true"`
	Lookup        *lookup  `agent:"lookup,block" desc:"Only some events."`
}

type lookup struct {
	EventName string `agent:"event_name" desc:"Of the event." optional:"true"`
}

type assumeRole struct {
	ARN        string `agent:"arn" desc:"The role."`
	ExternalID string `agent:"external_id" desc:"What the role's owner asks for." optional:"true"`
}

func (s s3Settings) Validate() []sdk.Fault {
	if s.Prefix != "" && len(s.Prefixes) > 0 {
		return []sdk.Fault{{Path: "prefix", Summary: "Two kinds of prefix", Detail: `write either "prefix" or "prefixes"`}}
	}
	return nil
}

type fileSettings struct {
	Paths []string `agent:"paths" desc:"Files, folders and globs." min:"1"`
}

type rdsSettings struct {
	Host          string `agent:"host" desc:"Host of the database." pattern:"^[^ ]+$"`
	Port          int    `agent:"port" desc:"Port." default:"5432" min:"1" max:"65535"`
	Database      string `agent:"database" desc:"Database." default:"postgres"`
	User          string `agent:"user" desc:"User." default:"postgres"`
	Password      string `agent:"password" desc:"Password." optional:"true" sensitive:"true"`
	Auth          string `agent:"auth" desc:"Login." optional:"true" enum:"password,iam"`
	Secret        string `agent:"password_secret" desc:"ARN of a secret." optional:"true"`
	Region        string `agent:"region" desc:"Region." optional:"true"`
	SSLMode       string `agent:"sslmode" desc:"TLS." default:"verify-full" enum:"verify-full,verify-ca,require,disable"`
	SSLRootCert   string `agent:"sslrootcert" desc:"CA." optional:"true"`
	GroupID       string `agent:"group_id" desc:"Group the rows belong to, a UUID."`
	GroupName     string `agent:"group_name" desc:"Its name." optional:"true"`
	SourceProduct string `agent:"source_product" desc:"Product." default:"cloudtrail"`
	Writers       int    `agent:"writers" desc:"Parallel writes." default:"4" min:"1" max:"32"`
}

func (s rdsSettings) Validate() []sdk.Fault {
	if regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(s.GroupID) {
		return nil
	}
	return []sdk.Fault{{Path: "group_id", Summary: "Not a UUID", Detail: fmt.Sprintf("%q is not a UUID", s.GroupID)}}
}

type webhookSettings struct {
	URL     string             `agent:"url" desc:"Where to post."`
	Token   string             `agent:"token" desc:"Bearer token." optional:"true" sensitive:"true" pattern:"^[^x]*$"`
	Headers map[string]string  `agent:"headers" desc:"More headers." optional:"true" sensitive:"true"`
	Labels  map[string]string  `agent:"labels" desc:"Labels." optional:"true" pattern:"^[a-z]+$"`
	Methods []string           `agent:"methods" desc:"Methods." default:"[\"POST\"]" enum:"POST,PUT,GET"`
	Buffer  int64              `agent:"buffer" desc:"Buffer." default:"1MiB" format:"size"`
	Timeout time.Duration      `agent:"timeout" desc:"Patience." default:"30s"`
	Ratio   float64            `agent:"ratio" desc:"Share." default:"0.5"`
	Retry   *webhookRetry      `agent:"retry,block" desc:"Retries."`
	Rules   []webhookRule      `agent:"rule,block" desc:"Rules."`
	Routes  map[string]webRule `agent:"route,block" desc:"Routes."`
}

type webhookRetry struct {
	Max int `agent:"max" desc:"Tries."`
}

type (
	webhookRule struct {
		Name   string `agent:"name" desc:"Name."`
		Number int    `agent:"number" desc:"Number." default:"1" max:"10"`
	}
	webRule = webhookRule
)

// Validate finds fault with whatever says so, to try the paths out.
func (s webhookSettings) Validate() []sdk.Fault {
	if s.URL != "https://fault.example.org" {
		return nil
	}
	return []sdk.Fault{
		{Path: "url", Summary: "A", Detail: "an attribute"},
		{Path: "token", Summary: "B", Detail: "the token " + s.Token + " is bad"},
		{Path: `headers["X-B"]`, Summary: "C", Detail: "an element of a map"},
		{Path: "methods[1]", Summary: "D", Detail: "an element of a list"},
		{Path: "methods[7]", Summary: "E", Detail: "an element that is not there"},
		{Path: "rule[1].number", Summary: "F", Detail: "an attribute of a repeated block"},
		{Path: "rule[0].number", Summary: "G", Detail: "an attribute that is not written"},
		{Path: `route["x.y"].name`, Summary: "H", Detail: "an attribute of a labelled block"},
		{Path: "retry", Summary: "I", Detail: "a block that is not written"},
		{Path: "rule[1]", Summary: "J", Detail: "a block"},
		{Path: "", Summary: "K", Detail: "everything"},
		{Path: "a]b[", Summary: "L", Detail: "a path that makes no sense"},
	}
}

type leakySettings struct {
	Key   string `agent:"key" desc:"Key." sensitive:"true"`
	Short string `agent:"short" desc:"Key." sensitive:"true"`
	Other string `agent:"other" desc:"Not known to be a key."`
}

func (s leakySettings) Validate() []sdk.Fault {
	return []sdk.Fault{{
		Path:    "key",
		Summary: "Key " + s.Key + " refused",
		Detail:  fmt.Sprintf("%s, %q and %s are no good", s.Key, s.Short, s.Other),
	}}
}

type greedySettings struct {
	Name string `agent:"name" desc:"Taken by the agent." optional:"true"`
}

// eitherSettings take exactly one of several ways to say something.
type eitherSettings struct {
	Key     string         `agent:"key" desc:"Key." sensitive:"true" one_of:"key"`
	KeyFile string         `agent:"key_file" desc:"File with the key." one_of:"key"`
	Vaults  []vault        `agent:"vault,block" desc:"Where the key is kept." one_of:"key"`
	Nested  []nestedEither `agent:"nested,block" desc:"More of it."`
}

type vault struct {
	Path string `agent:"path" desc:"Path."`
}

type nestedEither struct {
	Every time.Duration `agent:"every" desc:"Pause." one_of:"when"`
	At    string        `agent:"at" desc:"Time of day." one_of:"when"`
}
