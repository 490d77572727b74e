package s3test

// A call is one kind of record. In params and response, ~ stands for a random
// identifier and @ for the account.
type call struct {
	weight       int // share of the records, in thousandths
	shape        shape
	source, name string
	readOnly     bool
	data         bool // a data event, not a management event
	params       string
	response     string
}

// A shape is what a record looks like at its top level.
type shape uint8

const (
	apiCall shape = iota
	consoleSignIn
	serviceEvent
	insight
)

// catalog lists the kinds of records. The weights add up to 1,000.
func catalog() []call {
	return []call{
		{
			weight: 190, source: "sts.amazonaws.com", name: "AssumeRole", readOnly: true,
			params:   `{"roleArn":"arn:aws:iam::@:role/deploy","roleSessionName":"session-~","durationSeconds":3600}`,
			response: `{"credentials":{"accessKeyId":"ASIA~","sessionToken":"~~~~~~~~","expiration":"Nov 1, 2026, 1:00:00 PM"},"assumedRoleUser":{"assumedRoleId":"AROA~:session","arn":"arn:aws:sts::@:assumed-role/deploy/session-~"}}`,
		},
		{
			weight: 150, source: "ec2.amazonaws.com", name: "DescribeInstances", readOnly: true,
			params:   `{"maxResults":1000,"instancesSet":{},"filterSet":{"items":[{"name":"instance-state-name","valueSet":{"items":[{"value":"running"}]}}]}}`,
			response: `null`,
		},
		{
			weight: 120, source: "kms.amazonaws.com", name: "Decrypt", readOnly: true,
			params:   `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::data-~"}}`,
			response: `null`,
		},
		{
			weight: 110, source: "s3.amazonaws.com", name: "GetObject", readOnly: true, data: true,
			params:   `{"bucketName":"data-lake","Host":"data-lake.s3.amazonaws.com","key":"year=2026/part-~.parquet"}`,
			response: `null`,
		},
		{
			weight: 60, source: "s3.amazonaws.com", name: "PutObject", data: true,
			params:   `{"bucketName":"data-lake","Host":"data-lake.s3.amazonaws.com","key":"incoming/~.json","x-amz-acl":"bucket-owner-full-control"}`,
			response: `{"x-amz-server-side-encryption":"aws:kms","x-amz-version-id":"~"}`,
		},
		{
			weight: 60, source: "logs.amazonaws.com", name: "CreateLogStream",
			params: `{"logGroupName":"/aws/lambda/ingest","logStreamName":"2026/11/01/[$LATEST]~"}`, response: `null`,
		},
		{
			weight: 50, source: "ec2.amazonaws.com", name: "DescribeNetworkInterfaces", readOnly: true,
			params: `{"networkInterfaceIdSet":{"items":[{"networkInterfaceId":"eni-~"}]},"filterSet":{}}`, response: `null`,
		},
		{weight: 40, source: "iam.amazonaws.com", name: "ListRoles", readOnly: true, params: `{"maxItems":100,"marker":"~"}`, response: `null`},
		{weight: 40, source: "iam.amazonaws.com", name: "GetUser", readOnly: true, params: `null`, response: `null`},
		{
			weight: 30, source: "dynamodb.amazonaws.com", name: "UpdateItem", data: true,
			params: `{"tableName":"sessions","key":{"id":"HIDDEN_DUE_TO_SECURITY_REASONS"}}`, response: `null`,
		},
		{weight: 30, source: "lambda.amazonaws.com", name: "ListFunctions20150331", readOnly: true, params: `null`, response: `null`},
		{
			weight: 20, shape: consoleSignIn, source: "signin.amazonaws.com", name: "ConsoleLogin",
			params: `null`, response: `{"ConsoleLogin":"Success"}`,
		},
		{
			weight: 20, source: "ec2.amazonaws.com", name: "RunInstances",
			params:   `{"instancesSet":{"items":[{"imageId":"ami-~","minCount":1,"maxCount":1}]},"instanceType":"m7g.large","disableApiTermination":false,"userData":"<sensitiveDataRemoved>"}`,
			response: `{"requestId":"~","reservationId":"r-~","ownerId":"@","instancesSet":{"items":[{"instanceId":"i-~","currentState":{"code":0,"name":"pending"}}]}}`,
		},
		{
			weight: 15, source: "ec2.amazonaws.com", name: "AuthorizeSecurityGroupIngress",
			params:   `{"groupId":"sg-~","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":22,"toPort":22,"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}}]}}`,
			response: `{"requestId":"~","_return":true}`,
		},
		{weight: 15, source: "secretsmanager.amazonaws.com", name: "GetSecretValue", readOnly: true, params: `{"secretId":"prod/db-~"}`, response: `null`},
		{
			weight: 10, source: "iam.amazonaws.com", name: "CreateAccessKey",
			params:   `{"userName":"backup"}`,
			response: `{"accessKey":{"userName":"backup","accessKeyId":"AKIA~","status":"Active","createDate":"Nov 1, 2026, 1:00:00 AM"}}`,
		},
		{
			weight: 10, source: "iam.amazonaws.com", name: "AttachRolePolicy",
			params: `{"roleName":"deploy","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`, response: `null`,
		},
		{weight: 10, source: "s3.amazonaws.com", name: "DeleteBucketPolicy", params: `{"bucketName":"data-~","policy":""}`, response: `null`},
		{weight: 5, source: "cloudtrail.amazonaws.com", name: "StopLogging", params: `{"name":"arn:aws:cloudtrail:us-east-1:@:trail/main"}`, response: `null`},
		{weight: 10, shape: serviceEvent, source: "kms.amazonaws.com", name: "RotateKey"},
		{weight: 5, shape: insight, name: "RunInstances", source: "ec2.amazonaws.com"},
	}
}

