agent {
  state_dir    = "/tmp/state"
  plugin_dir   = "/tmp/plugins"
  memory_limit = "64MiB"
  log {
    level  = env("LOG_LEVEL")
    format = "json"
  }
}

plugin "webhook" {
  path           = "/usr/lib/webhook"
  sha256         = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
  args           = ["-v"]
  env            = { TOKEN = env("TOKEN") }
  memory         = "128MiB"
  allow_unpinned = true
}

pipeline "audit" {
  description = "감사"
  source "s3" {
    description = "a bucket"
    enabled     = false
    interval    = env("COLLECTION_INTERVAL")
    since       = "24h"
    max_files   = "10"
    bucket      = "b"
    assume_role {
      arn = "arn:aws:iam::1:role/r"
    }
  }
  source "file" {
    paths = ["a", 5, true]
  }
  filter {
    event_names         = ["ConsoleLogin"]
    exclude_event_names = ["A*"]
    event_sources       = ["s3.amazonaws.com"]
    accounts            = [123456789012]
    read_only           = "false"
    where               = "event.errorCode != null"
  }
  sink "rds_direct" {
    host     = "db"
    port     = "5433"
    password = credential("rds_password")
    group_id = env("GROUP_ID")
  }
  sink "rds_direct" {
    name     = "copy"
    enabled  = false
    host     = "db"
    password = file("../faults/note.txt")
    group_id = "${env("GROUP_ID")}"
  }
  sink "rds_direct" {
    host     = "db"
    group_id = env("UNSET", env("GROUP_ID"))
    password = env("UNSET", null)
  }
  sink "webhook" {
    url     = "https://example.org"
    token   = env("TOKEN")
    headers = { "X-A" = env("TOKEN"), X-B = 1 }
    buffer  = 2048
    timeout = 90
    ratio   = 1e-3
    retry {
      max = 3
    }
    rule {
      name = "a"
    }
    rule {
      name   = "b"
      number = 2
    }
    route "x y" {
      name = "c"
    }
  }
  batch {
    max_events = env("BATCH_SIZE")
    max_bytes  = "3MiB"
    linger     = "250ms"
  }
}

pipeline "small" {
  enabled = false
  source "file" {
    paths = ["a"]
  }
  sink "webhook" {
    url = "https://example.org"
  }
}
