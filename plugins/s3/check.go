package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/access"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	logs "github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

var (
	_ sdk.Checker = (*Source)(nil)
	_ sdk.Checker = (*notified)(nil)
	_ sdk.Grantee = Settings{}
)

// Check tries credentials, each prefix, one object, and the trail that writes them.
func (s *Source) Check(ctx context.Context) []sdk.Finding {
	var r access.Report
	if err := s.access.Authenticate(ctx); err != nil {
		r.Fail("credentials", err, "")
		return r.Findings
	}
	s.checkCaller(ctx, &r)
	listed := false
	for _, prefix := range s.settings.prefixes() {
		listed = s.checkPrefix(ctx, &r, prefix, !listed) || listed
	}
	if listed {
		s.checkTrail(ctx, &r)
	}
	return r.Findings
}

// Check tries the queue as well.
func (n *notified) Check(ctx context.Context) []sdk.Finding {
	r := access.Report{Findings: n.Source.Check(ctx)}
	n.queue.check(ctx, &r)
	return r.Findings
}

// speaksTo reports whether a service of AWS besides S3 can be asked: not where a server
// stands in for S3, unless the environment names one for the service too.
func (s *Source) speaksTo(service string) bool {
	return s.settings.Endpoint == "" || awsconfig.IsAWS(s.settings.Endpoint) || os.Getenv("AWS_ENDPOINT_URL_"+service) != ""
}

func (s *Source) checkCaller(ctx context.Context, r *access.Report) {
	const subject = "credentials"
	creds, err := s.access.Credentials.Retrieve(ctx)
	if err != nil {
		r.Fail(subject, err, "")
		return
	}
	if !s.speaksTo("STS") {
		r.OK(subject, "found by %s", creds.Source)
		return
	}
	who, err := sts.NewFromConfig(s.access.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		r.Fail(subject, fmt.Errorf("ask who they are: %w", s.classify(ctx, err, "sts:GetCallerIdentity")), "")
		return
	}
	r.OK(subject, "%s, found by %s", aws.ToString(who.Arn), creds.Source)
}

// checkPrefix lists a page of a prefix and opens one object of it. It reports whether
// listing worked.
func (s *Source) checkPrefix(ctx context.Context, r *access.Report, prefix string, first bool) bool {
	subject := "list " + prefix
	if prefix == "" {
		subject = "list bucket"
	}
	out, err := s.client.ListObjectsV2(ctx, s.listInput(prefix))
	if err != nil {
		r.Fail(subject, s.classify(ctx, err, "s3:ListBucket"), "")
		return false
	}
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok && first {
		r.Clock("S3", at, time.Now())
	}
	var log *types.Object
	for i := range out.Contents {
		o := &out.Contents[i]
		if key := plainKey(o.Key, out.EncodingType); logs.Readable(key) && aws.ToInt64(o.Size) > 0 {
			o.Key, log = aws.String(key), o
			break
		}
	}
	switch {
	case log != nil:
		r.OK(subject, "finds logs such as %s", aws.ToString(log.Key))
		s.checkObject(ctx, r, log)
	case aws.ToBool(out.IsTruncated):
		r.OK(subject, "finds keys, but no log among the first %d", len(out.Contents))
	default:
		r.Warn(subject, "finds no log: nothing ends in .json.gz below it", "check bucket and prefix; a new trail writes its first log after some 5 minutes")
	}
	return true
}

// checkObject reads the first bytes, which also takes the right to the key it is
// encrypted with.
func (s *Source) checkObject(ctx context.Context, r *access.Report, o *types.Object) {
	const subject = "get object"
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(s.settings.Bucket), Key: o.Key, Range: aws.String("bytes=0-1"),
		ExpectedBucketOwner: optional(s.settings.ExpectedBucketOwner),
	})
	if err != nil {
		r.Fail(subject, s.classify(ctx, err, "s3:GetObject, and kms:Decrypt if the object is encrypted with a KMS key"), "")
		return
	}
	defer out.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(out.Body, 2)); err != nil {
		r.Fail(subject, err, "")
		return
	}
	switch {
	case aws.ToString(out.SSEKMSKeyId) != "":
		r.OK(subject, "can be read; encrypted with the KMS key %s", aws.ToString(out.SSEKMSKeyId))
	case out.ServerSideEncryption != "":
		r.OK(subject, "can be read; encrypted with %s", out.ServerSideEncryption)
	default:
		r.OK(subject, "can be read")
	}
}

// checkTrail looks for the trails that write into the bucket. The agent does without the
// rights for it.
func (s *Source) checkTrail(ctx context.Context, r *access.Report) {
	const subject = "trail"
	if !s.speaksTo("CLOUDTRAIL") {
		return
	}
	client := cloudtrail.NewFromConfig(s.access.Config)
	out, err := client.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{})
	if err != nil {
		r.Warn(subject, "cannot be looked at: "+plain(err), "to see whether the trail works, allow cloudtrail:DescribeTrails and cloudtrail:GetTrailStatus; the agent does without")
		return
	}
	found := false
	for _, t := range out.TrailList {
		if aws.ToString(t.S3BucketName) == s.settings.Bucket {
			found = true
			checkTrailStatus(ctx, r, client, t)
		}
	}
	if !found {
		r.Warn(subject, "none that this account can see writes into the bucket", "nothing to do if another account's trail does")
	}
}

