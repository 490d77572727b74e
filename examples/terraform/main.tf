# What INU-Logsmith needs in AWS: a role for its EC2 instance, and a queue that hears of
# new objects. The trail and its bucket are there already.
#
#   terraform init
#   terraform apply -var bucket=your-cloudtrail-bucket -var prefix=AWSLogs/123456789012/CloudTrail/
#
# Then write the output queue_url into agent.hcl, and give the instance the output
# instance_profile. "agent check -config agent.hcl" tells whether it all fits together.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "bucket" {
  description = "The bucket that CloudTrail writes to. It must be in the provider's Region."
  type        = string
}

variable "prefix" {
  description = "Only keys that begin with this are read and announced."
  type        = string
  default     = "AWSLogs/"
}

variable "kms_key_arn" {
  description = "The KMS key that the trail encrypts its logs with; null if there is none."
  type        = string
  default     = null
}

variable "database_resource" {
  description = "ARN of the database user for auth = \"iam\", as in arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE_ID/inu_writer; null for a password."
  type        = string
  default     = null
}

variable "name" {
  description = "Name of everything that is made here."
  type        = string
  default     = "inu-detector"
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
}

# The queue, and another one for messages that nobody can read.

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  message_retention_seconds = 1209600 # 14 days, the longest
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "new_objects" {
  name                       = var.name
  message_retention_seconds  = 345600 # 4 days; the listing finds what is older
  visibility_timeout_seconds = 300    # the agent renews it while it reads
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 10
  })
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "S3Announces"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.new_objects.arn]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.bucket_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_sqs_queue_policy" "new_objects" {
  queue_url = aws_sqs_queue.new_objects.id
  policy    = data.aws_iam_policy_document.queue.json
}

# A bucket has one notification configuration: if yours has one already, add the queue
# there instead of here.
resource "aws_s3_bucket_notification" "new_objects" {
  bucket = var.bucket
  queue {
    queue_arn     = aws_sqs_queue.new_objects.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.prefix
    filter_suffix = ".json.gz"
  }
  depends_on = [aws_sqs_queue_policy.new_objects]
}

# The role of the instance, with the rights that "agent check -print-iam" prints.

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "reader" {
  statement {
    sid       = "ListTheLogs"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.prefix}*"]
    }
  }
  statement {
    sid       = "ReadThem"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/${var.prefix}*"]
  }
  statement {
    sid       = "TakeMessages"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.new_objects.arn]
  }
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]
    content {
      sid       = "DecryptThem"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = var.database_resource == null ? [] : [var.database_resource]
    content {
      sid       = "LogInToTheDatabase"
      actions   = ["rds-db:connect"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role" "agent" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "reader" {
  name   = "reader"
  role   = aws_iam_role.agent.id
  policy = data.aws_iam_policy_document.reader.json
}

resource "aws_iam_instance_profile" "agent" {
  name = var.name
  role = aws_iam_role.agent.name
}

output "queue_url" {
  description = "For notifications { queue_url = \"…\" } in agent.hcl."
  value       = aws_sqs_queue.new_objects.url
}

output "instance_profile" {
  description = "For the EC2 instance that the agent runs on."
  value       = aws_iam_instance_profile.agent.name
}
