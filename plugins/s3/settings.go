package s3

import (
	"fmt"
	"strings"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Settings are those of a source "s3" block.
type Settings struct {
	Bucket   string   `agent:"bucket" pattern:"^\\S+$" desc:"The bucket that CloudTrail writes to."`
	Prefix   string   `agent:"prefix" optional:"true" desc:"Read only keys that begin with this, such as AWSLogs/123456789012/CloudTrail/. Everything in the bucket if absent. Accounts and Regions below it are found, new ones within an hour."`
	Prefixes []string `agent:"prefixes" optional:"true" desc:"Several prefixes, instead of prefix."`

	Region     string      `agent:"region" optional:"true" desc:"The bucket's Region. The default is that of the environment or profile."`
	Profile    string      `agent:"profile" optional:"true" desc:"A profile of the AWS configuration files, for credentials and Region."`
	AssumeRole *AssumeRole `agent:"assume_role,block" desc:"A role to take on before reading."`

	Notifications *Notifications `agent:"notifications,block" desc:"A queue that announces new objects, so that they are read at once. The listing goes on beside it, as the net."`

	Endpoint            string `agent:"endpoint" optional:"true" desc:"URL of an S3-compatible server, instead of AWS."`
	ForcePathStyle      bool   `agent:"force_path_style" default:"false" desc:"Put the bucket in the URL's path, as most S3-compatible servers want it."`
	AllowInsecure       bool   `agent:"allow_insecure" default:"false" desc:"Let an endpoint on another machine begin with http://. Whoever is on the way can then read everything and change it."`
	ExpectedBucketOwner string `agent:"expected_bucket_owner" optional:"true" pattern:"^([0-9]{12})?$" desc:"Account that must own the bucket; any other is refused."`
}

// AssumeRole is a role to take on with the credentials found.
type AssumeRole = awsconfig.AssumeRole

// Notifications say where new objects are announced.
type Notifications struct {
	QueueURL   string        `agent:"queue_url" pattern:"^https?://[^/\\s]+/\\S+$" desc:"URL of the SQS queue that hears of new objects, from S3, SNS, EventBridge or CloudTrail itself. Its Region is the queue's."`
	Endpoint   string        `agent:"endpoint" optional:"true" desc:"URL of a VPC endpoint for SQS, or of a server that stands in for it. That of queue_url if absent."`
	Wait       time.Duration `agent:"wait" default:"20s" min:"1s" max:"20s" desc:"How long one request waits for messages."`
	Visibility time.Duration `agent:"visibility" default:"5m" min:"30s" max:"6h" desc:"How long a message stays out of other agents' sight when this one has vanished. It is renewed while its objects are read."`
}

// Validate checks what the tags cannot say.
func (s Settings) Validate() []sdk.Fault {
	var faults []sdk.Fault
	if s.Prefix != "" && len(s.Prefixes) > 0 {
		faults = append(faults, sdk.Fault{
			Path: "prefixes", Summary: "Both prefix and prefixes",
			Detail: "Write either one prefix or the list prefixes.",
		})
	}
	if f, bad := slashFault("prefix", s.Prefix); bad {
		faults = append(faults, f)
	}
	for i, p := range s.Prefixes {
		path := fmt.Sprintf("prefixes[%d]", i)
		if p == "" {
			faults = append(faults, sdk.Fault{
				Path: path, Summary: "Empty prefix",
				Detail: "An empty prefix names the whole bucket; leave prefixes out to read all of it.",
			})
		} else if f, bad := slashFault(path, p); bad {
			faults = append(faults, f)
		}
	}
	if f, bad := awsconfig.EndpointFault(s.Endpoint, "https://minio.example.com:9000", s.AllowInsecure); bad {
		faults = append(faults, f)
	}
	if s.Notifications != nil {
		if f, bad := awsconfig.EndpointFault(s.Notifications.Endpoint, "https://vpce-0a1b2c.sqs.ap-northeast-2.vpce.amazonaws.com", s.AllowInsecure); bad {
			f.Path = "notifications." + f.Path
			faults = append(faults, f)
		}
		if f, bad := awsconfig.EndpointFault(s.Notifications.QueueURL, "https://sqs.ap-northeast-2.amazonaws.com/123456789012/trail", s.AllowInsecure); bad && s.Notifications.Endpoint == "" {
			f.Path, f.Summary = "notifications.queue_url", strings.Replace(f.Summary, "Endpoint", "Queue", 1)
			faults = append(faults, f)
		}
	}
	return faults
}

func slashFault(path, prefix string) (sdk.Fault, bool) {
	return sdk.Fault{
		Path: path, Summary: "Prefix begins with a slash",
		Detail: "Keys in S3 do not begin with one, so that nothing would be found. Leave it out.",
	}, strings.HasPrefix(prefix, "/")
}

// prefixes are those to list. One that lies within another is left out, so that no
// object is listed twice.
func (s Settings) prefixes() []string {
	all := s.Prefixes
	if len(all) == 0 {
		all = []string{s.Prefix}
	}
	var keep []string
	for i, p := range all {
		covered := false
		for j, other := range all {
			if strings.HasPrefix(p, other) && (p != other || j < i) {
				covered = true
			}
		}
		if !covered {
			keep = append(keep, p)
		}
	}
	return keep
}
