package filter

import (
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func BenchmarkMatchList(b *testing.B) {
	benchmarkMatch(b, Config{
		EventNames:     []string{"ConsoleLogin", "AssumeRole", "Delete*", "Put*Policy"},
		ExcludeRegions: []string{"eu-*"},
	})
}

func BenchmarkWhereEnvelope(b *testing.B) {
	benchmarkMatch(b, Config{Where: `event.readOnly != true || event.errorCode != null`})
}

func BenchmarkWhereEnvelopeAbsent(b *testing.B) {
	benchmarkMatch(b, Config{Where: `event.errorCode != null || event.eventName == "PutBucketPolicy"`})
}

func BenchmarkWhereNested(b *testing.B) {
	benchmarkMatch(b, Config{Where: `event.userIdentity.type == "AssumedRole" && event.userIdentity.sessionContext.sessionIssuer.userName == "deploy"`})
}

func BenchmarkWhereWholeObject(b *testing.B) {
	benchmarkMatch(b, Config{Where: `event.resources.exists(r, r.type == "AWS::S3::Bucket") && event.userIdentity["type"] == "AssumedRole"`})
}

func benchmarkMatch(b *testing.B, c Config) {
	f := compile(b, c)
	event := benchmarkEvent()
	b.ReportAllocs()
	b.SetBytes(int64(len(event.Raw)))
	for b.Loop() {
		if v := f.Match(&event); !v.Keep || v.Unevaluable != nil {
			b.Fatalf("Match = %+v", v)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func benchmarkEvent() sdk.Event {
	return sdk.Event{
		Name: "PutBucketPolicy", Source: "s3.amazonaws.com", Region: "ap-northeast-2", Account: "123456789012",
		ReadOnly: sdk.False, Raw: []byte(benchmarkRecord),
	}
}

// benchmarkRecord has the shape and size of an average management event.
const benchmarkRecord = `{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEEXAMPLE000:deploy-42",` +
	`"arn":"arn:aws:sts::123456789012:assumed-role/deploy/deploy-42","accountId":"123456789012","accessKeyId":"ASIAEXAMPLEEXAMPLE00",` +
	`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLEEXAMPLE000","arn":"arn:aws:iam::123456789012:role/deploy",` +
	`"accountId":"123456789012","userName":"deploy"},"attributes":{"creationDate":"2026-11-02T03:00:00Z","mfaAuthenticated":"false"}}},` +
	`"eventTime":"2026-11-02T03:04:05Z","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","awsRegion":"ap-northeast-2",` +
	`"sourceIPAddress":"198.51.100.7","userAgent":"[aws-cli/2.31.1 md/awscrt#0.27.6 ua/2.1 os/linux#6.8 md/arch#x86_64 lang/python#3.13 cfg/retry-mode#standard]",` +
	`"requestParameters":{"bucketName":"example-bucket","Host":"example-bucket.s3.ap-northeast-2.amazonaws.com","bucketPolicy":{"Version":"2012-10-17",` +
	`"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["s3:GetObject","s3:ListBucket"],"Resource":"*"}]}},` +
	`"responseElements":null,"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":412,` +
	`"AuthenticationMethod":"AuthHeader","x-amz-id-2":"EXAMPLEexampleEXAMPLEexampleEXAMPLEexample=","bytesTransferredOut":0},` +
	`"requestID":"62A9N2AH4P4YKG2B","eventID":"4b1c3f6e-5a7d-4c8e-9f01-23456789abcd","readOnly":false,` +
	`"resources":[{"accountId":"123456789012","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::example-bucket"}],` +
	`"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"123456789012","eventCategory":"Management",` +
	`"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"example-bucket.s3.ap-northeast-2.amazonaws.com"}}`
