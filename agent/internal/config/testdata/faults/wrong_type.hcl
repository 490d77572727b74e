agent {
  memory_limit = ["32MiB"]
}
pipeline "audit" {
  enabled = "perhaps"
  source "s3" {
    bucket   = ["a"]
    prefixes = "b"
    interval = true
  }
  source "file" {
    paths     = ["a", { b = "c" }]
    interval  = {}
    max_files = 1.5
  }
  source "file" {
    paths     = ["a", null]
    max_files = "three"
  }
  sink "webhook" {
    url     = "https://example.org"
    headers = { "X-A" = "b", "X-B" = ["hunter2"] }
    labels  = { team = ["a"] }
    token   = ["hunter2"]
  }
  sink "rds_direct" {
    host     = "db"
    port     = "fifty"
    group_id = env("GROUP_ID")
  }
  batch {
    max_events = env("NOT_A_NUMBER")
  }
}
