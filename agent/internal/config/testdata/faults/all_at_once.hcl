agent {
  memory_limt = "8MiB"
  log { level = "loud" }
}

agent {
  state_dir = ["x"]
}

pipeline {
  source "file" {
    paths = []
  }
  sink "rds_direct" {
    host     = "db.example.org"
    group_id = "nobody"
  }
}

pipeline "audit" {
  enabld = true
  source "s3" {
    buckett  = "trail"
    prefix   = "a/"
    prefixes = ["b/", ["c/"], ["d/"]]
    interval = "soon"
  }
  source "s4" {
    interval = "never"
    bucket   = "trail"
  }
  filter {
    event_nams      = ["x"]
    event_names     = ["ConsoleLogin", ["x"], ""]
    where           = "event.nothing == 1"
    error_codes     = "AccessDenied"
  }
  filter {
    where = "event.eventName == 1"
  }
  sink "rds_direct" {
    port     = "many"
    group_id = "not a group"
    password = env("TOKEN")
    writers  = 99
  }
  sink "webhook" {
    url     = "https://fault.example.org"
    ratio   = "half"
    methods = ["BREW", "GET"]
    enabled = "perhaps"
    retry { max = "few" }
    retry { }
  }
}
