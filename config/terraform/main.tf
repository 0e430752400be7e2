# The same as `relay aws setup` makes: configuration set, topic, subscription and event destination, and the rights of the relay.
#
#   terraform apply -var public_url=https://relay.example.com
#
# With https the relay must be there to confirm: first put arn:aws:sns:REGION:ACCOUNT:relay-events into its feedback.topics, and
# start it. With sqs put the outputs into its settings afterwards. `relay doctor` then says whether all fits.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60"
    }
  }
}

variable "configuration_set" {
  type    = string
  default = "relay"
}

variable "topic" {
  type    = string
  default = "relay-events"
}

variable "transport" {
  type    = string
  default = "https"

  validation {
    condition     = contains(["https", "sqs"], var.transport)
    error_message = "The transport is https or sqs."
  }
}

variable "public_url" {
  description = "How the Internet reaches the relay, without /sns. Not needed with sqs."
  type        = string
  default     = ""
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  uses_queue = var.transport == "sqs"
  account    = data.aws_caller_identity.current.account_id
  ses        = "arn:${data.aws_partition.current.partition}:ses:${data.aws_region.current.name}:${local.account}"
  sqs        = "arn:${data.aws_partition.current.partition}:sqs:${data.aws_region.current.name}:${local.account}"
}

resource "aws_sesv2_configuration_set" "relay" {
  configuration_set_name = var.configuration_set
}

resource "aws_sns_topic" "events" {
  name              = var.topic
  signature_version = 2
}

resource "aws_sns_topic_policy" "events" {
  arn    = aws_sns_topic.events.arn
  policy = <<-JSON
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "RelaySesPublishes",
          "Effect": "Allow",
          "Principal": {"Service": "ses.amazonaws.com"},
          "Action": "sns:Publish",
          "Resource": "${aws_sns_topic.events.arn}",
          "Condition": {
            "StringEquals": {
              "AWS:SourceAccount": "${local.account}",
              "AWS:SourceArn": "${local.ses}:configuration-set/${var.configuration_set}"
            }
          }
        }
      ]
    }
  JSON
}

# For 14 days what the relay could not take.
resource "aws_sqs_queue" "dead" {
  count                     = local.uses_queue ? 1 : 0
  name                      = "${var.topic}-dead"
  message_retention_seconds = 1209600

  redrive_allow_policy = <<-JSON
    {
      "redrivePermission": "byQueue",
      "sourceQueueArns": ["${local.sqs}:${var.topic}"]
    }
  JSON
}

resource "aws_sqs_queue" "events" {
  count                      = local.uses_queue ? 1 : 0
  name                       = var.topic
  message_retention_seconds  = 1209600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 60

  redrive_policy = <<-JSON
    {
      "deadLetterTargetArn": "${aws_sqs_queue.dead[0].arn}",
      "maxReceiveCount": 20
    }
  JSON
}

resource "aws_sqs_queue_policy" "events" {
  count     = local.uses_queue ? 1 : 0
  queue_url = aws_sqs_queue.events[0].id
  policy    = <<-JSON
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "RelayTopicSends",
          "Effect": "Allow",
          "Principal": {"Service": "sns.amazonaws.com"},
          "Action": "sqs:SendMessage",
          "Resource": "${aws_sqs_queue.events[0].arn}",
          "Condition": {"ArnEquals": {"aws:SourceArn": "${aws_sns_topic.events.arn}"}}
        }
      ]
    }
  JSON
}

resource "aws_sns_topic_subscription" "queue" {
  count                = local.uses_queue ? 1 : 0
  topic_arn            = aws_sns_topic.events.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.events[0].arn
  raw_message_delivery = false
  depends_on           = [aws_sqs_queue_policy.events]
}

# Tries for three quarters of an hour and more; no gap is longer than a minute. The relay confirms by itself.
resource "aws_sns_topic_subscription" "webhook" {
  count                  = local.uses_queue ? 0 : 1
  topic_arn              = aws_sns_topic.events.arn
  protocol               = "https"
  endpoint               = "${var.public_url}/sns"
  endpoint_auto_confirms = true
  raw_message_delivery   = false

  delivery_policy = <<-JSON
    {
      "healthyRetryPolicy": {
        "minDelayTarget": 5,
        "maxDelayTarget": 60,
        "numRetries": 60,
        "numNoDelayRetries": 1,
        "numMinDelayRetries": 2,
        "numMaxDelayRetries": 47,
        "backoffFunction": "exponential"
      }
    }
  JSON
}

# After the policy, without which SES refuses the topic. For OPEN and CLICK SES changes the mail: leave them out if you do not
# want that.
resource "aws_sesv2_configuration_set_event_destination" "events" {
  configuration_set_name = aws_sesv2_configuration_set.relay.configuration_set_name
  event_destination_name = var.topic
  depends_on             = [aws_sns_topic_policy.events]

  event_destination {
    enabled = true
    matching_event_types = [
      "SEND", "REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "OPEN", "CLICK", "RENDERING_FAILURE", "DELIVERY_DELAY", "SUBSCRIPTION"
    ]

    sns_destination {
      topic_arn = aws_sns_topic.events.arn
    }
  }
}

# To be attached to the role or user that the relay runs as.
resource "aws_iam_policy" "relay" {
  name_prefix = "relay-"
  policy      = <<-JSON
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "Send",
          "Effect": "Allow",
          "Action": ["ses:SendEmail", "ses:SendRawEmail"],
          "Resource": ["${local.ses}:identity/*", "${local.ses}:configuration-set/${var.configuration_set}"]
        },
        {
          "Sid": "KnowTheAccount",
          "Effect": "Allow",
          "Action": ["ses:GetAccount", "ses:ListEmailIdentities"],
          "Resource": ["*"]
        },
        {
          "Sid": "KnowTheIdentities",
          "Effect": "Allow",
          "Action": ["ses:GetEmailIdentity"],
          "Resource": ["${local.ses}:identity/*"]
        },
        {
          "Sid": "KnowTheSuppressed",
          "Effect": "Allow",
          "Action": ["ses:ListSuppressedDestinations", "ses:DeleteSuppressedDestination"],
          "Resource": ["*"]
        },
        %{if local.uses_queue}
        {
          "Sid": "ReadTheQueues",
          "Effect": "Allow",
          "Action": [
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility"
          ],
          "Resource": ["${local.sqs}:${var.topic}", "${local.sqs}:${var.topic}-dead"]
        }
        %{else}
        {
          "Sid": "ConfirmTheWebhook",
          "Effect": "Allow",
          "Action": ["sns:ConfirmSubscription"],
          "Resource": ["${aws_sns_topic.events.arn}"]
        }
        %{endif}
      ]
    }
  JSON
}

output "topic" {
  description = "For feedback.topics"
  value       = aws_sns_topic.events.arn
}

output "queue" {
  description = "For feedback.queues"
  value       = local.uses_queue ? aws_sqs_queue.events[0].url : null
}

output "rights" {
  description = "For the role or user of the relay"
  value       = aws_iam_policy.relay.arn
}