func checkTrailStatus(ctx context.Context, r *access.Report, client *cloudtrail.Client, t trailtypes.Trail) {
	subject := "trail " + aws.ToString(t.Name)
	status, err := client.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: t.TrailARN})
	latest := "no log yet"
	if err == nil && status.LatestDeliveryTime != nil {
		latest = "latest log " + status.LatestDeliveryTime.UTC().Format(time.RFC3339)
	}
	switch {
	case err != nil:
		r.Warn(subject, "its status cannot be read: "+plain(err), "allow cloudtrail:GetTrailStatus; the agent does without")
	case aws.ToString(status.LatestDeliveryError) != "":
		r.Warn(subject, "cannot deliver: "+aws.ToString(status.LatestDeliveryError), "mend the bucket's policy; see the CloudTrail user guide, \"Amazon S3 bucket policy for CloudTrail\"")
	case !aws.ToBool(status.IsLogging):
		r.Warn(subject, "is switched off; "+latest, "if that is not meant to be: aws cloudtrail start-logging --name "+aws.ToString(t.Name))
	default:
		r.OK(subject, "is on; %s", latest)
	}
}

// check asks for the queue's attributes. What it holds is left alone: to receive a
// message would count as a try to read it.
func (q *queue) check(ctx context.Context, r *access.Report) {
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(q.settings.QueueURL), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		r.Fail("queue", q.classify(ctx, err, "sqs:GetQueueAttributes"), "")
		return
	}
	number := func(name sqstypes.QueueAttributeName) string {
		if n := out.Attributes[string(name)]; n != "" {
			return n
		}
		return "?"
	}
	r.OK("queue", "%s messages waiting, %s taken, visibility %s s",
		number(sqstypes.QueueAttributeNameApproximateNumberOfMessages),
		number(sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible), number(sqstypes.QueueAttributeNameVisibilityTimeout))
	var redrive struct {
		Target string `json:"deadLetterTargetArn"`
		// A number, or a number in quotes, as AWS has written it both ways.
		Count any `json:"maxReceiveCount"`
	}
	policy := out.Attributes[string(sqstypes.QueueAttributeNameRedrivePolicy)]
	if json.Unmarshal([]byte(policy), &redrive) != nil || redrive.Target == "" {
		r.Warn("dead-letter queue", "none: messages that nobody can read go to quarantine instead",
			"give the queue a redrive policy to keep them in a queue")
		return
	}
	r.OK("dead-letter queue", "%s takes messages after %v receipts", redrive.Target[strings.LastIndexByte(redrive.Target, ':')+1:], redrive.Count)
}

// plain is an error of AWS without the account of the call, in one line.
func plain(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "api error "); i >= 0 {
		text = text[i+len("api error "):]
	}
	return text
}

// Rights implements [sdk.Grantee].
func (s Settings) Rights() []sdk.Right {
	bucket := "arn:" + s.partition() + ":s3:::" + s.Bucket
	var under, objects []string
	for _, p := range s.prefixes() {
		under, objects = append(under, p+"*"), append(objects, bucket+"/"+p+"*")
	}
	rights := []sdk.Right{
		access.Allow("list the logs", []string{"s3:ListBucket"}, []string{bucket}, map[string]any{"StringLike": map[string]any{"s3:prefix": under}}),
		access.Allow("read them; kms:Decrypt with their key too if they are encrypted with one", []string{"s3:GetObject"}, objects, nil),
	}
	if n := s.Notifications; n != nil {
		rights = append(rights, access.Allow("take messages from the queue; kms:Decrypt too if it is encrypted with a KMS key of yours",
			[]string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"},
			[]string{n.arn(s.partition())}, nil),
			access.Allow("read objects that were overwritten after they were announced", []string{"s3:GetObjectVersion"}, objects, nil))
	}
	if s.AssumeRole != nil {
		comment := fmt.Sprintf("take on the role; the other rights are those of %s", s.AssumeRole.ARN)
		rights = append(rights, access.Allow(comment, []string{"sts:AssumeRole"}, []string{s.AssumeRole.ARN}, nil))
	}
	return rights
}

// partition is the part of AWS that the Region belongs to, as ARNs name it.
func (s Settings) partition() string {
	if s.AssumeRole != nil {
		if a, err := arn.Parse(s.AssumeRole.ARN); err == nil {
			return a.Partition
		}
	}
	switch {
	case strings.HasPrefix(s.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(s.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// arn names the queue of a URL such as https://sqs.eu-west-1.amazonaws.com/123456789012/name.
func (n Notifications) arn(partition string) string {
	_, rest, _ := strings.Cut(n.QueueURL, "://")
	host, path, _ := strings.Cut(rest, "/")
	region := "*"
	if m := regionInHost.FindStringSubmatch(host); m != nil {
		region = m[1] + m[2]
	}
	account, name, ok := strings.Cut(path, "/")
	if !ok {
		account, name = "*", path
	}
	return fmt.Sprintf("arn:%s:sqs:%s:%s:%s", partition, region, account, name)
}