// An identity is a kind of userIdentity. arn and user feed the template; ~ and @
// are as in a call.
type identity struct {
	weight int // in hundredths
	json   string
	ip     string // empty: a public address is made up
	agent  string
}

// identities lists the kinds of callers. The weights add up to 100.
func identities() []identity {
	return []identity{
		{
			weight: 50, agent: "aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#arm64 api/sts#1.51.8",
			json: `{"type":"AssumedRole","principalId":"AROAEXAMPLE:i-~","arn":"arn:aws:sts::@:assumed-role/worker/i-~","accountId":"@","accessKeyId":"ASIA~","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::@:role/worker","accountId":"@","userName":"worker"},"webIdFederationData":{},"attributes":{"creationDate":"2026-11-01T00:00:00Z","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"}}`,
		},
		{
			weight: 20, agent: "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/macos#24.6.0 md/arch#arm64 lang/python#3.13.7",
			json: `{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::@:user/alice","accountId":"@","accessKeyId":"AKIA~","userName":"alice"}`,
		},
		{
			weight: 14, ip: "autoscaling.amazonaws.com", agent: "autoscaling.amazonaws.com",
			json: `{"type":"AWSService","invokedBy":"autoscaling.amazonaws.com"}`,
		},
		{
			weight: 8, ip: "AWS Internal", agent: "AWS Internal",
			json: `{"type":"AssumedRole","principalId":"AROAEXAMPLE2:config","arn":"arn:aws:sts::@:assumed-role/aws-service-role/config","accountId":"@","invokedBy":"config.amazonaws.com","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE2","arn":"arn:aws:iam::@:role/aws-service-role/config","accountId":"@","userName":"config"},"attributes":{"creationDate":"2026-11-01T00:00:00Z","mfaAuthenticated":"false"}}}`,
		},
		{
			weight: 4, agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
			json: `{"type":"Root","principalId":"@","arn":"arn:aws:iam::@:root","accountId":"@","accessKeyId":""}`,
		},
		{
			weight: 2, agent: "Boto3/1.40.61 md/Botocore#1.40.61 ua/2.1 os/linux#6.12 lang/python#3.13.7",
			json: `{"type":"WebIdentityUser","principalId":"token.actions.githubusercontent.com:sts.amazonaws.com:repo:example/app","userName":"repo:example/app","identityProvider":"arn:aws:iam::@:oidc-provider/token.actions.githubusercontent.com"}`,
		},
		{
			weight: 2, agent: "S3Console/0.4, aws-internal/3",
			json: `{"type":"AWSAccount","principalId":"AROAEXAMPLE3:~","accountId":"444455556666"}`,
		},
	}
}
