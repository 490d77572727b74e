pipelin "x" {
}
agent {
  stat_dir = "/tmp"
  logg {
  }
}
pipeline "audit" {
  descripton = "hunter2 is not shown"
  source "file" {
    path  = ["a"]
    paths = ["a"]
    max_file = 3
  }
  filter {
    event_name = ["ConsoleLogin"]
  }
  sink "webhook" {
    url    = "https://example.org"
    tokn   = "hunter2"
    retri {
      max = 3
    }
    retry = 3
  }
  batch {
    size = 100
  }
}
