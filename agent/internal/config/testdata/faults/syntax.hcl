agent {
  log {
    level = "info"
  }
  state_dir = = "/tmp"
}
pipeline "audit" {
  source "file" {
    paths = ["a"
    interval = "5m"
  }
}
