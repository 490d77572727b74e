agent {
  memory_limit = "1MiB"
  log {
    level  = "verbose"
    format = "xml"
  }
}
pipeline "audit" {
  source "file" {
    paths     = []
    interval  = "5 minutes"
    since     = "yesterday"
    max_files = -1
  }
  source "file" {
    paths    = ["a"]
    interval = "1ms"
  }
  sink "rds_direct" {
    host     = "no spaces allowed"
    port     = 70000
    sslmode  = "prefer"
    group_id = env("GROUP_ID")
  }
  sink "webhook" {
    url     = "https://example.org"
    methods = ["POST", "BREW"]
    labels  = { team = "UPPER", zone = "b" }
    buffer  = "10 furlongs"
    rule {
      name = "a"
    }
    rule {
      name   = "b"
      number = 11
    }
    route "x" {
      name   = "c"
      number = env("LOG_LEVEL")
    }
  }
  batch {
    max_bytes = "17MiB"
    linger    = env("NOT_A_NUMBER")
  }
}
